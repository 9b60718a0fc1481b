"""Types of columns: what people know them as, what DuckDB calls them, and the texts that a page shows."""

import datetime as dt
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from datastores.sources import ColumnType

# As what a column of each type is read from texts.
DUCKDB_TYPES: Mapping[ColumnType, str] = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "decimal": "DECIMAL(38, 10)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
    "other": "VARCHAR",
}
TYPE_NAMES: Mapping[ColumnType, str] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "decimal": "a decimal number",
    "boolean": "true or false",
    "date": "a date (as in 2026-12-31)",
    "time": "a time (as in 23:59:59)",
    "timestamp": "a timestamp (as in 2026-12-31 23:59:59)",
    "binary": "bytes",
    "other": "a value",
}
_BY_NAME: Mapping[str, ColumnType] = {
    "VARCHAR": "string",
    "TINYINT": "integer",
    "SMALLINT": "integer",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "UTINYINT": "integer",
    "USMALLINT": "integer",
    "UINTEGER": "integer",
    "UBIGINT": "integer",
    "HUGEINT": "integer",
    "UHUGEINT": "integer",
    "FLOAT": "number",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "TIME_NS": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMP_NS WITH TIME ZONE": "timestamp",
    "BLOB": "binary",
    "UUID": "string",
}
CELL_CHARACTERS = 1000


def type_of(duckdb_type: str) -> ColumnType:
    """What people know DuckDB's type as."""
    if duckdb_type.startswith("DECIMAL"):
        return "decimal"
    if duckdb_type.startswith("ENUM"):
        return "string"
    return _BY_NAME.get(duckdb_type, "other")


def text_of(value: Any) -> str | None:
    """A cell as a page shows it, cut to `CELL_CHARACTERS`; None where it is missing."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float):
        text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        text = str(value) if math.isnan(value) or math.isinf(value) else text
    elif isinstance(value, Decimal):
        text = format(value.normalize(), "f")
    elif isinstance(value, dt.datetime):
        text = value.isoformat(sep=" ")
    elif isinstance(value, dict | list):
        text = json.dumps(value, default=str, ensure_ascii=False)
    elif isinstance(value, bytes | bytearray | memoryview):
        start = bytes(value[: CELL_CHARACTERS // 2])
        text = start.hex() + ("…" if len(value) > len(start) else "")
    else:
        text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"

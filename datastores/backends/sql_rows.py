"""From the rows of a database's driver to Arrow: a batch at a time, and none of them large."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datastores.sources import Column, ColumnType
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Convert = Callable[[Any], Any]
Row = Sequence[Any]

FIRST_ROWS = 32  # a row may be a picture: how large they are is known after the first ones
GROWTH = 8
BATCH_BYTES = 16 * 1024**2
MOST_DIGITS = 38  # of Arrow's usual decimals, and of whatever reads them


@dataclass(frozen=True, slots=True)
class ColumnReader:
    """One column of an answer: what people know it as, what it is in Arrow, and how the driver's values become that."""

    column: Column
    arrow: "pa.DataType"
    convert: Convert | None = None

    def array(self, values: Sequence[Any]) -> "pa.Array":
        """Raises UserError where a value does not fit."""
        import pyarrow as pa

        convert = self.convert
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        try:
            return pa.array(values, type=self.arrow, from_pandas=False)
        except (pa.ArrowException, OverflowError, ValueError, TypeError):
            raise UserError(
                f"The column “{self.column.name}” holds a value that is not of its type, {self.column.type}. "
                "CAST it in the query.",
                loc=("query",),
            ) from None


def integer(name: str) -> ColumnReader:
    return _reader(name, "integer", "int64")


def unsigned(name: str) -> ColumnReader:
    """Beyond what an int64 holds."""
    return _reader(name, "integer", "uint64")


def number(name: str, convert: Convert | None = None) -> ColumnReader:
    return _reader(name, "number", "float64", convert)


def boolean(name: str) -> ColumnReader:
    return _reader(name, "boolean", "bool_")


def string(name: str) -> ColumnReader:
    return _reader(name, "string", "string", as_text)


def other(name: str) -> ColumnReader:
    """Shown as text: JSON for lists and objects."""
    return _reader(name, "other", "string", as_text)


def binary(name: str) -> ColumnReader:
    return _reader(name, "binary", "binary", bytes)


def date(name: str) -> ColumnReader:
    return _reader(name, "date", "date32")


def time(name: str) -> ColumnReader:
    import pyarrow as pa

    return ColumnReader(Column(name=name, type="time"), pa.time64("us"))


def timestamp(name: str, *, has_zone: bool) -> ColumnReader:
    import pyarrow as pa

    return ColumnReader(Column(name=name, type="timestamp"), pa.timestamp("us", tz="UTC" if has_zone else None))


def decimal(name: str, digits: int, scale: int) -> ColumnReader:
    """Of more digits than Arrow's usual decimals hold: as text, so that none is lost."""
    import pyarrow as pa

    if scale < 0:
        digits, scale = digits - scale, 0
    digits = max(digits, scale, 1)
    if digits > MOST_DIGITS:
        return other(name)
    return ColumnReader(Column(name=name, type="decimal"), pa.decimal128(digits, scale), _finite)


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_in_json)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="replace")
    return str(value)


def _in_json(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def batches_of(
    readers: Sequence[ColumnReader], fetch: Callable[[int], Sequence[Row]], *, limit: int | None, batch_rows: int
) -> Iterator["pa.RecordBatch"]:
    """All that `fetch` gives, or `limit` rows. At least one batch, so that an empty answer has its columns too."""
    import pyarrow as pa

    schema = pa.schema([pa.field(reader.column.name, reader.arrow) for reader in readers])
    left, count, is_first = limit, min(FIRST_ROWS, batch_rows), True
    while is_first or left is None or left > 0:
        rows = fetch(count if left is None else min(count, left)) if left != 0 else []
        if not rows and not is_first:
            return
        columns = zip(*rows, strict=True) if rows else ((),) * len(readers)
        batch = pa.RecordBatch.from_arrays(
            [reader.array(values) for reader, values in zip(readers, columns, strict=True)], schema=schema
        )
        yield batch
        if not rows:
            return
        is_first = False
        left = None if left is None else left - len(rows)
        row_bytes = max(1, batch.nbytes // len(rows))
        count = max(1, min(batch_rows, count * GROWTH, BATCH_BYTES // row_bytes))


def _reader(name: str, kind: ColumnType, arrow: str, convert: Convert | None = None) -> ColumnReader:
    import pyarrow as pa

    return ColumnReader(Column(name=name, type=kind), getattr(pa, arrow)(), convert)


def _finite(value: Any) -> Any:
    """NaN is no decimal of Arrow's: it is missing."""
    return value if value.is_finite() else None

"""What a text with a separator is made of, guessed from its beginning. Pure: texts in, guesses out."""

import csv
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

from datastores.sources import ColumnType
from datastores.tabular.delimited import first_rows

SEPARATORS = (",", ";", "\t", "|")
LOOKED_AT_ROWS = 200
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})")
_TOO_LONG = re.compile(r"[+-]?\d{19,}")  # as a number it would lose its last digits: it is somebody's number
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?|[+-]?(?:nan|inf)", re.IGNORECASE)
_BOOLEAN = re.compile(r"true|false", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})?")
# What two kinds of cells in one column make together.
_TOGETHER: dict[frozenset[ColumnType], ColumnType] = {
    frozenset({"integer", "number"}): "number",
    frozenset({"date", "timestamp"}): "timestamp",
}


def encoding_of(head: bytes, *, is_all: bool) -> str:
    """By its mark, by the NULs that UTF-16 leaves between Latin letters, or by what fits."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0:4096:2].count(0), head[1:4096:2].count(0)
    most = max(1, min(len(head), 4096) // 2)
    if odd > 0.4 * most and even < 0.1 * most:
        return "utf-16-le"
    if even > 0.4 * most and odd < 0.1 * most:
        return "utf-16-be"
    tail = 0 if is_all else 3  # a character may be cut in two
    for cut in range(tail + 1):
        with suppress(UnicodeDecodeError):
            head[: len(head) - cut].decode("utf-8")
            return "utf-8"
    return "latin-1" if any(byte in head for byte in b"\x81\x8d\x8f\x90\x9d") else "cp1252"


def quote_of(text: str) -> str:
    """The quotation mark: a single one where it stands at the edges of cells and no double one does."""
    if '"' not in text and re.search(r"(?:^|[,;\t|])'[^'\n]*'(?:[,;\t|\r\n]|$)", text, re.MULTILINE):
        return "'"
    return '"'


def separator_of(text: str, *, quote: str, name: str = "") -> str:
    """The one that cuts the most rows into as many cells, and into more than one."""
    best, best_score = ("\t" if name.endswith((".tsv", ".tab")) else ","), (0.0, 0)
    for separator in SEPARATORS:
        try:
            rows = first_rows(text, separator=separator, quote=quote, count=LOOKED_AT_ROWS)
        except csv.Error:
            continue
        if not rows:
            continue
        width, count = Counter(map(len, rows)).most_common(1)[0]
        score = (round(count / len(rows), 1), width)
        if width > 1 and score > best_score:
            best, best_score = separator, score
    return best


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like names: texts that are unlike what stands below them."""
    if not rows or not any(cell.strip() for cell in rows[0]):
        return False
    first, body = rows[0], rows[1:]
    if any(type_of_cell(cell) not in {"string", None} for cell in first):
        return False
    below = [{row[index] for row in body if index < len(row)} for index in range(len(first))]
    if any(type_of_cells(cells) not in {"string", None} for cells in below):
        return True
    # Texts above texts: names don't come again as values.
    again = sum(cell in cells for cell, cells in zip(first, below, strict=True) if cell.strip())
    return again * 2 <= len(first)


def type_of_cell(cell: str) -> ColumnType | None:
    """None where it is missing."""
    if not cell:
        return None
    if _INTEGER.fullmatch(cell):
        return "integer"
    if _TOO_LONG.fullmatch(cell):
        return "string"
    if _NUMBER.fullmatch(cell):
        return "number"
    if _BOOLEAN.fullmatch(cell):
        return "boolean"
    with suppress(ValueError):
        if _DATE.fullmatch(cell):
            dt.date.fromisoformat(cell)
            return "date"
        if _TIMESTAMP.fullmatch(cell):
            dt.datetime.fromisoformat(cell)
            return "timestamp"
        if _TIME.fullmatch(cell):
            dt.time.fromisoformat(cell)
            return "time"
    return "string"


def type_of_cells(cells: Iterable[str]) -> ColumnType | None:
    """The type that all of them have; `string` where there is none, None where all are missing."""
    found: ColumnType | None = None
    for cell in cells:
        kind = type_of_cell(cell)
        if kind is None or kind == found:
            continue
        found = kind if found is None else _TOGETHER.get(frozenset({found, kind}), "string")
        if found == "string":
            return found
    return found

"""Text with a separator: its head, as far as it has to be known before the rows are read."""

import codecs
import csv
import io
from collections.abc import Sequence
from itertools import islice

from datastores.sources import Column, DelimitedFormat
from datastores.tabular.files import SourceFile, not_of_encoding
from datastores.tabular.names import unique_names
from datastores.tabular.parquet import other_columns
from studio.lib.problems import UserError

HEAD_BYTES = 64 * 1024
HEAD_ROWS = 3
MOST_HEAD_BYTES = 8 * 1024**2


def head_of(file: SourceFile, size: int = HEAD_BYTES) -> tuple[bytes, bool]:
    """The first bytes of `file`, decompressed, and whether that is all of it."""
    with file.open_plain() as stream:
        head = bytearray()
        while len(head) <= size:
            piece = stream.read(size + 1 - len(head))
            if not piece:
                return bytes(head), True
            head += piece
    return bytes(head[:size]), False


def decoded(head: bytes, encoding: str, *, is_all: bool, label: str) -> str:
    """`head` as text; a character that was cut in two is left out. Raises UserError where it is in another encoding."""
    encoding = "utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head, is_all)
    except UnicodeDecodeError:
        raise UserError(not_of_encoding(label, encoding.removesuffix("-sig")), loc=("format", "encoding")) from None
    except LookupError:
        raise UserError(
            f"There is no encoding “{encoding}”. Try utf-8, utf-16 or cp1252.", loc=("format", "encoding")
        ) from None


def first_rows(text: str, *, separator: str, quote: str, count: int) -> list[list[str]]:
    """The first rows of `text`, as far as they go: lenient, to look at."""
    csv.field_size_limit(MOST_HEAD_BYTES + 1)
    lines = io.StringIO(text.replace("\0", ""), newline="")
    reader = csv.reader(lines, delimiter=separator, quotechar=quote or None,
                        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE)  # fmt: skip
    return list(islice((row for row in reader if row), count))


def check_heads(files: Sequence[SourceFile], form: DelimitedFormat, columns: Sequence[Column]) -> None:
    """Raise UserError where a header has other names than were settled, or where a file's first lines don't end."""
    settled = [column.name for column in columns]
    for file in files:
        rows = rows_at_head(file, form)
        if form.has_header and rows:  # an empty file has no rows to be wrong about
            names, _ = unique_names(rows[0])
            if names != settled:
                raise UserError(other_columns(file.label, names, settled))


def rows_at_head(file: SourceFile, form: DelimitedFormat) -> list[list[str]]:
    """Some of the first rows; the last one may be cut. Raises UserError where the second doesn't end."""
    size = HEAD_BYTES
    while True:
        head, is_all = head_of(file, size)
        text = decoded(head, form.encoding, is_all=is_all, label=file.label)
        try:
            rows = first_rows(text, separator=form.separator, quote=form.quote, count=HEAD_ROWS)
        except csv.Error:  # a cell is longer than a line may be
            raise UserError(endless(file.label)) from None
        # The row after the header, too: DuckDB says nothing of a line that fills the whole file.
        if is_all or len(rows) > 2:
            return rows
        if size >= MOST_HEAD_BYTES:
            raise UserError(endless(file.label))
        size *= 8


def endless(label: str) -> str:
    return (
        f"“{label}”, line 1 is longer than {MOST_HEAD_BYTES // 1024**2} MB. Is a quotation mark left open, or is it no "
        "text with lines? Correct the file, or choose another format."
    )

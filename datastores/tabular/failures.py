"""What DuckDB and Arrow say of a file, in sentences that say what to do."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from datastores.sources import Column
from datastores.tabular import limits
from datastores.tabular.files import SCHEME, Shown, SourceFile
from datastores.tabular.types import TYPE_NAMES
from studio.lib.problems import UserError

SHOWN_CHARACTERS = 80
# What goes through Arrow on its way from DuckDB is no longer of its own class.
_BY_ARROW = re.compile(r"(?:Invalid Input|Conversion|Out of Range|IO|Out of Memory|Not implemented) Error: ")
# The second where a line fills a whole buffer.
LONG_LINE = ("Maximum line size", "Parallel CSV Reader currently does not support")
NEW_VERSION = "Correct the file, or make a new version of the dataset that reads it as it is"


class LongLine(UserError):  # noqa: N818
    """A line is longer than was looked at."""


@dataclass
class Context:
    """What is being read: to be named in a sentence."""

    columns: Sequence[Column] = ()
    files: Sequence[SourceFile] = ()
    view: Shown | None = None
    error: UserError | None = None
    # Finds the text that is no timestamp: file, row, column, text.
    locate: Callable[[], tuple[int, int, int, str] | None] | None = None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Remember a sentence that has to go through DuckDB."""
        try:
            yield
        except UserError as error:
            self.error = self.error or error
            raise

    def label_in(self, text: str) -> str:
        """The file that DuckDB speaks of, in quotes; “The file” where it can't be told."""
        if self.view:
            for name in re.findall(rf"(?:{SCHEME}://\d+|/proc/self/fd/\d+)", text):
                if name in self.view.names:
                    return f"“{self.files[self.view.names.index(name)].label}”"
        return f"“{self.files[0].label}”" if len(self.files) == 1 else "One of the files"


@contextlib.contextmanager
def translated(columns: Sequence[Column] = (), files: Sequence[SourceFile] = ()) -> Iterator[Context]:
    """Make sentences of the errors inside."""
    context = Context(columns, files)
    try:
        yield context
    except UserError:
        raise
    except Exception as error:
        said = (context.view.filesystem.error if context.view else None) or context.error
        if said is not None:
            raise said from None
        if sentence := sentence_of(error, context):
            is_long = any(words in str(error) for words in LONG_LINE)
            raise (LongLine if is_long else UserError)(sentence) from None
        raise


def sentence_of(error: BaseException, context: Context | None = None) -> str | None:
    """What `error` means to a person; None where it is our fault."""
    import duckdb
    import pyarrow as pa

    context = context or Context()
    text = str(error)
    is_duckdbs = isinstance(error, duckdb.Error) or (isinstance(error, OSError) and _BY_ARROW.match(text))
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException | pa.ArrowMemoryError) or (
        is_duckdbs and text.startswith("Out of Memory Error")
    ):
        limit = limits.memory_bytes() / 1024**3
        return (
            f"Reading this takes more than the {limit:.1f} GB of memory that it may have. Take fewer columns or rows, "
            "or store it as Parquet in smaller files."
        )
    if is_duckdbs:
        return (
            _of_csv(text, context) or _of_json(text, context) or _of_parquet(text, context) or _of_value(text, context)
        )
    if isinstance(error, pa.ArrowInvalid | pa.ArrowNotImplementedError):
        return f"{context.label_in(text)} can't be read: {_short(text)} Write it again with the program that made it."
    if isinstance(error, EOFError | gzip_errors()):
        return f"{context.label_in(text)} is cut off or damaged. Compress it again, or upload it anew."
    return None


def gzip_errors() -> type[Exception]:
    import gzip

    return gzip.BadGzipFile


def _of_csv(text: str, context: Context) -> str | None:
    line = re.search(r"CSV Error on Line: (\d+)", text)
    where = f"{context.label_in(text)}, line {int(line[1]):,}" if line else context.label_in(text)
    if cell := re.search(
        r"Error when converting column \"c(\d+)\"\. Could not convert string \"(.*?)\" to", text, re.DOTALL
    ):
        column = context.columns[int(cell[1])]
        return (
            f"{where}, column “{column.name}”: “{_cut(cell[2])}” is not {TYPE_NAMES[column.type]}. {NEW_VERSION}, with "
            "another type for this column."
        )
    if found := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
        return (
            f"{where} has {_cells(int(found[2]))} instead of {int(found[1]):,}. {NEW_VERSION}: another separator or "
            "quotation mark may fit."
        )
    if "unterminated quote" in text:
        return f"{where}: a quotation mark opens there and is never closed. Close it, or choose another quotation mark."
    if any(words in text for words in LONG_LINE):
        return (
            f"{where} is longer than a line may be. Is a quotation mark left open, or is it not a text with lines? "
            "Correct the file, or choose another format."
        )
    if "not utf-8 encoded" in text or "Invalid unicode" in text:
        return f"{where} is not written in UTF-8. Choose the file's encoding, or store it again as UTF-8."
    if "quote should be followed" in text or "Value with unterminated" in text:
        return f"{where}: text follows a closing quotation mark. Double the marks inside of a text."
    if "state machine reached an invalid state" in text or "CSV Error" in text:
        return (
            f"{where} doesn't fit its separator, quotation mark or line ends: are there several kinds in it? "
            f"{NEW_VERSION}."
        )
    return None


def _of_json(text: str, context: Context) -> str | None:
    if "JSON" not in text:
        return None
    line = re.search(r"in (?:line|record/value) (\d+)", text)
    where = f"{context.label_in(text)}, line {int(line[1]):,}" if line else context.label_in(text)
    if "maximum_object_size" in text:
        return f"{where} holds an object that is larger than 16 MB. Split it into several lines."
    if "transform error" in text:
        value = re.search(r"(?:Failed to cast value|Could not convert string|Expected).*?: ?(.*?)(?:\n|$)", text)
        said = f": {_cut(value[1])}" if value else ""
        return f"{where} holds a value that is not of its column's type{said}. {NEW_VERSION}."
    return f"{where} is not JSON as it should be, one object a line. Correct the file, or choose another format."


def _of_parquet(text: str, context: Context) -> str | None:
    where = context.label_in(text)
    if "schema mismatch" in text.lower() or "could not be found in file" in text:
        column = re.search(r"column \"(.*?)\"", text)
        named = f" “{_cut(column[1])}”" if column else ""
        return f"{where} lacks the column{named} or has it with another type than the other files. {NEW_VERSION}."
    lowered = text.lower()
    if any(word in lowered for word in ("parquet", "magic bytes", "thrift", "footer", "snappy", "zstd", "gzip")):
        return (
            f"{where} is not a whole Parquet file: it is cut off, damaged, or of another format. Write or upload it "
            "again."
        )
    return None


def _of_value(text: str, context: Context) -> str | None:
    if not text.startswith(("Conversion Error", "Out of Range Error", "Invalid Input Error", "IO Error")):
        return None
    if "timestamp" in text.lower() and context.locate:
        place = context.locate()
        if place:
            file, row, index, cell = place
            column = context.columns[index]
            return (
                f"“{context.files[file].label}”, row {row:,}, column “{column.name}”: “{_cut(cell)}” is not "
                f"{TYPE_NAMES[column.type]}. {NEW_VERSION}, with another type for this column."
            )
    value = re.search(r"Could not convert (?:string|value) ['\"](.*?)['\"] to", text, re.DOTALL)
    if value:
        return f"“{_cut(value[1])}” in {context.label_in(text)} is not of its column's type. {NEW_VERSION}."
    return f"{context.label_in(text)} can't be read: {_short(text.partition(':')[2].strip())} {NEW_VERSION}."


def _cut(text: str) -> str:
    text = text.replace("\0", "␀")
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _short(text: str) -> str:
    """The first sentence of what a library says."""
    line = re.sub(rf"(?:{SCHEME}://\d+|/proc/self/fd/\d+)", "the file", text.splitlines()[0] if text else "")
    return f"{line[:200].rstrip('. ')}."


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"

"""The files of a table: found in their stores, handed to DuckDB so that it sees them and nothing else."""

import contextlib
import datetime as dt
import gzip
import io
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from fsspec.spec import AbstractFileSystem

from datastores.backends import Backend, Entry
from datastores.paths import is_glob
from datastores.sources import DataPath
from datastores.tabular.stores import OpenStores
from studio.lib.problems import UserError

SCHEME = "studio"
MOST_FILES = 100_000
# Beyond that, local files are opened one after the other, too: a process has only so many descriptors.
MOST_OPEN = 400
TEXT_PIECE = 1 << 20

EXTENSIONS = {
    "delimited": (".csv", ".tsv", ".tab", ".psv", ".txt", ".dat"),
    "parquet": (".parquet", ".pq", ".parq"),
    "json_lines": (".jsonl", ".ndjson", ".json", ".jsonlines"),
}
COMPRESSED = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a table."""

    backend: Backend
    entry: Entry
    label: str  # for people: its path, or its web address

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def compression(self) -> str | None:
        """By its name: `gzip`, `zstd` or nothing."""
        return next((kind for ending, kind in COMPRESSED.items() if self.path.lower().endswith(ending)), None)

    def open(self) -> BinaryIO:
        return self.backend.open_read(self.path)

    def open_plain(self) -> BinaryIO:
        """Its bytes, decompressed as they are read; not to be sought in."""
        stream = self.open()
        match self.compression:
            case "gzip":
                return gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[return-value]
            case "zstd":
                import pyarrow as pa

                return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")  # type: ignore[no-any-return]
            case _:
                return stream


def found(
    paths: Sequence[DataPath], stores: OpenStores, *, format_kind: str | None = None, first: int | None = None
) -> list[SourceFile]:
    """The files that `paths` mean, in their order, each once; the `first` ones, where no more are wanted.

    Of a folder those count whose endings fit the format, where any do; what begins with a dot or an underscore doesn't.
    Raises UserError where there is none, or too many.
    """
    files: dict[tuple[int | None, str], SourceFile] = {}
    for path in paths:
        backend, inner = stores.files(path)
        for entry in _matched(backend, inner, format_kind, MOST_FILES if first is None else max(first, 1000)):
            if first is not None and len(files) >= first:
                break
            if len(files) >= MOST_FILES:
                raise UserError(
                    f"A table has at most {MOST_FILES:,} files, and more than that match. Narrow the pattern, or join "
                    "small files into larger ones.",
                    loc=("paths",),
                )
            label = path.path if path.is_web else entry.path
            files.setdefault((path.datastore_id, label), SourceFile(backend, entry, label))
    if not files:
        named = ", ".join(f"“{path.path or '/'}”" for path in paths[:3]) or "nothing"
        raise UserError(
            f"No file is there: {named} matches none. Look into the datastore, and correct the path.", loc=("paths",)
        )
    return list(files.values())


def _matched(backend: Backend, pattern: str, format_kind: str | None, most: int) -> Iterable[Entry]:
    entries = backend.glob(pattern)
    if is_glob(pattern):
        return (entry for entry in entries if _counts(entry))
    first = next(entries, None)
    if first is None:
        return []
    if first.path == pattern.rstrip("/"):  # the file itself, whatever its name
        return [first]
    inside = [entry for entry in _up_to(entries, first, most + 1) if _counts(entry)]
    endings = EXTENSIONS.get(format_kind or "", ())
    fitting = [entry for entry in inside if plain_name(entry.name).endswith(endings)] if endings else []
    return fitting or inside


def _up_to(entries: Iterator[Entry], first: Entry, limit: int) -> Iterator[Entry]:
    yield first
    for _, entry in zip(range(limit), entries, strict=False):
        yield entry


def _counts(entry: Entry) -> bool:
    return not entry.name.startswith((".", "_")) and entry.name != "MLTable"


def plain_name(name: str) -> str:
    """In lower case, and without what a compression added."""
    name = name.lower()
    return next((name.removesuffix(ending) for ending in COMPRESSED if name.endswith(ending)), name)


def _read_here() -> int | None:
    """How many bytes this process has read so far, from anywhere."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/io").read_text().split()[1])
    return None


@dataclass
class Shown:
    """Files as DuckDB reads them: `names` in their order. `opens` is what it may open by itself."""

    names: list[str]
    opens: list[str]
    filesystem: "Files"
    compression: str | None
    _kept: list[BinaryIO] = field(default_factory=list)
    _began_bytes: int | None = field(default_factory=_read_here)  # of all that this process reads

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()

    def read_fraction(self) -> float | None:
        """About how much of the files has been read since this was made; None where that can't be known.

        DuckDB says nothing of it while rows stream out of it.
        """
        files = self.filesystem.files
        total = sum(file.entry.size_bytes or 0 for file in files)
        read: int | None = None
        if self.filesystem.translates and files[0].compression:
            return None  # what is read of these is longer than they are
        if not self.opens:
            read = self.filesystem.read_bytes
        elif len(self.opens) == len(files) and self._began_bytes is not None:  # DuckDB reads them by itself
            now = _read_here()
            read = None if now is None else now - self._began_bytes
        return min(1.0, read / total) if total and read is not None else None


def shown(files: Sequence[SourceFile], *, encoding: str = "utf-8") -> Shown:
    """Prepare `files` for DuckDB. Close it afterwards. Raises UserError where compressed and plain files are mixed.

    A local file is opened here, where no link leads out of its datastore, and DuckDB gets the open file; any other is
    read through its backend. A text that is not UTF-8 is translated on its way.
    """
    kinds = {file.compression for file in files}
    if len(kinds) > 1:
        odd = next(file for file in files if file.compression != files[0].compression)
        raise UserError(
            f"Some of the files are compressed and some are not (“{files[0].label}” and “{odd.label}”). "
            "Read them as two datasets, or bring them into one form.",
            loc=("paths",),
        )
    compression = kinds.pop()
    filesystem = Files(list(files), encoding)
    if filesystem.translates:
        return Shown([f"{SCHEME}://{number}" for number in range(len(files))], [], filesystem, "gzip")
    view = Shown([], [], filesystem, compression)
    for number, file in enumerate(files):
        if len(view.opens) < MOST_OPEN and file.backend.local_path(file.path) is not None:
            stream = file.open()
            view._kept.append(stream)  # noqa: SLF001
            view.opens.append(f"/proc/self/fd/{stream.fileno()}")
            view.names.append(view.opens[-1])
        else:
            view.names.append(f"{SCHEME}://{number}")
    return view


class Files(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """The files of one table by their number, for DuckDB. Nothing else is in it."""

    protocol: ClassVar[str] = SCHEME
    cachable = False

    def __init__(self, files: list[SourceFile], encoding: str) -> None:
        super().__init__()
        self.files = files
        self.encoding = encoding
        self.translates = not is_utf8(encoding)
        self.error: UserError | None = None  # DuckDB would make a text of it
        self.read_bytes = 0  # of the files as they lie in their stores; where threads meet, a piece may be missing

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise PermissionError("only for reading")
        file = self._file(path)
        with self._kept_error():
            return _Translated(file, self.encoding, self) if self.translates else _Kept(file.open(), self)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "type": "file", "size": self._file(path).entry.size_bytes or 0}

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def isfile(self, path: str) -> bool:
        return bool(self._file(path))

    def modified(self, path: str) -> dt.datetime:
        return self._file(path).entry.modified_at or dt.datetime.fromtimestamp(0, tz=dt.UTC)

    def ls(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def _file(self, path: str) -> SourceFile:
        return self.files[int(path.rpartition("/")[2])]

    @contextlib.contextmanager
    def _kept_error(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            self.error = self.error or error
            raise OSError(str(error)) from error


class _Kept(io.RawIOBase):
    """A backend's file; what goes wrong in the middle of it is remembered as it was said."""

    def __init__(self, stream: BinaryIO, files: Files) -> None:
        self._stream = stream
        self._files = files

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        with self._files._kept_error():  # noqa: SLF001
            while filled < len(view):  # DuckDB takes less for an error
                piece = self._stream.read(len(view) - filled)
                if not piece:
                    break
                view[filled : filled + len(piece)] = piece
                filled += len(piece)
        self._files.read_bytes += filled
        return filled

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Translated(io.RawIOBase):
    """A text as UTF-8, however long that gets: as an uncompressed gzip, whose length nobody has to know beforehand."""

    def __init__(self, file: SourceFile, encoding: str, files: Files) -> None:
        self._file = file
        self._encoding = encoding
        self._files = files
        self._begin()

    def _begin(self) -> None:
        self._stream = self._file.open_plain()
        self._decoder = getincrementaldecoder(self._encoding)()
        self._deflate = zlib.compressobj(0, zlib.DEFLATED, 31)
        self._ready = bytearray()
        self._is_over = False
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset == self._at and whence == 0:
            return self._at
        if offset != 0 or whence != 0:
            raise OSError("only back to the beginning")
        self._stream.close()
        self._begin()
        return 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while not self._ready and not self._is_over:
            self._fill()
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        del self._ready[:count]
        self._at += count
        return count

    def _fill(self) -> None:
        piece = self._stream.read(TEXT_PIECE)
        self._is_over = not piece
        self._files.read_bytes += len(piece)
        try:
            text = self._decoder.decode(piece, final=self._is_over)
        except UnicodeDecodeError:
            raise OSError(not_of_encoding(self._file.label, self._encoding)) from None
        self._ready += self._deflate.compress(text.encode("utf-8", "replace"))
        if self._is_over:
            self._ready += self._deflate.flush()

    def close(self) -> None:
        self._stream.close()
        super().close()


def is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"}


def not_of_encoding(label: str, encoding: str) -> str:
    return f"“{label}” is not written in {encoding}. Choose its encoding, or store it again as UTF-8."

"""A folder as one ZIP archive, written while it is read: memory stays the same for one file and for a million.

The format is PKWARE's APPNOTE 6.3. Files are stored as they are, since most data is compressed already; sizes beyond
4 GiB and more than 65,535 files take ZIP64. The directory of the archive comes last, so that an archive which broke in
the middle can't be opened as if it were whole.
"""

import re
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from typing import IO

from django.conf import settings

from datastores.backends import Backend, Entry, NoSuchPath, get_backend
from datastores.models import Datastore
from datastores.paths import clean_path, is_glob, join, name_of

PIECE_BYTES = 256 * 1024
NOT_INCLUDED = "(not included).txt"
NAMED = 1000  # of those that could not be included

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_STREAMED_UTF8 = 0x0808  # sizes follow the file, names are UTF-8
_LIMIT, _LIMIT_COUNT = 0xFFFFFFFF, 0xFFFF
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]|%(?=[0-9A-Fa-f]{2})")


class FolderBroke(Exception):  # noqa: N818
    """A file could not be read to its end: the answer ends here, in the middle, for everybody to see."""


def zipped_folder(datastore: Datastore, path: str) -> tuple[str, Iterator[bytes]]:
    """The name of the archive and its bytes, as they are read.

    Raises UserError where there is nothing to download. The bytes raise FolderBroke where a file breaks.
    """
    path = clean_path(path)
    backend = get_backend(datastore)
    if path and backend.stat(path).kind != "folder":
        raise NoSuchPath("This is not a folder.", loc=("path",))
    files = files_below(backend, path)
    first = next(files, None)
    if first is None:
        raise NoSuchPath("There are no files in this folder.", loc=("path",))
    name = name_of(path) or datastore.name
    return f"{name}.zip", _pieces(backend, chain([first], files), skip=len(path) + 1 if path else 0, top=name)


def files_below(backend: Backend, path: str) -> Iterator[Entry]:
    """The file at `path`, or every file below the folder there, whatever characters its name has."""
    if not is_glob(path):
        yield from backend.glob(path)
        return
    entry = backend.stat(path)
    if entry.kind == "file":
        yield entry
        return
    after: str | None = None
    while True:
        listing = backend.list(path, after=after, limit=1000)
        for entry in listing.entries:
            if entry.kind == "file":
                yield entry
            elif entry.kind == "folder" and entry.is_addressable:
                yield from files_below(backend, entry.path)
        if listing.after is None:
            return
        after = listing.after


def _pieces(backend: Backend, files: Iterable[Entry], *, skip: int, top: str) -> Iterator[bytes]:
    """Small ones are gathered: a piece for each of many small files would cost more than the files."""
    gathered = bytearray()
    with (
        closing(backend),
        tempfile.SpooledTemporaryFile(PIECE_BYTES, dir=str(settings.FILE_UPLOAD_TEMP_DIR)) as directory,
    ):
        for piece in _archive(backend, files, directory, skip=skip, top=top):
            gathered += piece
            if len(gathered) >= PIECE_BYTES:
                yield bytes(gathered)
                gathered.clear()
        yield bytes(gathered)


def _archive(backend: Backend, files: Iterable[Entry], directory: IO[bytes], *, skip: int, top: str) -> Iterator[bytes]:
    offset = count = 0
    left_out: list[str] = []
    for entry in files:
        if not entry.is_addressable:  # its name is no text, so nobody can ask for it
            left_out.append(entry.label)
            continue
        member = _Member(join(top, entry.path[skip:]), entry.size_bytes, entry.modified_at, offset)
        for piece in member.write(_content(backend, entry)):
            offset += len(piece)
            yield piece
        directory.write(member.in_directory())
        count += 1
    if left_out:
        words = ["The names of these files are no text: rename them to download them.", *left_out[:NAMED]]
        text = "\n".join(words).encode()
        member = _Member(join(top, NOT_INCLUDED), len(text), None, offset)
        for piece in member.write([text]):
            offset += len(piece)
            yield piece
        directory.write(member.in_directory())
        count += 1
    size = directory.tell()
    directory.seek(0)
    yield from iter(lambda: directory.read(PIECE_BYTES), b"")
    yield _end(offset, size, count)


def _content(backend: Backend, entry: Entry) -> Iterator[bytes]:
    """As many bytes as the file had when it was seen: one that grows is not waited for, one that shrank broke."""
    left = entry.size_bytes
    try:
        with backend.open_read(entry.path) as stream:
            while left is None or left > 0:
                piece = stream.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                if not piece:
                    break
                left = None if left is None else left - len(piece)
                yield piece
    except GeneratorExit:
        raise
    except Exception as error:
        raise FolderBroke(f"{entry.path} could not be read to its end: {error}") from error
    if left:
        raise FolderBroke(f"{entry.path} became shorter while it was read.")


class _Member:
    """One file of the archive."""

    def __init__(self, path: str, size_bytes: int | None, changed_at: datetime | None, offset: int) -> None:
        self._name = _UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", path).encode()
        self._is_large = size_bytes is None or size_bytes >= _LIMIT
        self._stamp = _dos(changed_at)
        self._offset = offset
        self._size = self._checksum = 0

    def write(self, content: Iterable[bytes]) -> Iterator[bytes]:
        extra = struct.pack("<2H2Q", 1, 16, 0, 0) if self._is_large else b""
        size = _LIMIT if self._is_large else 0
        yield (
            _LOCAL.pack(
                b"PK\3\4", self._version, _STREAMED_UTF8, 0, *self._stamp, 0, size, size, len(self._name), len(extra)
            )
            + self._name
            + extra
        )
        for piece in content:
            self._checksum = zlib.crc32(piece, self._checksum)
            self._size += len(piece)
            yield piece
        sizes = "<4sL2Q" if self._is_large else "<4s3L"
        yield struct.pack(sizes, b"PK\7\x08", self._checksum, self._size, self._size)

    def in_directory(self) -> bytes:
        large = [value for value in (self._size, self._size, self._offset) if value >= _LIMIT]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size = min(self._size, _LIMIT)
        version = 45 if large else self._version
        return (
            _CENTRAL.pack(
                *(b"PK\1\2", 3 << 8 | 45, version, _STREAMED_UTF8, 0, *self._stamp, self._checksum, size, size),
                *(len(self._name), len(extra), 0, 0, 0, 0o100644 << 16, min(self._offset, _LIMIT)),
            )
            + self._name
            + extra
        )

    @property
    def _version(self) -> int:
        return 45 if self._is_large else 20


def _end(offset: int, size: int, count: int) -> bytes:
    plain = _END.pack(
        *(b"PK\5\6", 0, 0, min(count, _LIMIT_COUNT), min(count, _LIMIT_COUNT), min(size, _LIMIT)),
        *(min(offset, _LIMIT), 0),
    )
    if count < _LIMIT_COUNT and size < _LIMIT and offset < _LIMIT:
        return plain
    end = _END_64.pack(b"PK\6\6", _END_64.size - 12, 45, 45, 0, 0, count, count, size, offset)
    return end + _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1) + plain


def _dos(instant: datetime | None) -> tuple[int, int]:
    """Time and date as DOS kept them: two-second steps, from 1980 on."""
    at = (instant or datetime(1980, 1, 1, tzinfo=UTC)).astimezone(UTC)
    if not 1980 <= at.year <= 2107:
        return 0, 0x21
    return at.hour << 11 | at.minute << 5 | at.second // 2, (at.year - 1980) << 9 | at.month << 5 | at.day

"""A ZIP archive that is written while it is sent: memory stays the same for one file and for a million.

The format is PKWARE's APPNOTE 6.3. Files are stored as they are, since most data is compressed already; sizes beyond
4 GiB and more than 65,535 files take ZIP64. The directory of the archive comes last, so that an archive which broke in
the middle can't be opened as if it were whole.
"""

import re
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from django.conf import settings

PIECE_BYTES = 256 * 1024

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_STREAMED_UTF8 = 0x0808  # sizes follow the file, names are UTF-8
_LIMIT, _LIMIT_COUNT = 0xFFFFFFFF, 0xFFFF
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]|%(?=[0-9A-Fa-f]{2})")
_UNIX = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive. A path that ends in `/` is an empty folder."""

    path: str
    content: Iterable[bytes]
    size_bytes: int | None = None  # where it is known before: at most so many
    changed_at: datetime | None = None
    is_executable: bool = False

    @classmethod
    def of_text(cls, path: str, text: str, *, is_executable: bool = False) -> "Member":
        data = text.encode(errors="surrogateescape")
        return cls(path, [data], len(data), is_executable=is_executable)


def zip_pieces(members: Iterable[Member]) -> Iterator[bytes]:
    """The archive's bytes. Small ones are gathered: a piece for each of many small files would cost more than they."""
    gathered = bytearray()
    with tempfile.SpooledTemporaryFile(PIECE_BYTES, dir=str(settings.FILE_UPLOAD_TEMP_DIR)) as directory:
        for piece in _archive(members, directory):
            gathered += piece
            if len(gathered) >= PIECE_BYTES:
                yield bytes(gathered)
                gathered.clear()
        yield bytes(gathered)


def _archive(members: Iterable[Member], directory: IO[bytes]) -> Iterator[bytes]:
    offset = count = 0
    for member in members:
        writing = _Writing(member, offset)
        for piece in writing.pieces():
            offset += len(piece)
            yield piece
        directory.write(writing.in_directory())
        count += 1
    size = directory.tell()
    directory.seek(0)
    yield from iter(lambda: directory.read(PIECE_BYTES), b"")
    yield _end(offset, size, count)


class _Writing:
    def __init__(self, member: Member, offset: int) -> None:
        self._member = member
        self._name = _UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", member.path).encode()
        self._is_large = member.size_bytes is None or member.size_bytes >= _LIMIT
        self._stamp = _dos(member.changed_at)
        self._offset = offset
        self._size = self._checksum = 0

    def pieces(self) -> Iterator[bytes]:
        extra = struct.pack("<2H2Q", 1, 16, 0, 0) if self._is_large else b""
        size = _LIMIT if self._is_large else 0
        yield (
            _LOCAL.pack(
                b"PK\3\4", self._version, _STREAMED_UTF8, 0, *self._stamp, 0, size, size, len(self._name), len(extra)
            )
            + self._name
            + extra
        )
        for piece in self._member.content:
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
                *(b"PK\1\2", _UNIX << 8 | 45, version, _STREAMED_UTF8, 0, *self._stamp, self._checksum, size, size),
                *(len(self._name), len(extra), 0, 0, 0, self._mode << 16, min(self._offset, _LIMIT)),
            )
            + self._name
            + extra
        )

    @property
    def _mode(self) -> int:
        if self._name.endswith(b"/"):
            return 0o040755
        return 0o100755 if self._member.is_executable else 0o100644

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

"""Files of one store as streams for another: read piece by piece, hashed on the way, and patient with connections."""

import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from compute.data.progress import Progress
from compute.data.retrying import Patience, StoppedError
from datastores.backends import Backend, Entry

PIECE_BYTES = 4 * 1024 * 1024


class HashedStream(io.RawIOBase):
    """What `read_at(start, count)` gives, of `size_bytes`. `digest` is known once it was read from end to end.

    Whoever tries again goes back to the beginning, and it is hashed anew. Raises StoppedError when nobody waits any
    more, and whatever `read_at` raises.
    """

    def __init__(
        self, read_at: Callable[[int, int], bytes], size_bytes: int, *, patience: Patience, progress: Progress
    ) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self._read_at, self._patience, self._progress = read_at, patience, progress
        self._at = self._hashed = self._counted = 0
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal; empty where it was not read in order, or not to its end."""
        return self._hash.hexdigest() if self._hashed == self.size_bytes else ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self.size_bytes - self._at if size is None or size < 0 else min(size, self.size_bytes - self._at)
        pieces: list[bytes] = []
        while wanted > 0:
            piece = self._piece(min(wanted, PIECE_BYTES))
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _piece(self, count: int) -> bytes:
        if self._patience.stop.is_set():
            raise StoppedError
        data = self._read_at(self._at, count)
        if len(data) != count:
            raise ConnectionError(f"Only {self._at + len(data):,} of {self.size_bytes:,} bytes could be read.")
        self._patience.came()
        if self._at == 0:
            self._hash, self._hashed = hashlib.sha256(), 0
        if self._at == self._hashed:
            self._hash.update(data)
            self._hashed += count
        self._at += count
        if self._at > self._counted:  # who tries again reads the beginning again
            self._progress.moved(self._at - self._counted)
            self._counted = self._at
        return data


def of_store(backend: Backend, entry: Entry, *, patience: Patience, progress: Progress) -> "HashedStream":
    """Of a file whose size is known. Of a large one the next piece is fetched while one is sent."""
    size_bytes = entry.size_bytes or 0

    def read(start: int, count: int) -> bytes:
        return patience.call(lambda: backend.read_part(entry, start, count))

    if size_bytes <= PIECE_BYTES:
        return HashedStream(read, size_bytes, patience=patience, progress=progress)
    return HashedStream(_Ahead(read, size_bytes), size_bytes, patience=patience, progress=progress)


def of_disk(file: Path, *, patience: Patience, progress: Progress) -> HashedStream:
    def read(start: int, count: int) -> bytes:
        with file.open("rb", buffering=0) as opened:
            opened.seek(start)
            return opened.read(count)

    return HashedStream(read, file.stat().st_size, patience=patience, progress=progress)


class _Ahead:
    """Pieces in order, one ahead."""

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._read, self._size_bytes = read, size_bytes
        self._pool = ThreadPoolExecutor(1, "ahead")
        self._begun: tuple[int, int, Future[bytes]] | None = None

    def __call__(self, start: int, count: int) -> bytes:
        begun, self._begun = self._begun, None
        data = begun[2].result() if begun and begun[:2] == (start, count) else self._read(start, count)
        following = start + count
        if following < self._size_bytes:
            length = min(count, self._size_bytes - following)
            self._begun = following, length, self._pool.submit(self._read, following, length)
        else:
            self._pool.shutdown(wait=False)
        return data

"""A file far away as a seekable stream: it reads what is asked for, and ahead where the reader goes on and on."""

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

FIRST_BYTES = 256 * 1024  # of a reader that may have come for the last lines only
BLOCK_BYTES = 4 * 1024 * 1024  # of one that reads on
AHEAD = 3  # blocks on their way while one is read: hides the time that an answer takes
BUFFER_BYTES = 128 * 1024

Fetch = Callable[[int, int], "Future[bytes]"]


def open_ranges(fetch: Fetch, size_bytes: int) -> BinaryIO:
    """A stream over `fetch(start, end)`, which begins to fetch these bytes and gives what it will have.

    Holds at most `(1 + AHEAD) * BLOCK_BYTES`. What a fetch raises comes out of the reading call.
    """
    # A buffered reader is a binary stream in all but its class.
    return cast("BinaryIO", io.BufferedReader(_Ranges(fetch, size_bytes), BUFFER_BYTES))


class _Ranges(io.RawIOBase):
    def __init__(self, fetch: Fetch, size_bytes: int) -> None:
        self._fetch = fetch
        self._size = size_bytes
        self._position = 0
        self._start, self._block = 0, b""  # what is at hand
        self._ahead: deque[tuple[int, int, Future[bytes]]] = deque()  # start, end
        self._next_bytes = FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if self._position >= self._size or not view:
            return 0
        if not self._start <= self._position < self._start + len(self._block):
            self._turn_to(self._position, len(view))
        offset = self._position - self._start
        piece = memoryview(self._block)[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._forget_ahead()
        self._block = b""
        super().close()

    def _turn_to(self, position: int, wanted: int) -> None:
        """Have the block that `position` lies in."""
        goes_on = position == self._start + len(self._block)
        while self._ahead and not self._ahead[0][0] <= position < self._ahead[0][1]:
            self._ahead.popleft()[2].cancel()
        if not self._ahead:
            self._next_bytes = min(BLOCK_BYTES, 4 * self._next_bytes) if goes_on and position else FIRST_BYTES
            self._ask_for(position, max(self._next_bytes, min(wanted, BLOCK_BYTES)))
        if goes_on and position:
            self._look_ahead()
        start, end, future = self._ahead.popleft()
        self._start, self._block = start, b""  # let go of the old one first
        self._block = future.result()
        if len(self._block) < end - start:
            self._size = start + len(self._block)  # it became shorter meanwhile
        if goes_on and position:
            self._look_ahead()

    def _look_ahead(self) -> None:
        while len(self._ahead) < AHEAD:
            end = self._ahead[-1][1] if self._ahead else self._start + len(self._block)
            if end >= self._size:
                return
            self._next_bytes = min(BLOCK_BYTES, 4 * self._next_bytes)
            self._ask_for(end, self._next_bytes)

    def _ask_for(self, start: int, count: int) -> None:
        end = min(start + count, self._size)
        self._ahead.append((start, end, self._fetch(start, end)))

    def _forget_ahead(self) -> None:
        while self._ahead:
            future = self._ahead.popleft()[2]
            with suppress(Exception):
                future.cancel()

"""The file that a step writes its metrics to, as its node reads it: piece by piece, and never more than it should.

The node makes the file and keeps it open: whatever the step puts in its place (a link, a device, a folder), what is
read is this file, and its reading waits for nobody.
"""

import os
from pathlib import Path

from compute.metrics.said import MAX_LINE_BYTES

PIECE_BYTES = 256 * 1024
MAX_SPOOL_BYTES = 256 * 1024**2


class SpoolFile:
    """To be closed. Raises OSError where it can't be made."""

    def __init__(self, place: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.place = place
        self._fd = os.open(place, flags, 0o600)
        self._offset = 0
        self._begun = b""  # a line whose end has not come yet
        self._skips = False  # to the end of a line that is too long
        self.overlong = 0  # lines that were skipped

    @property
    def has_more(self) -> bool:
        return not self.is_full and os.fstat(self._fd).st_size > self._offset

    @property
    def is_full(self) -> bool:
        """What comes now is not read any more."""
        return self._offset >= MAX_SPOOL_BYTES

    def read(self) -> list[bytes]:
        """The lines that have come since, out of one piece; none where there is nothing new."""
        piece = os.pread(self._fd, PIECE_BYTES, self._offset)
        if not piece:
            return []
        self._offset += len(piece)
        *lines, rest = piece.split(b"\n")
        if lines:
            lines[0] = self._begun + lines[0]
            self._begun = b""
            if self._skips:
                del lines[0]
                self._skips = False
        if self._skips:
            return []
        self._begun += rest
        if len(self._begun) > MAX_LINE_BYTES:
            self._begun, self._skips = b"", True
            self.overlong += 1
        return lines

    def last_line(self) -> list[bytes]:
        """What stands at the end without one: the process was killed in the middle, or it forgot."""
        line, self._begun = self._begun, b""
        return [line] if line else []

    def close(self) -> None:
        os.close(self._fd)

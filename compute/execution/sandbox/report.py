"""What the first process inside a sandbox tells of the step, line by line, on a descriptor that the node reads.

`started`, or `failed ERRNO` where the command could not be started; `ended STATUS LEFT USAGE…`: its status as `wait`
gives it, 1 where it left processes behind, and, from a step that shut itself in, what getrusage(2) says of it.
"""

import contextlib
import os
from resource import struct_rusage

_MAX_BYTES = 4096  # all that it has to say is two lines, and who writes may be somebody's package


class Report:
    """To be closed."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.status: int | None = None  # where it told an end
        self.left = False
        self.account: struct_rusage | None = None
        self.has_started = False
        self.failure: OSError | None = None  # of the command's start
        self._heard = b""
        self._bytes = 0
        self._is_over = False

    def is_over(self) -> bool:
        """After it was read as far as it goes now: nothing more is to come."""
        while not self._is_over:
            try:
                data = os.read(self.descriptor, 4096)
            except BlockingIOError:
                break
            self._bytes += len(data)
            self._is_over = not data or self._bytes > _MAX_BYTES
            *lines, self._heard = (self._heard + data).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError, OverflowError):  # it makes no sense: nothing was said
                    self._hear(line)
        return self._is_over

    def close(self) -> None:
        os.close(self.descriptor)

    def _hear(self, line: bytes) -> None:
        match line.split():
            case [b"started"]:
                self.has_started = True
            case [b"ended", status, left, *usage]:
                os.waitstatus_to_exitcode(int(status))
                self.status, self.left, self._is_over = int(status), left == b"1", True
                self.account = _account(usage)
            case [b"failed", number]:
                self.failure = OSError(int(number), os.strerror(int(number)))


class Reported:
    """Of a step's process, what its report answers."""

    _report: Report

    @property
    def news(self) -> int:
        return self._report.descriptor

    @property
    def left_some(self) -> bool:
        """Said with the command's end: nothing can get out of a sandbox, so there is no need to look elsewhere."""
        return self._report.left

    def has_ended(self) -> bool:
        return self._report.is_over()


def _account(usage: list[bytes]) -> struct_rusage | None:
    try:
        return struct_rusage(map(float, usage))
    except (TypeError, ValueError):  # none was told, or not by us
        return None

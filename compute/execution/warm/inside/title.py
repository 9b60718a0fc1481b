"""What /proc says of a process: its command line and the variables it was started with, written anew in place.

Linux shows a stretch of the process's own memory (proc_pid_environ(5)), so a forked child can say what it has become.
Where the kernel allows it (`PR_SET_MM_MAP`, without privileges since Linux 3.18), the ends are moved too; elsewhere the
rest of the stretch is zeros.
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_SET_MM = 35
_PR_SET_MM_MAP = 14
_MAP = struct.Struct("=12QII")


class Title:
    """Made before anything was changed: what is there then is the room that there is."""

    def __init__(self) -> None:
        fields = _stat()
        self._begin, self._arguments_end, self._end = fields[47], fields[48], fields[50]
        self.room = self._end - self._begin

    def write(self, arguments: list[bytes], variables: list[bytes]) -> bool:
        """False where there is no room for it: nothing is changed then."""
        line = b"".join(part + b"\0" for part in arguments)
        block = b"".join(variable + b"\0" for variable in variables)
        if len(line) + len(block) > self.room:
            return False
        ctypes.memmove(self._begin, (line + block).ljust(self.room, b"\0"), self.room)
        if not self._move_ends(len(line), len(block)):
            # The boundary between the two stays where it was.
            room = self._arguments_end - self._begin
            if len(block) > self._end - self._arguments_end:
                return False
            shown = line if len(line) <= room else line[: room - 1] + b"\0"
            rest = block.ljust(self._end - self._arguments_end, b"\0")
            ctypes.memmove(self._begin, shown.ljust(room, b"\0") + rest, self.room)
        return True

    def _move_ends(self, line: int, block: int) -> bool:
        fields = _stat()
        libc = ctypes.CDLL(None)
        libc.sbrk.restype = ctypes.c_void_p
        libc.sbrk.argtypes = [ctypes.c_ssize_t]
        middle = self._begin + line
        data = _MAP.pack(
            *(fields[25], fields[26]),  # code
            *(fields[44], fields[45]),  # data
            *(fields[46], libc.sbrk(0) or 0),
            fields[27],  # stack
            *(self._begin, middle, middle, middle + block),
            *(0, 0, 0xFFFFFFFF),  # the auxiliary vector and the program stay
        )
        place = ctypes.create_string_buffer(data, len(data))
        arguments = (ctypes.c_int(_PR_SET_MM), ctypes.c_ulong(_PR_SET_MM_MAP), place, ctypes.c_ulong(len(data)))
        return bool(libc.prctl(*arguments, ctypes.c_ulong(0)) == 0)


def _stat() -> list[int]:
    """The fields of proc_pid_stat(5), by their number there less one; those that are no numbers as 0."""
    fd = os.open("/proc/self/stat", os.O_RDONLY)
    try:
        line = os.read(fd, 4096)
    finally:
        os.close(fd)
    head, _, rest = line.rpartition(b")")
    del head
    return [0, 0, 0, *(int(field) for field in rest.split()[1:])]

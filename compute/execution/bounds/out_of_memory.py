"""Whether the kernel ended a process because the machine, or a group that the node lies in, ran out of memory."""

import contextlib
import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_KILLED = re.compile(r"Killed process (\d+) \((.*)\) total-vm.*?anon-rss:(\d+)kB(?:.*?shmem-rss:(\d+)kB)?")
_RECORD_BYTES = 8192
_MOST_RECORDS = 20_000
_CLOCKS_DIFFER_US = 60_000_000  # the log has a clock of its own, which wanders


@dataclass(frozen=True, slots=True)
class Killed:
    """A line of the kernel's log."""

    pid: int
    name: str
    memory_bytes: int


def killed_in(line: str) -> Killed | None:
    found = _KILLED.search(line)
    if found is None:
        return None
    return Killed(int(found[1]), found[2], (int(found[3]) + int(found[4] or 0)) * 1024)


class MachineMemory:
    """Asked once when a step begins, and again when it has failed."""

    def __init__(self) -> None:
        self._count = _kills()
        self._began_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    def ran_out(self) -> bool | None:
        """Whether the kernel ended anything for lack of memory since then; None where it does not tell."""
        now = _kills()
        return None if now is None or self._count is None else now > self._count

    def killed(self, pids: Collection[int]) -> Killed | None:
        """Which of these processes it ended since then, by its log; None where none, or where nobody may read that."""
        with contextlib.suppress(OSError):
            descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                return self._search(descriptor, pids)
            finally:
                os.close(descriptor)
        return None

    def _search(self, descriptor: int, pids: Collection[int]) -> Killed | None:
        for _ in range(_MOST_RECORDS):
            try:
                record = os.read(descriptor, _RECORD_BYTES).decode(errors="replace")
            except BrokenPipeError:
                continue  # overwritten before it was read
            except BlockingIOError:
                return None
            head, _, text = record.partition(";")
            fields = head.split(",")
            killed = killed_in(text)
            if killed is None or killed.pid not in pids or len(fields) < 3:
                continue
            if int(fields[2]) >= self._began_us - _CLOCKS_DIFFER_US:
                return killed
        return None


def _kills() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None

"""What the kernel says of processes, by plain reads of /proc: a step that is watched must not notice it."""

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """A line of /proc/PID/stat. Times include those of children that were waited for."""

    pid: int
    parent: int
    session: int
    started: int  # in ticks since boot: with the number it tells a process from another one that had it before
    cpu_s: float
    resident_bytes: int  # pages that it shares included, counted for each process
    is_zombie: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes that a process, and its children that were waited for, read from disks and wrote to them."""

    read_bytes: int = 0
    written_bytes: int = 0


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 (names are all that counts)


def stat_of(pid: int) -> Stat | None:
    """None where there is no such process any more."""
    try:
        line = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    # The name in parentheses may hold anything, parentheses included.
    fields = line[line.rfind(b")") + 2 :].split()
    return Stat(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        cpu_s=sum(map(int, fields[11:15])) / TICKS_PER_S,
        resident_bytes=max(0, int(fields[21])) * PAGE_BYTES,
        is_zombie=fields[0] in {b"Z", b"X"},
    )


def moved_of(pid: int) -> Moved | None:
    """None where it can't be told: the process is gone, or is not ours to look into."""
    try:
        values = _values(f"/proc/{pid}/io")
        return Moved(values[b"read_bytes"], max(0, values[b"write_bytes"] - values[b"cancelled_write_bytes"]))
    except (OSError, KeyError, ValueError):
        return None


def own_memory(of: Collection[int]) -> int:
    """Bytes that these processes hold together: what is shared between them once, what can be dropped not at all.

    Pages of files are the kernel's to drop, so they count for nobody.
    """
    if len(of) == 1:
        return memory_of(next(iter(of))).now_bytes
    return sum(_share_of(pid) for pid in of)


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process alone."""

    now_bytes: int = 0  # of its own
    highest_bytes: int = 0  # of its own, since it began: between two looks it may have held more than at either
    file_bytes: int = 0  # pages of files that it has in memory now


def memory_of(pid: int) -> Memory:
    """Nothing where there is no such process any more."""
    try:
        values = _values(f"/proc/{pid}/status")
    except OSError:
        return Memory()
    files = values.get(b"RssFile", 0)
    now = values.get(b"RssAnon", 0) + values.get(b"RssShmem", 0) + values.get(b"VmSwap", 0)
    return Memory(now * 1024, max(now, values.get(b"VmHWM", 0) - files) * 1024, files * 1024)


def descendants(root: int) -> list[int]:
    """`root` and what it started, as far as each process says of itself whom it started: no look at all others."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            left += map(int, _read(f"/proc/{pid}/task/{pid}/children").split())
    return found


def _share_of(pid: int) -> int:
    """A page that n processes share counts for an n-th with each of them."""
    try:
        values = _values(f"/proc/{pid}/smaps_rollup")
        return (values[b"Pss_Anon"] + values[b"Pss_Shmem"] + values.get(b"SwapPss", 0)) * 1024
    except (OSError, KeyError):
        return memory_of(pid).now_bytes


def _values(path: str) -> dict[bytes, int]:
    """`Name:  12 kB` by name; lines of another kind are passed over."""
    found: dict[bytes, int] = {}
    for line in _read(path).splitlines():
        name, _, value = line.partition(b":")
        with contextlib.suppress(ValueError, IndexError):
            found[name] = int(value.split()[0])
    return found


def _read(path: str) -> bytes:
    return Path(path).read_bytes()

"""Find and end every process of an attempt, however it tried to get away. Standard library only.

A process of an attempt is known by any of three signs: its session, its ancestry, or the marker in the environment that
it was started with. The node adopts orphans (`PR_SET_CHILD_SUBREAPER`), so what forked twice still descends from it.

Run as a program (`python processes.py MARKER SECONDS`), it is a node's guardian. The node writes a byte to it whenever
its leases were renewed. When its standard input ends, because the node did, however that came, or when no byte came for
so many seconds, because the node hangs or is cut off, it ends every process whose marker begins with MARKER, and
unmounts what they had mounted.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

MARKER = "STUDIO_JOB"
_PR_SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")
_GIVE_UP_S = 30.0
_MNT_DETACH = 2


@dataclass(frozen=True, slots=True)
class Process:
    """A line of /proc/PID/stat."""

    pid: int
    parent: int
    session: int
    is_zombie: bool


def adopt_orphans() -> None:
    """Make this process the new parent of descendants that lose theirs."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel can't make a process adopt orphans")


def processes() -> dict[int, Process]:
    """Every process of this machine that we can see."""
    found: dict[int, Process] = {}
    for name in os.listdir(_PROC):  # noqa: PTH208 (names are all that is needed, hundreds of times)
        if name.isdecimal() and (process := _read(int(name))):
            found[process.pid] = process
    return found


def _read(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, parentheses included.
    fields = stat[stat.rfind(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[3]), fields[0] in {b"Z", b"X"})


def children() -> set[int]:
    """The children of this process, adopted ones and zombies included: a read per thread, whatever else runs."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            found.update(map(int, Path(f"/proc/self/task/{task}/children").read_bytes().split()))
    return found


def children_of(pid: int) -> set[int]:
    """Those of another process's first thread; none where it is gone."""
    with contextlib.suppress(OSError):
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()))
    return set()


def marker_of(pid: int) -> str | None:
    """The marker that a process was started with; None where there is none or it can't be read."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{MARKER}=".encode()
    return next(
        (found[len(prefix) :].decode(errors="replace") for found in variables if found.startswith(prefix)), None
    )


def members(*, marker: str, root: int | None = None) -> set[int]:
    """Living processes of the attempt with this marker (or of all attempts whose marker begins so).

    `root` is the attempt's first process, whose number is also the number of its session.
    """
    table = processes()
    seeds = {pid for pid in table if (mark := marker_of(pid)) is not None and mark.startswith(marker)}
    if root is not None:
        seeds.add(root)
        seeds |= {process.pid for process in table.values() if process.session == root}
    return {pid for pid in with_descendants(seeds, table) if pid in table and not table[pid].is_zombie} - {os.getpid()}


def with_descendants(seeds: Iterable[int], table: dict[int, Process]) -> set[int]:
    offspring: dict[int, list[int]] = {}
    for process in table.values():
        offspring.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    left = list(seeds)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += offspring.get(pid, [])
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; those that are gone or not ours are passed over."""
    for pid in pids:
        if pid > 1:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def kill_until_gone(find: Callable[[], set[int]], *, give_up_s: float = _GIVE_UP_S) -> set[int]:
    """SIGKILL whatever `find` finds until it finds nothing: what forks meanwhile is found in the next round.

    Returns what could not be ended: a process that hangs in the kernel can take its time.
    """
    deadline = time.monotonic() + give_up_s
    while found := find():
        if time.monotonic() > deadline:
            return found
        send(found, signal.SIGKILL)
        time.sleep(0.01)
    return set()


def unmount(point: str) -> None:
    """At once for everybody, however busy it is: who still holds it keeps an error. Nothing mounted is fine."""
    with contextlib.suppress(OSError):
        if ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(point), _MNT_DETACH) == 0:
            return
        import subprocess  # late: a guardian is small

        subprocess.run(
            ["fusermount", "-u", "-z", "--", point],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def mounts() -> list[tuple[str, str]]:
    """Device and place of everything that is mounted, the last one first."""
    lines = Path("/proc/self/mounts").read_bytes().splitlines()
    return [(_plain(fields[0]), _plain(fields[1])) for line in reversed(lines) if len(fields := line.split(b" ")) > 1]


def unmount_marked(marker: str) -> None:
    """What processes whose marker begins so had mounted: they put it where the device's name stands."""
    for device, point in mounts():
        if device.startswith(marker):
            unmount(point)


def unmount_below(folder: Path) -> None:
    for _, point in mounts():
        if Path(point).is_relative_to(folder):
            unmount(point)


def _plain(field: bytes) -> str:
    """The kernel writes spaces and the like as three octal digits."""
    first, *rest = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))


def now_s() -> float:
    """Seconds that go on while the machine sleeps: a lease does not wait for a laptop's lid to open.

    As `studio.lib.clock.steady_s`, which a program that runs by itself can't import.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def guard(marker: str, fence_after_s: float) -> None:
    """End what runs as soon as nobody may speak for it any more. Returns after the node's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    renewed_s = now_s()
    while True:
        if select.select([0], [], [], min(1.0, fence_after_s / 4))[0]:
            if not _read_renewals():
                break
            renewed_s = now_s()
        elif now_s() - renewed_s > fence_after_s:
            _end_all(marker)
    _end_all(marker)


def _end_all(marker: str) -> None:
    kill_until_gone(lambda: members(marker=marker))
    unmount_marked(marker)


def _read_renewals() -> bool:
    try:
        return bool(os.read(0, 1024))
    except OSError:
        return False


if __name__ == "__main__":
    guard(sys.argv[1], float(sys.argv[2]))

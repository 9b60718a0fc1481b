"""What one attempt has used so far. Fed by the node's sampler while it runs, and at its end by the kernel's account."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage, struct_rusage

from compute.execution.bounds.affinity import hold
from compute.execution.handle import Breach, Handle
from compute.execution.usage.reading import Moved, Stat, descendants, memory_of, moved_of, own_memory
from compute.execution.usage.series import Point, Recorder, UsageSeries, UsageTotals
from compute.sizes import size_words
from compute.spec import Limits

# The first looks come soon, for steps that are over soon; then the distance doubles up to that of the points.
FIRST_LOOK_S = 0.02
FARTHEST_LOOK_S = 5.0
# Between two looks at a step with a memory limit that the kernel does not hold.
WATCH_EVERY_S = 0.1
_SAVE_AT_LEAST_EVERY_S = 30.0
_ASKED_EACH = 8  # processes: of more than these the sum says enough
_BLOCK_BYTES = 512  # what the kernel's account counts disk traffic in


@dataclass(slots=True)
class _Seen:
    """A process at the last look."""

    parent: int
    cpu_s: float
    moved: Moved


class Meter:
    """Used by the sampler's threads while the attempt runs; read by others."""

    def __init__(
        self,
        attempt_id: int,
        handle: Handle,
        root: int,
        limits: Limits,
        *,
        outputs: Mapping[str, Path],
        folders: Sequence[Path],
        holds_memory: bool,
        cpus: frozenset[int] | None = None,
    ) -> None:
        """`holds_memory`: the kernel holds the memory limit by itself. `cpus`: those that it is held to."""
        self.attempt_id, self.handle, self.root, self.limits = attempt_id, handle, root, limits
        self.outputs, self.folders, self.cpus = outputs, folders, cpus
        self.began_s = time.monotonic()
        self.pids: set[int] = set()  # at the last look
        self.ever: set[int] = {root}  # for the kernel's log, which names who it killed
        self.disk_bytes = 0
        self.gpu_percent: float | None = None
        self.gpu_memory_bytes = 0
        self.is_watched = limits.memory_bytes is not None and not holds_memory
        self.look_at_s = self.began_s + FIRST_LOOK_S
        self._recorder = Recorder()
        self._lock = threading.Lock()
        self._seen: dict[int, _Seen] = {}
        self._lost_cpu_s = 0.0
        self._lost = Moved()
        self._cpu_s = 0.0
        self._moved = Moved()
        self._can_tell_moved = False
        self._peak_bytes = 0
        self._file_bytes = 0
        self._point_at_s = 0.0
        self._saved_at_s = 0.0
        # An account begins with the memory of whoever forked: until the program is loaded, that is the node.
        self._node_bytes = getrusage(RUSAGE_SELF).ru_maxrss * 1024

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.began_s

    @property
    def is_short(self) -> bool:
        """Too young for a look at the whole tree, which costs more than one at its first process."""
        return self.age_s < 1.0 and not self.is_watched

    def glance(self) -> None:
        """At the first process alone."""
        self._note_highest(descendants(self.root))
        self._look_later()

    def take(self, stats: Sequence[Stat]) -> None:
        """All processes of the attempt as they are now."""
        living = [stat.pid for stat in stats if not stat.is_zombie]
        self.pids = set(living)
        self.ever |= self.pids
        if self.cpus is not None:
            hold(living, self.cpus)  # should one have taken itself more
        self._count(stats)
        is_point = self.age_s >= self._point_at_s
        if is_point or self._may_be_too_much(stats):
            memory_bytes = own_memory(living)
            self._peak_bytes = max(self._peak_bytes, memory_bytes)
            self._note_highest(living)
            self._check(memory_bytes)
            self._record(memory_bytes)
        self._look_later()

    def close(self, account: struct_rusage | None) -> UsageTotals:
        """The attempt is over. `account` is the kernel's, of its first process and all that were waited for."""
        with self._lock:
            if account is not None:
                self._cpu_s = max(self._cpu_s, account.ru_utime + account.ru_stime + self._lost_cpu_s)
                highest = account.ru_maxrss * 1024
                if highest > self._node_bytes:  # else it may be the node's own
                    self._peak_bytes = max(self._peak_bytes, highest - self._file_bytes)
                self._moved = Moved(
                    max(self._moved.read_bytes, account.ru_inblock * _BLOCK_BYTES + self._lost.read_bytes),
                    max(self._moved.written_bytes, account.ru_oublock * _BLOCK_BYTES + self._lost.written_bytes),
                )
                self._can_tell_moved = True
            return self._totals()

    def series(self) -> UsageSeries | None:
        """None where the step was over before there was anything to draw."""
        with self._lock:
            return self._recorder.series(self._totals()) if len(self._recorder.points) > 1 else None

    def unsaved(self) -> UsageSeries | None:
        """The series, where it is worth writing down again; the longer the step runs, the less often it is."""
        with self._lock:
            points = self._recorder.points
            since_s = points[-1].at_s - self._saved_at_s if points else 0.0
            if len(points) < 2 or since_s <= min(_SAVE_AT_LEAST_EVERY_S, self._saved_at_s / 50):
                return None
            self._saved_at_s = points[-1].at_s
            return self._recorder.series(self._totals())

    def _totals(self) -> UsageTotals:
        return UsageTotals(
            peak_memory_bytes=self._peak_bytes or None,
            cpu_s=round(self._cpu_s, 3),
            read_bytes=self._moved.read_bytes if self._can_tell_moved else None,
            written_bytes=self._moved.written_bytes if self._can_tell_moved else None,
        )

    def _note_highest(self, pids: Sequence[int]) -> None:
        """A tree held at least what one of its processes held."""
        if len(pids) > _ASKED_EACH:
            return
        for memory in map(memory_of, pids):
            self._peak_bytes = max(self._peak_bytes, memory.highest_bytes)
            self._file_bytes = max(self._file_bytes, memory.file_bytes)

    def _look_later(self) -> None:
        farthest = min(self._recorder.every_s, FARTHEST_LOOK_S)
        wait_s = WATCH_EVERY_S if self.is_watched else min(max(FIRST_LOOK_S, self.age_s), farthest)
        self.look_at_s = time.monotonic() + wait_s

    def _may_be_too_much(self, stats: Sequence[Stat]) -> bool:
        """By the cheap measure, which counts shared pages too often: never too little."""
        limit = self.limits.memory_bytes
        return self.is_watched and limit is not None and sum(stat.resident_bytes for stat in stats) > limit

    def _check(self, memory_bytes: int) -> None:
        limit = self.limits.memory_bytes
        if self.is_watched and limit is not None and memory_bytes > limit:
            words = f"It used {size_words(memory_bytes)} of its {size_words(limit)} memory limit and was ended."
            self.handle.breached(Breach("memory", words))

    def _count(self, stats: Sequence[Stat]) -> None:
        seen: dict[int, _Seen] = {}
        for stat in stats:
            moved = moved_of(stat.pid)
            self._can_tell_moved |= moved is not None
            before = self._seen.get(stat.pid)
            seen[stat.pid] = _Seen(stat.parent, stat.cpu_s, moved or (before.moved if before else Moved()))
        for pid, gone in self._seen.items():
            # What a parent waited for is in its own account now. Of an orphan nobody else keeps one.
            if pid not in seen and gone.parent not in seen:
                self._lost_cpu_s += gone.cpu_s
                self._lost = _sum(self._lost, gone.moved)
        self._seen = seen
        self._cpu_s = max(self._cpu_s, self._lost_cpu_s + sum(each.cpu_s for each in seen.values()))
        now = self._lost
        for each in seen.values():
            now = _sum(now, each.moved)
        self._moved = Moved(
            max(self._moved.read_bytes, now.read_bytes), max(self._moved.written_bytes, now.written_bytes)
        )

    def _record(self, memory_bytes: int) -> None:
        at_s = self.age_s
        with self._lock:
            self._recorder.take(
                Point(
                    at_s=at_s,
                    cpu_s=self._cpu_s,
                    memory_bytes=memory_bytes,
                    read_bytes=self._moved.read_bytes,
                    written_bytes=self._moved.written_bytes,
                    disk_bytes=self.disk_bytes,
                    gpu_percent=self.gpu_percent,
                    gpu_memory_bytes=self.gpu_memory_bytes,
                )
            )
            self._point_at_s = at_s + min(self._recorder.every_s, FARTHEST_LOOK_S) - WATCH_EVERY_S / 2


def _sum(one: Moved, other: Moved) -> Moved:
    return Moved(one.read_bytes + other.read_bytes, one.written_bytes + other.written_bytes)

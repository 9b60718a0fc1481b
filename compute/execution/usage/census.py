"""Which processes belong to which attempt, looked up again and again at little cost.

The signs are those of `compute.execution.processes`: session, ancestry, marker. Whose a process is never changes, so
only processes that are new, or belong to somebody, are read; every now and then all are, for a number may be given
to another process.
"""

import time
from collections.abc import Mapping

from compute.execution.processes import marker_of
from compute.execution.usage.reading import Stat, pids, stat_of

# A process that was just forked carries the marker of its attempt only once it runs its own program.
YOUNG_S = 3.0
ALL_AGAIN_S = 15.0


class Census:
    """One for each node, used by one thread."""

    def __init__(self) -> None:
        self._owners: dict[tuple[int, int], str] = {}  # marker, by number and start
        self._strangers: dict[int, float] = {}  # by number: when they were seen first
        self._all_at = 0.0

    def look(self, roots: Mapping[str, int]) -> dict[str, list[Stat]]:
        """The processes of each attempt, zombies included. `roots`: by marker, each attempt's first process."""
        now = time.monotonic()
        if now - self._all_at > ALL_AGAIN_S:
            self._all_at = now
            self._strangers.clear()
        numbers = pids()
        self._strangers = {pid: since for pid in numbers if (since := self._strangers.get(pid)) is not None}
        old = {pid for pid, since in self._strangers.items() if now - since > YOUNG_S} - set(roots.values())
        stats = {pid: stat for pid in numbers if pid not in old and (stat := stat_of(pid)) is not None}
        owners = self._owned(stats, roots)
        self._owners = {(pid, stats[pid].started): marker for pid, marker in owners.items()}
        for pid in stats:
            if pid not in owners:
                self._strangers.setdefault(pid, now)
            else:
                self._strangers.pop(pid, None)
        found: dict[str, list[Stat]] = {marker: [] for marker in roots}
        for pid, marker in owners.items():
            if marker in found:
                found[marker].append(stats[pid])
        return found

    def _owned(self, stats: Mapping[int, Stat], roots: Mapping[str, int]) -> dict[int, str]:
        by_root = {pid: marker for marker, pid in roots.items()}
        owners: dict[int, str] = {}
        left: list[Stat] = []
        for stat in stats.values():
            known = self._owners.get((stat.pid, stat.started))
            owner = known or by_root.get(stat.pid) or by_root.get(stat.session)
            if owner is None and (marker := marker_of(stat.pid)) in roots:
                owner = marker
            if owner is None:
                left.append(stat)
            else:
                owners[stat.pid] = owner
        # Children of members, and theirs: a parent may have a larger number than its child.
        while found := {stat.pid: owners[stat.parent] for stat in left if stat.parent in owners}:
            owners |= found
            left = [stat for stat in left if stat.pid not in found]
        return owners

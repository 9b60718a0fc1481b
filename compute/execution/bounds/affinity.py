"""A CPU limit without control groups: a step is held to so many of the node's CPUs, and each step to other ones."""

import contextlib
import math
import os
import threading
from collections import Counter
from collections.abc import Iterable


class Cpus:
    """The CPUs of a node, dealt out so that each is shared by as few steps as can be."""

    def __init__(self, available: Iterable[int] | None = None) -> None:
        self.available = sorted(os.sched_getaffinity(0) if available is None else available)
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, cpus: float) -> frozenset[int] | None:
        """So many, rounded up; None where that is all there are. Give them back."""
        count = math.ceil(cpus)
        if count >= len(self.available):
            return None
        with self._lock:
            chosen = frozenset(sorted(self.available, key=lambda cpu: (self._taken[cpu], cpu))[:count])
            self._taken.update(chosen)
            return chosen

    def give_back(self, chosen: frozenset[int]) -> None:
        with self._lock:
            self._taken.subtract(chosen)


def hold(pids: Iterable[int], cpus: frozenset[int]) -> None:
    """Hold processes to these CPUs, all their threads included. Those that are gone are passed over."""
    for pid in pids:
        with contextlib.suppress(OSError):
            if os.sched_getaffinity(pid) <= cpus:
                continue
            for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 (names are all that counts)
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(thread), cpus)

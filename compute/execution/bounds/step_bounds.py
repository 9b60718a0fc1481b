"""The limits of one step, put on its process when it begins."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from compute.execution.bounds.affinity import Cpus, hold
from compute.execution.bounds.groups import Groups, StepGroup, find_groups
from compute.execution.usage.reading import descendants
from compute.sizes import size_words
from compute.spec import Limits

logger = logging.getLogger(__name__)


def limits_of(given: Limits) -> Limits:
    """What holds: the step's own limits, and where it says nothing, this node's. A log has always one."""
    return Limits(
        memory_bytes=given.memory_bytes or settings.STEP_MEMORY_BYTES or None,
        cpus=given.cpus or settings.STEP_CPUS or None,
        output_bytes=given.output_bytes or settings.STEP_OUTPUT_BYTES or None,
        log_bytes=min(given.log_bytes or settings.LOG_LIMIT_BYTES, settings.LOG_LIMIT_BYTES),
    )


@dataclass(frozen=True, slots=True)
class StepBounds:
    limits: Limits
    group: StepGroup | None = None  # holds memory and CPUs, both
    cpus: frozenset[int] | None = None  # without a group: the CPUs that it is held to

    @property
    def words(self) -> str:
        """What holds and who holds it, for the log; empty where nothing does."""
        by = " by the kernel" if self.group else " by the studio's own watch"
        memory, cpus = self.limits.memory_bytes, self.limits.cpus
        held = (
            "by the kernel" if self.group else f"to {_cpu_words(self.cpus)}" if self.cpus else "by its machine's size"
        )
        parts = [
            f"{size_words(memory)} of memory{by}" if memory else "",
            f"{cpus:g} CPU{'' if cpus == 1 else 's'}, held {held}" if cpus else "",
        ]
        return "; ".join(part for part in parts if part)

    def take_in(self, pid: int) -> None:
        """The process, as it begins, and what it has started already; what follows is bound as they are.

        Raises OSError.
        """
        if self.group is None and self.cpus is None:
            return
        bound: set[int] = set()
        while new := set(descendants(pid)) - bound:
            if self.group is not None:
                for each in new:
                    with contextlib.suppress(ProcessLookupError):  # it is over already
                        self.group.take_in(each)
            elif self.cpus is not None:
                hold(new, self.cpus)
            bound |= new


def _cpu_words(cpus: frozenset[int]) -> str:
    return f"CPU{'' if len(cpus) == 1 else 's'} {', '.join(map(str, sorted(cpus)))}"


class Bounds:
    """One for each node."""

    def __init__(self, groups: Groups | None = None) -> None:
        self.groups = groups
        self._cpus = Cpus()

    @classmethod
    def of_this_node(cls) -> "Bounds":
        groups = find_groups()
        if groups is not None:
            logger.info("limits of steps are held by the kernel, in %s", groups.folder)
        return cls(groups)

    @contextlib.contextmanager
    def of_step(self, name: str, limits: Limits) -> Iterator[StepBounds]:
        """For as long as the step runs. Raises OSError."""
        if self.groups is not None and (limits.memory_bytes or limits.cpus):
            group = self.groups.of_step(name, limits)
            try:
                yield StepBounds(limits, group=group)
            finally:
                group.remove()
            return
        cpus = self._cpus.take(limits.cpus) if limits.cpus else None
        try:
            yield StepBounds(limits, cpus=cpus)
        finally:
            if cpus is not None:
                self._cpus.give_back(cpus)

    def close(self) -> None:
        if self.groups is not None:
            self.groups.close()

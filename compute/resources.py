"""What is asked for and what there is, compared and put into words. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from compute.spec import Resources

# CPUs are added up as fractions: so much is no difference.
_TOLERANCE = 1e-6

MAX_CPUS = 10_000
MIN_CPUS = 0.01
MIN_MEMORY_BYTES = 10**6
MAX_MEMORY_BYTES = 10**15
MAX_GPUS = 1024


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a node has, or has free. None: nobody knows, so nobody can be given any of it."""

    cpus: float | None
    memory_bytes: int | None
    gpus: int = 0

    def less(self, taken: Resources) -> "Capacity":
        """What is left. Never below nothing: a node that was started again with less may be used beyond what it has."""
        return Capacity(
            cpus=None if self.cpus is None else max(0.0, self.cpus - (taken.cpus or 0)),
            memory_bytes=None if self.memory_bytes is None else max(0, self.memory_bytes - (taken.memory_bytes or 0)),
            gpus=max(0, self.gpus - taken.gpus),
        )


def total(requests: Iterable[Resources]) -> Resources:
    """What several jobs take together."""
    cpus, memory_bytes, gpus = 0.0, 0, 0
    for each in requests:
        cpus += each.cpus or 0
        memory_bytes += each.memory_bytes or 0
        gpus += each.gpus
    return Resources(cpus=cpus, memory_bytes=memory_bytes, gpus=gpus)


def lacking(request: Resources, there: Capacity) -> list[str]:
    """Of `cpus`, `memory_bytes` and `gpus`, what there is too little of for this request."""
    names = []
    if request.cpus is not None and (there.cpus is None or request.cpus > there.cpus + _TOLERANCE):
        names.append("cpus")
    if request.memory_bytes is not None and (there.memory_bytes is None or request.memory_bytes > there.memory_bytes):
        names.append("memory_bytes")
    if request.gpus > there.gpus:
        names.append("gpus")
    return names


def fits(request: Resources, there: Capacity) -> bool:
    return not lacking(request, there)


def spares(request: Resources, reserved: Resources, free: Capacity) -> bool:
    """Whether `request` can be served from `free` without delaying what `reserved` waits for.

    Of a thing that both ask for, enough for `reserved` must remain.
    """
    left = free.less(request)
    return not any(
        getattr(request, name) and name in lacking(reserved, left) for name in ("cpus", "memory_bytes", "gpus")
    )


def in_words(resources: Resources) -> str:
    """As in “2 CPUs, 4 GB of memory and 1 GPU”; empty for nothing."""
    parts = []
    if resources.cpus is not None:
        parts.append(cpus_in_words(resources.cpus))
    if resources.memory_bytes is not None:
        parts.append(f"{bytes_in_words(resources.memory_bytes)} of memory")
    if resources.gpus:
        parts.append(gpus_in_words(resources.gpus))
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def given_in_words(whole: Capacity, free: Capacity) -> list[str]:
    """Of each thing that a node has, how much is given away."""
    words = []
    if whole.cpus is not None and free.cpus is not None:
        words.append(f"{round(whole.cpus - free.cpus, 2):g} of {cpus_in_words(whole.cpus)}")
    if whole.memory_bytes is not None and free.memory_bytes is not None:
        given = whole.memory_bytes - free.memory_bytes
        words.append(f"{bytes_in_words(given) if given else 0} of {bytes_in_words(whole.memory_bytes)}")
    if whole.gpus:
        words.append(f"{whole.gpus - free.gpus} of {gpus_in_words(whole.gpus)}")
    return words


def cpus_in_words(cpus: float) -> str:
    return f"{cpus:g} CPU" if cpus == 1 else f"{cpus:g} CPUs"


def gpus_in_words(gpus: int) -> str:
    return f"{gpus:,} GPU" if gpus == 1 else f"{gpus:,} GPUs"


def bytes_in_words(size_bytes: float) -> str:
    """As in “512 MB”, “7.5 GB”: units of 1000, rounded down to three digits or so."""
    power, unit = next(((power, unit) for power, unit in ((12, "TB"), (9, "GB")) if size_bytes >= 10**power), (6, "MB"))
    value = size_bytes / 10**power
    digits = 100 if value < 10 else 10 if value < 100 else 1
    return f"{math.floor(value * digits) / digits:g} {unit}"

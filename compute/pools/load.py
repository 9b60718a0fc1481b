"""How many nodes the work of a pool would fill. Pure."""

from collections.abc import Iterable
from fractions import Fraction

from compute.resources import Capacity, fits
from compute.spec import Resources


def nodes_filled(work: Iterable[tuple[Resources, int]], *, slots: int, node: Capacity | None) -> Fraction:
    """`work`: what jobs ask for, and how many of them do. `node`: what one node has; None while nobody knows.

    Jobs that ask for different things are thought of as on nodes of their own kind each, so this is an estimate from
    above where they would fit together. What no node can hold fills none: more nodes would not help it.
    """
    filled = Fraction(0)
    for request, count in work:
        if at_once := _at_once(request, slots, node):
            filled += Fraction(count, at_once)
    return filled


def _at_once(request: Resources, slots: int, node: Capacity | None) -> int:
    """How many jobs of a kind run on one node at once."""
    if node is None or request.is_empty:
        return max(1, slots)
    return next((count for count in range(max(1, slots), 0, -1) if fits(_times(request, count), node)), 0)


def _times(request: Resources, count: int) -> Resources:
    """So many of them together. What is not asked for stays so."""
    return Resources(
        cpus=None if request.cpus is None else request.cpus * count,
        memory_bytes=None if request.memory_bytes is None else request.memory_bytes * count,
        gpus=request.gpus * count,
    )

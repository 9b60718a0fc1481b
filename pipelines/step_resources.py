"""Whether what a step asks of its node makes sense, and whether any node of its target has as much. Pure."""

from collections.abc import Iterator, Sequence

from compute.resources import (
    MAX_CPUS,
    MAX_GPUS,
    MAX_MEMORY_BYTES,
    MIN_CPUS,
    MIN_MEMORY_BYTES,
    Capacity,
    bytes_in_words,
    in_words,
)
from compute.spec import Resources
from compute.waiting import too_large_in_words
from studio.lib.problems import Problem

Loc = tuple[str | int, ...]


def resource_problems(resources: Resources, compute: str, nodes: Sequence[Capacity], loc: Loc) -> Iterator[Problem]:
    """`nodes` are all that the target has or lately had: none of them says nothing about what it can have."""
    wrong = list(_absurd(resources, loc))
    yield from wrong
    if wrong or resources.is_empty or not nodes:
        return
    for name, sentence in too_large_in_words(resources, nodes, largest=f"The largest node of “{compute}”").items():
        field = name or next(each for each in ("gpus", "memory_bytes", "cpus") if getattr(resources, each))
        yield Problem((*loc, field), f"{sentence}. Ask for less, or choose another compute target.")


def resource_warning(resources: Resources, compute: str, nodes: Sequence[Capacity], loc: Loc) -> Problem | None:
    """For a target of which no node was seen yet: the step may be submitted, and may wait for ever."""
    if resources.is_empty or nodes:
        return None
    sentence = f"No node of “{compute}” has been seen yet: nobody knows whether one has {in_words(resources)}."
    return Problem(loc, sentence)


def _absurd(resources: Resources, loc: Loc) -> Iterator[Problem]:
    cpus, memory = resources.cpus, resources.memory_bytes
    if cpus is not None and not MIN_CPUS <= cpus <= MAX_CPUS:
        yield Problem((*loc, "cpus"), f"Ask for {MIN_CPUS:g} to {MAX_CPUS:,} CPUs, or leave it empty.")
    if memory is not None and not MIN_MEMORY_BYTES <= memory <= MAX_MEMORY_BYTES:
        most = bytes_in_words(MAX_MEMORY_BYTES)
        yield Problem((*loc, "memory_bytes"), f"Ask for 1 MB to {most} of memory, or leave it empty.")
    if not 0 <= resources.gpus <= MAX_GPUS:
        yield Problem((*loc, "gpus"), f"Ask for 0 to {MAX_GPUS:,} GPUs.")

"""How many steps were submitted and have not begun. Whoever submits them counts: compute knows of queued jobs only."""

from collections import Counter
from collections.abc import Callable, Mapping

Counters = Callable[[int], Mapping[int, int]]
_counters: list[Counters] = []


def count_with(counter: Counters) -> None:
    """Let `counter(workspace id)` say how many steps wait, by person."""
    if counter not in _counters:
        _counters.append(counter)


def backlog(workspace_id: int) -> dict[int, int]:
    """By person, the steps that wait: for others, or for a slot."""
    counts: Counter[int] = Counter()
    for counter in _counters:
        counts.update(counter(workspace_id))
    return dict(counts)

"""The answer in a few sentences: what differs between two runs, and what it did. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipelines.comparing.documents import Row
from pipelines.comparing.measured import MetricPair, percent_words
from pipelines.comparing.pairs import StepPair
from studio.workspaces.templatetags.studio import duration

_NAMED = 3  # of each kind
_METRICS = 3


def _caused_by(kind: str) -> Callable[[StepPair], bool]:
    return lambda pair: any(each.kind == kind for each in pair.causes)


_CHANGES: Mapping[str, Callable[[StepPair], bool]] = {
    "the place in the graph": lambda pair: bool(pair.graph),
    "the code": _caused_by("code"),
    "the arguments": _caused_by("arguments"),
    "the environment": _caused_by("environment"),
    "the data": _caused_by("input"),
    "variables": _caused_by("variable"),
    "the outputs": _caused_by("outputs"),
    "the settings": lambda pair: bool(pair.settings),
}


def what_differs(left: str, right: str, parameters: Sequence[Row], steps: Sequence[StepPair]) -> str:
    """A sentence."""
    parts: list[str] = []
    if changed := [row.label for row in parameters if row.differs]:
        parts.append(f"{_plural(len(changed), 'parameter')} ({_list(changed)})")
    came_and_went = [(kind, [pair.name for pair in steps if pair.kind == kind]) for kind in ("added", "removed")]
    parts += [f"{_plural(len(names), 'step')} {kind} ({_list(names)})" for kind, names in came_and_went if names]
    changed_of: dict[tuple[str, ...], list[str]] = {}
    for words, has in _CHANGES.items():
        if those := tuple(pair.name for pair in steps if has(pair)):
            changed_of.setdefault(those, []).append(words)
    parts += [f"{_and(words)} of {_steps(those)}" for those, words in changed_of.items()]
    follows = [pair.name for pair in steps if pair.follows and not pair.causes]
    if parts:
        sentence = f"Run {right} differs from run {left} in {_listed(parts)}."
        return f"{sentence} Other data came to {_steps(follows)} from that." if follows else sentence
    if follows:
        return f"Nothing was changed between run {left} and run {right}, and yet other data came to {_steps(follows)}."
    return f"Nothing that makes the results differs between run {left} and run {right}."


def what_it_took(then_s: float | None, now_s: float | None, reused: tuple[int, int]) -> str:
    """A sentence, of runs that are both over."""
    if then_s is None or now_s is None:
        return ""
    words = f"It took {duration(now_s)} instead of {duration(then_s)}"
    if duration(now_s) == duration(then_s):
        words = f"It took as long, {duration(now_s)}"
    elif then_s > 0:
        words += f" ({percent_words((now_s - then_s) / then_s)})"
    if reused[0] != reused[1]:
        words += f"; {_plural(reused[1], 'step')} of it {_were(reused[1])} reused, {reused[0] or 'none'} of the other"
    return f"{words}."


def what_was_measured(metrics: Sequence[MetricPair]) -> str:
    """A sentence about the metrics that moved most; empty where both runs have none in common."""
    common = [pair for pair in metrics if pair.before and pair.after and pair.is_series]
    moved = [pair for pair in common if pair.before_words != pair.after_words]
    if not common:
        return ""
    if not moved:
        return f"{'The metric' if len(common) == 1 else f'All {len(common)} metrics'} came to the same."
    # What is no number any more is news before all else.
    moved.sort(key=lambda pair: -abs(pair.share or 0) if pair.delta is not None else -math.inf)
    told = [_moved(pair) for pair in moved[:_METRICS]]
    if more := len(moved) - len(told):
        told.append(f"{_plural(more, 'more metric')} changed")
    return f"{_and(told)}."


def how_they_ended(left: str, right: str, then: str, now: str) -> str:
    return f"Run {right} {now}, run {left} {then}." if then != now else ""


def _moved(pair: MetricPair) -> str:
    by = percent_words(pair.share) or pair.delta_words
    words = f"“{pair.name}” of “{pair.step}” went from {pair.before_words} to {pair.after_words}"
    return f"{words} ({by})" if by else words


def _steps(names: Sequence[str]) -> str:
    """`“train”`, `“a” and “b”`, `12 steps`."""
    return _and([f"“{name}”" for name in names]) if len(names) <= _NAMED else f"{len(names)} steps"


def _list(names: Sequence[str]) -> str:
    shown = [f"“{name}”" for name in names[:_NAMED]]
    return ", ".join([*shown, *([f"{len(names) - _NAMED} more"] if len(names) > _NAMED else [])])


def _and(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _listed(parts: Sequence[str]) -> str:
    """As `_and`, and readable where a part has an “and” of its own."""
    return f"{'; '.join(parts[:-1])}; and {parts[-1]}" if any(" and " in part for part in parts[:-1]) else _and(parts)


def _plural(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"

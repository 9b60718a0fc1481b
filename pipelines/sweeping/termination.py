"""Which trials are not worth going on with: the policies of Azure ML's HyperDrive. Pure.

Each value that a trial logs of the metric is an interval. A policy looks at the last interval of a running trial that
is a multiple of `evaluation_interval` and not below `delay_evaluation`, and compares it there with all trials that came
as far, and with those that are over and logged less. Asked twice it says the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    evaluation_interval: int = 1
    delay_evaluation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandit(Policy):
    """Stops what is farther from the best than a share of that, or than an amount. One of the two is given."""

    slack_factor: float | None = None
    slack_amount: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianStopping(Policy):
    """Stops what at its best is worse than the median of the others' averages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncation(Policy):
    """Stops the worst share, in percent, rounded down to whole trials."""

    percentage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a trial logged of the metric so far, in that order; what is not finite included."""

    number: int
    values: Sequence[float]
    runs: bool


def to_stop(policy: Policy, trials: Sequence[Progress], *, maximize: bool) -> list[int]:
    """Numbers of running trials."""
    sign = 1.0 if maximize else -1.0  # from here on more is better
    signed = {each.number: [sign * value for value in each.values] for each in trials if each.values}
    over = {each.number for each in trials if not each.runs}
    stopped = []
    seen: dict[int, _Seen] = {}  # by interval: trials that run side by side are at the same
    for trial in trials:
        interval = _interval(policy, len(trial.values)) if trial.runs else 0
        if not interval:
            continue
        if interval not in seen:
            seen[interval] = _Seen.of(
                {
                    number: values[:interval]
                    for number, values in signed.items()
                    if number in over or len(values) >= interval
                }
            )
        if _is_hopeless(policy, trial.number, seen[interval]):
            stopped.append(trial.number)
    return stopped


@dataclass(frozen=True, slots=True)
class _Seen:
    """What trials had come to at an interval, by number; more is better."""

    bests: dict[int, float]
    median_average: float

    @classmethod
    def of(cls, values: dict[int, list[float]]) -> "_Seen":
        return cls({number: _best(each) for number, each in values.items()}, median(map(_average, values.values())))


def _interval(policy: Policy, count: int) -> int:
    """The last one that the policy looks at; 0 where there is none yet."""
    last = count - count % policy.evaluation_interval
    return last if last >= policy.delay_evaluation else 0


def _is_hopeless(policy: Policy, number: int, seen: _Seen) -> bool:
    """The trial itself is among those that were seen."""
    bests = seen.bests
    mine, top = bests[number], max(bests.values())
    if top == -math.inf:
        return False  # nobody has a number yet
    match policy:
        case Bandit(slack_amount=amount) if amount is not None:
            return _is_below(mine, top - amount)
        case Bandit(slack_factor=factor):
            return _is_below(mine, _with_slack(top, factor or 0.0))
        case MedianStopping():
            return mine < seen.median_average
        case Truncation(percentage=percentage):
            count = math.floor(len(bests) * percentage / 100)
            # Of equal ones the later has the worse place.
            worst = sorted(bests, key=lambda each: (bests[each], -each))[:count]
            return number in worst and mine < top
    return False


def _with_slack(top: float, factor: float) -> float:
    """`top / (1 + factor)` of a metric to maximize and `top * (1 + factor)` of one to minimize, where it is positive.

    Signs are turned here so that more is better; of a metric with the other sign the slack goes the same way, down.
    """
    return top / (1 + factor) if top > 0 else top * (1 + factor)


def _is_below(value: float, least: float) -> bool:
    """Without what the last digit of a difference has to say."""
    return value < least and not math.isclose(value, least, rel_tol=1e-12)


def _best(values: Sequence[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=-math.inf)


def _average(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else -math.inf

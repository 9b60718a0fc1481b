"""The values of a sweep's trials. The same seed gives the same values, whoever asks and however often. Pure."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.parts import ParameterValue
from pipelines.sweeping.space import Bell, Choice, Distribution, Interval, Multiples

Space = Mapping[str, Distribution]
_ASKED_AGAIN = 20  # for a point that no trial has had


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of an earlier trial. Without a metric it still runs."""

    values: Mapping[str, ParameterValue]  # as its run has them
    metric: float | None = None


def points_of(space: Space) -> int | None:
    """How many different points there are; None where there is no end of them."""
    counts = [distribution.count for distribution in space.values()]
    return math.prod(count for count in counts if count is not None) if None not in counts else None


def grid_point(space: Space, number: int) -> dict[str, ParameterValue]:
    """Point `number`, from 1, of those that there are: the last parameter's values change first."""
    return _decoded(space, number - 1)


def random_point(space: Space, number: int, *, seed: int) -> dict[str, ParameterValue]:
    """Sample `number`, from 1. Where there are as many points, no two samples are the same one."""
    count = points_of(space)
    if count is not None and all(not getattr(each, "log", False) for each in space.values()):
        return _decoded(space, _index_of(number, count, random.Random(f"{seed}")))  # noqa: S311 (no secret)
    return {
        name: distribution.draw(random.Random(f"{seed}/{number}/{name}"))  # noqa: S311 (no secret)
        for name, distribution in space.items()
    }


def suggested_point(
    space: Space, number: int, *, seed: int, told: Sequence[Told], maximize: bool
) -> dict[str, ParameterValue]:
    """What the tree-structured Parzen estimator (Bergstra et al. 2011, as in Optuna) takes for the most promising.

    The first ten are random. Those that still run are taken for bad ones, so that the next is another.
    """
    # Takes seconds to import, and only whoever makes trials wants it.
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {name: _of_optuna(distribution) for name, distribution in space.items()}
    sampler = optuna.samplers.TPESampler(seed=random.Random(f"{seed}/{number}").getrandbits(32), constant_liar=True)  # noqa: S311
    study = optuna.create_study(sampler=sampler, direction="maximize" if maximize else "minimize")
    had: list[dict[str, Any]] = []
    for each in told:
        inner = {name: _to_optuna(space[name], each.values.get(name)) for name in space}
        if any(value is None for value in inner.values()):
            continue
        had.append(inner)
        state = TrialState.RUNNING if each.metric is None else TrialState.COMPLETE
        study.add_trial(create_trial(params=inner, distributions=distributions, value=each.metric, state=state))
    for _time in range(_ASKED_AGAIN):
        asked = study.ask(distributions).params
        if asked not in had:
            break
    return {name: _from_optuna(distribution, asked[name]) for name, distribution in space.items()}


def _index_of(number: int, count: int, generator: random.Random) -> int:
    """The one drawn as number `number` without those before it: `random.sample` says otherwise for each length."""
    if number > count:
        raise ValueError(f"there are {count} points, and no number {number}")
    drawn: set[int] = set()
    while True:
        index = generator.randrange(count)
        drawn.add(index)
        if len(drawn) == number:
            return index


def _decoded(space: Space, index: int) -> dict[str, ParameterValue]:
    found: dict[str, ParameterValue] = {}
    for name, distribution in reversed(list(space.items())):
        assert isinstance(distribution, Choice | Multiples), "the others have no end of points"
        index, digit = divmod(index, distribution.count)
        found[name] = distribution.at(digit)
    return {name: found[name] for name in space}


def _of_optuna(distribution: Distribution) -> Any:
    from optuna import distributions

    match distribution:
        case Choice():
            return distributions.CategoricalDistribution(list(range(distribution.count)))
        case Multiples():
            return distributions.IntDistribution(distribution.low, distribution.high, log=distribution.log)
        case Interval():
            return distributions.FloatDistribution(distribution.low, distribution.high, log=distribution.log)
        case Bell():
            raise ValueError("there is no prior for normal values")


def _to_optuna(distribution: Distribution, value: ParameterValue | None) -> int | float | None:
    """None for what this distribution doesn't give: the run has other values, or none."""
    if isinstance(distribution, Choice):
        return next((index for index, each in enumerate(distribution.options) if _same(each, value)), None)
    try:
        number = float(value if value is not None else "")
    except ValueError:
        return None
    if isinstance(distribution, Multiples):
        nearest = round(number / float(distribution.step))
        return nearest if distribution.low <= nearest <= distribution.high else None
    if isinstance(distribution, Interval):
        return number if distribution.low <= number <= distribution.high else None
    return None


def _from_optuna(distribution: Distribution, value: Any) -> ParameterValue:
    match distribution:
        case Choice():
            return distribution.at(value)
        case Multiples():
            return distribution.of(value)
        case _:
            return float(value)


def _same(option: ParameterValue, value: ParameterValue | None) -> bool:
    """A parameter that is a text has the option's text."""
    return value is not None and (option == value or str(option) == str(value))


def has_prior(distribution: Distribution) -> bool:
    return not isinstance(distribution, Bell)


def grid_size_words(space: Space) -> str:
    """How the number of points comes about: `3 × 4 = 12`."""
    counts = [distribution.count or 0 for distribution in space.values()]
    total = math.prod(counts)
    if len(counts) == 1:
        return f"{total:,}"
    return f"{' × '.join(f'{count:,}' for count in counts)} = {total:,}"

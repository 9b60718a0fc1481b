"""Which values trials get: the same for the same seed, and none twice where that can be."""

import pytest

from pipelines.sweeping.sampling import Told, grid_point, points_of, random_point, suggested_point
from pipelines.sweeping.space import read

COUNTED = {"batch": read("choice(16, 32)"), "depth": read("randint(3)")}
MIXED = {"rate": read("uniform(0, 1)"), "batch": read("choice(16, 32)")}


def test_a_grid_goes_through_every_point_in_order() -> None:
    assert points_of(COUNTED) == 6
    assert [tuple(grid_point(COUNTED, number).values()) for number in range(1, 7)] == [
        (16, 0), (16, 1), (16, 2), (32, 0), (32, 1), (32, 2),
    ]  # fmt: skip
    assert points_of(MIXED) is None


def test_random_samples_of_what_can_be_counted_are_all_different() -> None:
    points = [random_point(COUNTED, number, seed=7) for number in range(1, 7)]
    assert len({tuple(point.values()) for point in points}) == 6
    with pytest.raises(ValueError, match="there are 6 points"):
        random_point(COUNTED, 7, seed=7)


@pytest.mark.parametrize("space", [COUNTED, MIXED])
def test_a_seed_gives_the_same_values_and_another_one_others(space: dict[str, object]) -> None:
    def points(seed: int) -> list[object]:
        return [random_point(space, number, seed=seed) for number in (5, 2, 3)]  # type: ignore[arg-type]

    assert points(1) == points(1)
    assert points(1) != points(2)


def test_one_beyond_counting_costs_nothing() -> None:
    vast = {f"p{number}": read("randint(1000000000)") for number in range(9)}
    assert len({str(random_point(vast, number, seed=1)) for number in range(1, 50)}) == 49


def test_bayesian_samples_come_near_to_the_best() -> None:
    space = {"rate": read("loguniform(log(0.001), log(1))"), "batch": read("choice('16', '32')")}
    told: list[Told] = []
    for number in range(1, 41):
        values = suggested_point(space, number, seed=3, told=told, maximize=True)
        assert values == suggested_point(space, number, seed=3, told=told, maximize=True)
        worth = -abs(float(values["rate"]) - 0.1) - (values["batch"] == "16")
        told.append(Told(values=values, metric=worth))
    late = [each.metric or 0 for each in told[20:]]
    early = [each.metric or 0 for each in told[:10]]
    assert sum(late) / 20 > sum(early) / 10
    assert max(late) > -0.05


def test_trials_under_way_and_values_of_another_space_disturb_nothing() -> None:
    space = {"batch": read("choice(16, 32)"), "depth": read("quniform(0, 1, 0.5)")}
    told = [
        Told(values={"batch": "16", "depth": 0.5}),
        Told(values={"batch": 99, "depth": 0.5}, metric=1.0),
        Told(values={"batch": 16, "depth": "deep"}, metric=1.0),
        Told(values={"batch": 32}, metric=2.0),
    ]
    points = [suggested_point(space, number, seed=1, told=told, maximize=True) for number in range(1, 6)]
    assert all(point != {"batch": 16, "depth": 0.5} for point in points), "that one is under way"

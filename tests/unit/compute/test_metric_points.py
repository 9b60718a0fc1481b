"""Points of series: packed and back, summed up, thinned out, whatever their values are."""

import math

from hypothesis import given
from hypothesis import strategies as st

from compute.metrics.points import BUCKET_POINTS, Points, of_summary, pack, summary, thinned, unpack

VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=700)


def points(values: list[float]) -> Points:
    made = Points()
    for step, value in enumerate(values):
        made.add(step, value)
    return made


@given(VALUES)
def test_what_is_packed_comes_back_bit_by_bit(values: list[float]) -> None:
    back = unpack(pack(points(values)))
    assert list(back.steps) == list(range(len(values)))
    assert [math.isnan(value) or value for value in back.values] == [math.isnan(value) or value for value in values]


@given(VALUES, st.integers(2, 100))
def test_thinned_points_keep_the_extremes_and_their_order(values: list[float], most: int) -> None:
    kept = thinned(points(values), most)
    assert len(kept) <= max(most, 2)
    assert list(kept.steps) == sorted(kept.steps)
    finite = [value for value in values if math.isfinite(value)]
    if len(values) > most and finite:
        shown = [value for value in kept.values if math.isfinite(value)]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


def test_a_summary_has_two_points_for_each_stretch() -> None:
    made = points([math.sin(step / 50) for step in range(4 * BUCKET_POINTS)])
    made.values[700] = 9.0
    brief = of_summary(summary(made))
    assert len(brief) == 8
    assert (700, 9.0) in list(zip(brief.steps, brief.values, strict=True))


def test_a_stretch_without_a_finite_value_is_a_gap() -> None:
    brief = of_summary(summary(points([math.nan, math.inf, -math.inf])))
    assert (list(brief.steps), math.isnan(brief.values[0])) == ([0], True)


def test_steps_within_both_ends_are_kept() -> None:
    assert list(points([1.0] * 10).within(3, 5).steps) == [3, 4, 5]

"""Early termination: which running trials a policy gives up, by what all have logged."""

import math
from collections.abc import Sequence

import pytest

from pipelines.sweeping.termination import Bandit, MedianStopping, Policy, Progress, Truncation, to_stop


def stopped(policy: Policy, *series: Sequence[float], over: Sequence[int] = (), maximize: bool = True) -> list[int]:
    trials = [
        Progress(number=number, values=values, runs=number not in over) for number, values in enumerate(series, start=1)
    ]
    return to_stop(policy, trials, maximize=maximize)


class TestBandit:
    def test_by_a_factor_as_azure_ml_has_it(self) -> None:
        policy = Bandit(slack_factor=0.2)
        assert stopped(policy, [0.8], [0.67], [0.66]) == [3]  # 0.8 / 1.2 is 0.667
        assert stopped(policy, [1.0], [1.2], [1.3], maximize=False) == [3]

    def test_of_a_metric_below_zero_the_slack_goes_the_same_way(self) -> None:
        policy = Bandit(slack_factor=0.2)
        assert stopped(policy, [-1.0], [-1.1], [-1.3]) == [3]
        assert stopped(policy, [-1.0], [-0.9], [-0.8], maximize=False) == [3]

    def test_by_an_amount(self) -> None:
        assert stopped(Bandit(slack_amount=0.2), [0.8], [0.6], [0.5]) == [3]

    def test_the_best_so_far_counts_and_not_the_last(self) -> None:
        assert stopped(Bandit(slack_amount=0.2), [0.8, 0.8], [0.7, 0.1]) == []

    def test_what_is_over_is_compared_with_and_never_stopped(self) -> None:
        assert stopped(Bandit(slack_amount=0.2), [0.8], [0.1], [0.1], over=[1, 2]) == [3]

    def test_those_that_came_as_far_are_compared_and_those_that_are_over(self) -> None:
        policy = Bandit(slack_amount=0.2)
        assert stopped(policy, [0.2, 0.3, 0.9], [0.2, 0.25], over=[1]) == []
        assert stopped(policy, [0.9], [0.2, 0.25]) == []
        assert stopped(policy, [0.9], [0.2, 0.25], over=[1]) == [2]

    def test_numbers_that_are_none_are_worse_than_any(self) -> None:
        assert stopped(Bandit(slack_amount=9.0), [0.1], [math.nan]) == [2]
        assert stopped(Bandit(slack_amount=9.0), [math.nan], [math.inf]) == [], "nobody has a number"


class TestWhenItLooks:
    def test_at_every_so_many_intervals(self) -> None:
        policy = Bandit(slack_amount=0.1, evaluation_interval=3)
        assert stopped(policy, [0.9] * 3, [0.1] * 2) == []
        assert stopped(policy, [0.9] * 3, [0.1] * 3) == [2]
        assert stopped(policy, [0.9] * 3, [0.1] * 3 + [0.9]) == [2], "as it was at interval 3"

    def test_not_before_a_delay(self) -> None:
        policy = Bandit(slack_amount=0.1, evaluation_interval=2, delay_evaluation=5)
        assert stopped(policy, [0.9] * 6, [0.1] * 5) == []
        assert stopped(policy, [0.9] * 6, [0.1] * 6) == [2]

    def test_of_what_logged_nothing_it_says_nothing(self) -> None:
        assert stopped(Bandit(slack_amount=0.1), [], [0.5]) == []


def test_the_median_of_averages() -> None:
    series = ([0.5, 0.7], [0.4, 0.6], [0.1, 0.2], [0.55, 0.3])  # averages 0.6, 0.5, 0.15, 0.425: median 0.4625
    assert stopped(MedianStopping(), *series) == [3]
    assert stopped(MedianStopping(), [0.5]) == [], "alone it is no worse than itself"


class TestTruncation:
    def test_the_worst_share_rounded_down(self) -> None:
        series = [[value / 10] for value in range(1, 11)]
        assert stopped(Truncation(percentage=25), *series) == [1, 2]
        assert stopped(Truncation(percentage=25), *series[:3]) == []

    def test_asked_again_with_those_stopped_it_stops_no_more(self) -> None:
        series = [[value / 10] for value in range(1, 11)]
        assert stopped(Truncation(percentage=20), *series, over=[1, 2]) == []

    @pytest.mark.parametrize("maximize", [True, False])
    def test_all_alike_go_on(self, *, maximize: bool) -> None:
        assert stopped(Truncation(percentage=50), [0.5], [0.5], [0.5], maximize=maximize) == []


def test_no_policy_stops_nothing() -> None:
    assert stopped(Policy(), [0.9], [0.1]) == []

"""What is said of two runs in a few sentences, and the order in which their steps stand."""

from itertools import count
from typing import Any

import pytest

from compute.models import Metric
from pipelines.comparing.documents import Row
from pipelines.comparing.measured import MetricPair, percent_words
from pipelines.comparing.pairs import StepFacts, StepPair, paired
from pipelines.comparing.words import how_they_ended, what_differs, what_it_took, what_was_measured
from pipelines.fingerprints import Difference, fingerprint_of
from pipelines.models import Ingredients

NUMBERS = count(1)


def metric(last: str, **more: Any) -> Metric:
    return Metric(**{"pk": next(NUMBERS), "kind": "scalar", "count": 1, "last": last, **more})


def pair(then: str, now: str, name: str = "loss") -> MetricPair:
    return MetricPair("train", name, metric(then), metric(now))


def facts(name: str, *, binding: dict[str, Any] | None = None, **digests: str) -> StepFacts:
    inputs = [{"name": "data", "binding": binding}] if binding else []
    document = {"kind": "python_script", "name": name, "inputs": inputs}
    ingredients = Ingredients(digests={key.replace("_", " "): value for key, value in digests.items()})
    assert fingerprint_of(ingredients)
    return StepFacts(name, "completed", None, None, ingredients, document, None, None)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.033, "+3.3 %"), (-0.8, "−80 %"), (0.0004, "+0.04 %"), (1.5, "+150 %"), (24.0, "×25"), (None, ""), (0.0, "0 %")],
)
def test_shares_in_words(share: float | None, words: str) -> None:
    assert percent_words(share) == words


def test_steps_stand_in_the_order_of_the_right_run_and_gone_ones_where_they_were() -> None:
    before = [facts(name) for name in ("gone-first", "a", "gone", "b")]
    after = [facts(name) for name in ("b", "a", "new")]
    found = [(each.name, each.kind) for each in paired(before, after)]
    assert found == [
        ("gone-first", "removed"),
        ("b", "both"),
        ("a", "both"),
        ("gone", "removed"),
        ("new", "added"),
    ]


def test_data_of_a_step_before_follows_and_other_data_is_a_cause() -> None:
    output = {"kind": "output", "step": "a", "output": "out"}
    dataset = {"kind": "dataset", "dataset": "digits", "version": None}
    for binding, causes, follows in ((output, [], ["data"]), (dataset, ["data"], [])):
        (found,) = paired([facts("b", binding=binding, input_data="1")], [facts("b", binding=binding, input_data="2")])
        assert [each.name for each in found.causes] == causes
        assert [each.name for each in found.follows] == follows


def changed(name: str, *kinds: str) -> StepPair:
    return StepPair(name, "both", facts(name), facts(name), causes=[Difference(kind) for kind in kinds])


def test_what_differs_names_few_and_counts_many() -> None:
    rows = [Row(f"p{number}", "1", "2") for number in range(5)]
    steps = [changed(f"s{number}", "code") for number in range(4)]
    assert what_differs("1", "2", rows, steps) == (
        "Run 2 differs from run 1 in 5 parameters (“p0”, “p1”, “p2”, 2 more) and the code of 4 steps."
    )
    both = [changed("a", "code", "arguments"), changed("b", "environment")]
    assert what_differs("1", "2", [Row("same", "1", "1")], both) == (
        "Run 2 differs from run 1 in the code and the arguments of “a”; and the environment of “b”."
    )


def test_other_data_without_a_change_is_said_so() -> None:
    step = StepPair("b", "both", facts("b"), facts("b"), follows=[Difference("input", "data")])
    assert what_differs("1", "2", [], [step]).endswith("and yet other data came to “b”.")


def test_times_and_ends() -> None:
    assert what_it_took(100.0, 80.0, (0, 0)) == "It took 1 min 20 s instead of 1 min 40 s (−20 %)."
    assert what_it_took(5.01, 5.02, (0, 0)) == "It took as long, 5.0 s."
    assert what_it_took(None, 5.0, (0, 0)) == ""
    assert what_it_took(9.0, 0.0, (1, 2)) == (
        "It took 0.0 s instead of 9.0 s (−100 %); 2 steps of it were reused, 1 of the other."
    )
    assert how_they_ended("1", "2", "completed", "failed") == "Run 2 failed, run 1 completed."
    assert how_they_ended("1", "2", "failed", "failed") == ""


def test_metrics_that_moved_most_come_first_and_what_is_no_number_before_all() -> None:
    many = [pair("1.0", f"{1 + number / 10}", f"m{number}") for number in range(1, 4)]
    assert what_was_measured([*many, pair("0.5", "nan"), pair("0.0", "2.0", "from-nothing")]) == (
        "“loss” of “train” went from 0.5 to NaN, “m3” of “train” went from 1 to 1.3 (+30 %), "
        "“m2” of “train” went from 1 to 1.2 (+20 %) and 2 more metrics changed."
    )
    assert what_was_measured([pair("0.0", "2.0")]) == "“loss” of “train” went from 0 to 2 (+2)."
    assert what_was_measured([pair("1.0", "1.0")]) == "The metric came to the same."
    assert what_was_measured([MetricPair("train", "loss", None, metric("1.0"))]) == ""


def test_a_metric_that_was_taken_over_does_not_differ() -> None:
    one = metric("0.5", count=9)
    assert not MetricPair("train", "loss", one, one).differs
    assert MetricPair("train", "loss", one, metric("0.5", count=8)).differs
    table = MetricPair("train", "rows", metric("", kind="table", count=3), metric("", kind="table", count=4))
    assert (table.before_words, table.after_words, table.delta) == ("table, 3", "table, 4", None)

"""Two versions side by side: columns by name, distributions on common bins."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastores.comparing import common_edges, overlaid, paired, rebinned
from datastores.pages.profile_figures import bars, distribution, extreme_text, number_text, overlay, value_text
from datastores.sources import Column, ColumnType
from datastores.tabular.column_profiles import ColumnProfile, Histogram, TopValue


def column(name: str, kind: ColumnType = "integer") -> Column:
    return Column(name=name, type=kind)


def histogram(edges: list[float], counts: list[int]) -> Histogram:
    return Histogram(edges=edges, counts=counts, rule="")


def numbers(edges: list[float], counts: list[int], kind: ColumnType = "number") -> ColumnProfile:
    return ColumnProfile(
        name="x", type=kind, count=sum(counts), missing=0, distinct=1, histogram=histogram(edges, counts)
    )


def texts(**counts: int) -> ColumnProfile:
    top = [TopValue(value=value, count=count) for value, count in counts.items()]
    return ColumnProfile(name="x", type="string", count=sum(counts.values()), missing=0, distinct=len(counts), top=top)


def test_columns_that_came_went_and_changed_their_type_come_first() -> None:
    before = [column("same"), column("gone"), column("typed")]
    after = [column("typed", "string"), column("same"), column("new")]
    found = [(pair.name, pair.change, pair.before_at, pair.after_at) for pair in paired(before, after)]
    assert found == [
        ("new", "added", None, 2),
        ("gone", "removed", 1, None),
        ("typed", "retyped", 2, 0),
        ("same", "same", 0, 1),
    ]


def test_of_columns_with_one_name_the_first_belongs_to_the_first() -> None:
    pairs = paired([column("a"), column("a")], [column("a", "string")])
    assert [(pair.change, pair.before_at, pair.after_at) for pair in pairs] == [("removed", 1, None), ("retyped", 0, 0)]


def test_counts_are_shared_among_the_bins_they_overlap() -> None:
    assert rebinned(histogram([0, 2, 4], [4, 8]), [0, 1, 2, 3, 4]) == [2, 2, 4, 4]
    assert rebinned(histogram([0, 4], [8]), [0, 1, 4, 8]) == [2, 6, 0]
    assert rebinned(histogram([3, 3], [5]), [0, 2, 4]) == [0, 5]


finite = st.floats(-1e300, 1e300)


@given(finite, finite, finite, finite, st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_no_value_is_lost_on_common_bins(a: float, b: float, c: float, d: float, counts: list[int]) -> None:
    def of(low: float, high: float) -> Histogram:
        step = high / len(counts) - low / len(counts)
        return histogram([low + step * number for number in range(len(counts))] + [high], counts)

    one, other = of(min(a, b), max(a, b)), of(min(c, d), max(c, d))
    edges = common_edges(one, other)
    assert all(math.isfinite(edge) for edge in edges)
    assert sum(rebinned(one, edges)) == pytest.approx(sum(counts))
    assert sum(rebinned(other, edges)) == pytest.approx(sum(counts))


def test_whole_numbers_keep_their_bins() -> None:
    laid = overlaid(numbers([-0.5, 0.5, 1.5], [3, 1], "integer"), numbers([0.5, 1.5, 2.5], [1, 1], "integer"))
    assert laid is not None
    assert laid.edges == [-0.5, 0.5, 1.5, 2.5]
    assert (laid.before, laid.after) == ([0.75, 0.25, 0], [0, 0.5, 0.5])


def test_frequent_values_stand_side_by_side() -> None:
    laid = overlaid(texts(a=3, b=1), texts(a=1, c=1))
    assert laid is not None
    assert laid.values == ["a", "c", "b"]
    assert (laid.before, laid.after) == ([0.75, 0, 0.25], [0.5, 0.5, 0])


def test_what_can_not_be_laid_over_each_other_is_not() -> None:
    assert overlaid(texts(a=3), numbers([0, 1], [1])) is None
    assert overlaid(numbers([0, 1], [1], "date"), numbers([0, 1], [1])) is None
    assert overlaid(numbers([0, 1], [1], "time"), numbers([0, 1], [1], "timestamp")) is None


def test_a_figure_takes_no_markup_from_values() -> None:
    hostile = texts(**{"<b>bold</b>": 3, "<a href='javascript:alert(1)'>x</a>": 2})
    for figure in (distribution(hostile), overlay(overlaid(hostile, hostile), "string", ("a", "b"))):  # type: ignore[arg-type]
        labels = [label for trace in json.loads(figure)["data"] for label in trace["y"]]
        assert labels
        assert not any("<" in label for label in labels)


def test_figures_of_times_are_dates_where_there_are_names_for_them() -> None:
    drawn = json.loads(distribution(numbers([-2208988800.0, 0.0], [5], "timestamp")))["data"][0]
    assert drawn["x"] == ["1900-01-01T00:00:00"]
    assert json.loads(distribution(numbers([-1e15, 0.0], [5], "timestamp")))["data"][0]["x"] == [-1e15]


def test_values_in_words() -> None:
    assert number_text(1234567.0) == "1,234,567"
    assert number_text(0.123456789) == "0.123457"
    assert number_text(1e-9) == "1e-09"
    assert number_text(5999999.5) == "6,000,000"
    assert number_text(-1500000.25) == "-1,500,000"
    assert extreme_text("12345678901234567890123", "integer") == "12,345,678,901,234,567,890,123"
    assert extreme_text("<b>", "string") == "<b>"
    assert value_text(-3786825600.0, "date") == "1850-01-01"
    assert value_text(3661.0, "time") == "01:01:01"
    assert value_text(None, "number") == "–"


def test_a_path_of_bars() -> None:
    assert bars([0, 2, 1]).count("M") == 2
    assert "v-28.00" in bars([0, 2, 1])
    assert bars([]) == bars([0, 0]) == ""

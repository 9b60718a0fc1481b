"""What a profile says of columns of every kind, computed from rows that are written down here."""

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datastores.sources import Column, ColumnType
from datastores.tabular import column_files, column_questions
from datastores.tabular.column_profiles import ColumnProfile
from datastores.tabular.profiling import profile_batches

Profiled = Callable[..., ColumnProfile]


@pytest.fixture
def of(tmp_path: Path) -> Profiled:
    """`of([1, 2], "integer")` gives the profile of one column."""

    def profiled(values: list[Any], kind: ColumnType, arrow: pa.DataType | None = None) -> ColumnProfile:
        batch = pa.RecordBatch.from_arrays([pa.array(values, arrow)], names=["x"])
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        result = profile_batches([batch], [Column(name="x", type=kind)], folder)
        assert result.row_count == len(values)
        return ColumnProfile.model_validate(result.columns[0])

    return profiled


def total(column: ColumnProfile) -> int:
    assert column.histogram is not None
    assert len(column.histogram.edges) == len(column.histogram.counts) + 1
    assert column.histogram.edges == sorted(column.histogram.edges)
    return sum(column.histogram.counts)


def test_whole_numbers(of: Profiled) -> None:
    column = of([1, 2, 2, 3, 3, 3, None], "integer")
    assert (column.count, column.missing, column.distinct) == (7, 1, 3)
    assert (column.minimum, column.maximum, column.mean) == ("1", "3", pytest.approx(14 / 6))
    assert column.standard_deviation == pytest.approx(0.8164965809)
    assert column.quantiles["0.5"] == 2.5
    assert [(top.value, top.count) for top in column.top] == [("3", 3), ("2", 2)]
    assert column.histogram is not None
    assert column.histogram.edges == [0.5, 1.5, 2.5, 3.5]
    assert column.histogram.counts == [1, 2, 3]
    assert "whole number" in column.histogram.rule


def test_numbers_are_binned_by_freedman_and_diaconis(of: Profiled) -> None:
    column = of([math.sin(number) for number in range(1000)], "number")
    assert total(column) == 1000
    assert column.histogram is not None
    assert "Freedman" in column.histogram.rule
    assert 5 <= len(column.histogram.counts) <= column_questions.MOST_BINS
    assert column.top == [], "all differ"


def test_what_is_no_finite_number_is_counted_apart(of: Profiled) -> None:
    column = of([1.0, 2.0, math.nan, math.inf, -math.inf, None], "number")
    assert (column.missing, column.not_a_number, column.infinite) == (1, 1, 2)
    assert (column.minimum, column.maximum, column.mean, total(column)) == ("1.0", "2.0", 1.5, 2)
    only = of([math.nan, math.inf], "number")
    assert (only.mean, only.histogram, only.minimum) == (None, None, None)


@pytest.mark.parametrize("values", [[1.7e308, -1.7e308, 0.0], [5e-324, 0.0, 1e-323], [1e200, 1e200 * 1.001, 3e200]])
def test_numbers_at_the_edge_of_what_floats_hold(of: Profiled, values: list[float]) -> None:
    column = of(values, "number")
    assert total(column) == 3
    assert column.mean is not None
    assert math.isfinite(column.mean)
    assert all(math.isfinite(edge) for edge in column.histogram.edges)  # type: ignore[union-attr]


def test_huge_whole_numbers_are_exact_where_it_matters(of: Profiled) -> None:
    column = of([2**62, 2**62 + 1], "integer")
    assert (column.minimum, column.maximum, column.distinct) == (str(2**62), str(2**62 + 1), 2)
    assert total(column) == 2
    unsigned = of([2**64 - 1, 0], "integer", pa.uint64())
    assert unsigned.maximum == str(2**64 - 1)


def test_decimals(of: Profiled) -> None:
    large = Decimal("12345678901234567890.123")
    column = of([large, large + 1, None], "decimal", pa.decimal128(38, 3))
    assert (column.minimum, column.missing, total(column)) == ("12345678901234567890.123", 1, 2)
    assert of([Decimal(10) ** 60], "decimal", pa.decimal256(70, 2)).mean == pytest.approx(1e60)


def test_dates_before_there_were_computers(of: Profiled) -> None:
    column = of([dt.date(1, 1, 1), dt.date(1850, 6, 1), dt.date(9999, 12, 31)], "date")
    assert (column.minimum, column.maximum, total(column)) == ("0001-01-01", "9999-12-31", 3)
    assert column.quantiles["0.5"] == (dt.date(1850, 6, 1) - dt.date(1970, 1, 1)).total_seconds()
    days = of([dt.date(2026, 1, day) for day in (1, 1, 3)], "date")
    assert days.histogram is not None
    assert days.histogram.counts == [2, 0, 1]


def test_timestamps_and_times_of_day(of: Profiled) -> None:
    zoned = of([dt.datetime(1899, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))], "timestamp")
    assert zoned.minimum == "1899-01-01 10:00:00"
    assert of([1767225600 * 10**9], "timestamp", pa.timestamp("ns")).mean == 1767225600.0
    assert of([dt.time(6), dt.time(18)], "time").mean == 43200.0


def test_texts_have_lengths_and_frequent_values(of: Profiled) -> None:
    column = of(["<script>", "<script>", "x" * 1000, "x" * 1000, "", "", None, "é"], "string")
    assert column.lengths is not None
    assert (column.lengths.minimum, column.lengths.maximum, column.distinct) == (0, 1000, 4)
    assert [(top.value[:8], top.count, top.is_cut) for top in column.top] == [
        ("", 2, False),
        ("<script>", 2, False),
        ("xxxxxxxx", 2, True),
    ]
    assert (column.histogram, column.mean) == (None, None)


def test_long_texts_that_begin_alike_are_told_apart(of: Profiled) -> None:
    assert of(["x" * 5000 + str(number % 3) for number in range(9)], "string").distinct == 3


@pytest.mark.parametrize(
    "kind",
    ["string", "integer", "number", "decimal", "boolean", "date", "time", "timestamp", "binary", "other"],
)
def test_a_column_of_nothing(of: Profiled, kind: ColumnType) -> None:
    column = of([None, None], kind)
    assert (column.missing, column.distinct, column.histogram, column.top) == (2, 0, None, [])
    assert of([], kind).count == 0


def test_truth_bytes_and_whatever_else(of: Profiled) -> None:
    assert [(top.value, top.count) for top in of([True, True, False], "boolean").top] == [("true", 2)]
    binary = of([b"\0\xff", b"\0\xff", b""], "binary")
    assert (binary.distinct, binary.top) == (2, [])
    assert binary.lengths is not None
    assert binary.lengths.maximum == 2
    assert of([{"a": 1}, {"a": 1}], "other").distinct == 1
    assert of(["a", "a", "b"], "string", pa.dictionary(pa.int8(), pa.string())).distinct == 2


def test_beyond_some_size_it_is_estimated_and_says_so(of: Profiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_questions, "EXACT_ROWS", 100)
    monkeypatch.setattr(column_questions, "EXACT_GROUPS", 100)
    numbers = of([*range(5000), 7, 7, 7], "integer")
    assert not numbers.distinct_is_exact
    assert not numbers.quantiles_are_exact
    assert numbers.distinct == pytest.approx(5000, rel=0.1)
    assert numbers.quantiles["0.5"] == pytest.approx(2500, rel=0.05)
    assert total(numbers) == 5003
    texts = of([f"v{number}" for number in range(3000)] + ["often"] * 1500, "string")
    assert (texts.top[0].value, texts.top[0].count, texts.top_is_exact) == ("often", 1500, False)
    with_nul = of([f"v{number}" for number in range(3000)] + ["of\0ten"] * 1500 + ["it's"] * 900, "string")
    assert (with_nul.top[0].value, with_nul.top[0].count) == ("it's", 900)


def test_many_batches_and_names_that_repeat(tmp_path: Path) -> None:
    names = ["a", "a", "", '"; DROP TABLE x; --', "c0"]
    batch = pa.RecordBatch.from_arrays([pa.array([number]) for number in range(5)], names=names)
    result = profile_batches([batch, batch, batch], [Column(name=name, type="integer") for name in names], tmp_path)
    assert (result.row_count, [column["name"] for column in result.columns]) == (3, names)
    assert [column["maximum"] for column in result.columns] == ["0", "1", "2", "3", "4"]


def test_more_columns_than_one_file_takes(tmp_path: Path) -> None:
    many = 2 * column_files.COLUMNS_A_FILE + 7
    batch = pa.RecordBatch.from_arrays([pa.array([n, None]) for n in range(many)], names=[f"n{n}" for n in range(many)])
    result = profile_batches([batch], [Column(name=f"n{n}", type="integer") for n in range(many)], tmp_path)
    assert [column["maximum"] for column in result.columns] == [str(n) for n in range(many)]

"""Figures of what was measured: gaps, names that are text, documents that are none."""

import math
from typing import Any

import pytest

from compute.metrics.points import Points
from pipelines.metric_charts import Series, document_figure, series_figure
from pipelines.metric_page import number_words


def line(label: str, *values: float) -> Series:
    points = Points()
    for step, value in enumerate(values):
        points.add(step, value)
    return Series(label, points)


def test_a_line_for_each_step_with_gaps_and_its_name_as_text() -> None:
    figure = series_figure([line("<b>a</b>", 1.0, math.nan, math.inf), line("b", 2.0)])
    first, second = figure["data"]
    assert first["y"] == [1.0, None, None]
    assert (first["name"], first["meta"]["tone"] != second["meta"]["tone"]) == ("&lt;b&gt;a&lt;/b&gt;", True)
    assert figure["layout"]["showlegend"]


@pytest.mark.parametrize(
    ("kind", "data", "traces"),
    [
        ("confusion_matrix", {"class_labels": ["a", "b"], "matrix": [[1, 0], [0, 2]]}, 1),
        ("residuals", {"bin_edges": [0, 1, 2], "bin_counts": [3, 4]}, 1),
        ("predictions", {"bin_averages": [1, 2], "bin_errors": [0.1, 0.2], "bin_edges": [0, 1, 2]}, 1),
        ("accuracy_table", {"class_labels": ["a"], "probability_tables": [[[1, 1, 0, 0], [0, 0, 1, 1]]]}, 1),
    ],
)
def test_azuremls_documents_are_drawn(kind: str, data: dict[str, Any], traces: int) -> None:
    figure = document_figure(kind, {"data": data})
    assert figure is not None
    assert len(figure["data"]) == traces


@pytest.mark.parametrize("kind", ["confusion_matrix", "residuals", "predictions", "accuracy_table", "other"])
@pytest.mark.parametrize(
    "document",
    [
        None,
        {"data": []},
        {"data": {}},
        {"data": {"matrix": [[1, "x"], [2, 3]], "class_labels": [1, 2]}},
        {"data": {"matrix": [[1]], "class_labels": [1, 2], "bin_edges": [], "bin_counts": [1], "bin_averages": [None]}},
        {"data": {"probability_tables": [[[1, 2, 3]]], "bin_edges": ["a"], "bin_averages": [1]}},
    ],
)
def test_what_is_none_is_not_drawn(kind: str, document: Any) -> None:
    assert document_figure(kind, document) is None


def test_numbers_as_people_read_them() -> None:
    assert [number_words(value) for value in (0.1, 1e-9, 123456789.0, math.nan, -math.inf)] == [
        "0.1", "1e-09", "1.23457e+08", "NaN", "-∞",
    ]  # fmt: skip

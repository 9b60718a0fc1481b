"""What steps measured, as figures: series by step, confusion matrices, residuals, predictions, accuracy tables.

Colours are the page's: a trace's `meta` names its tone and the browser paints it. Lines differ in their dashes, too.
Whatever a script wrote as a document is doubted: what can't be drawn is None.
"""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

import plotly.graph_objects as go

from compute.metrics.points import Points

_TONES = ("active", "good", "warning", "pending", "idle", "bad")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_HEIGHT = 240
_MARKED = 60  # points of a line up to which each is marked
_MAX_CLASSES = 100
_MAX_BINS = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart."""

    label: str
    points: Points


def series_figure(lines: Sequence[Series]) -> dict[str, Any]:
    """A line for each, a gap where a value is not finite."""
    figure = go.Figure()
    for number, line in enumerate(lines):
        figure.add_scatter(
            x=list(line.points.steps),
            y=[value if math.isfinite(value) else None for value in line.points.values],
            name=_text(line.label),
            mode="lines+markers" if len(line.points) <= _MARKED else "lines",
            line={"width": 1.6, "dash": _DASHES[number // len(_TONES) % len(_DASHES)]},
            marker={"size": 4},
            meta={"tone": _TONES[number % len(_TONES)]},
            hovertemplate=f"{_text(line.label)}: %{{y:.5~g}}<extra></extra>",
        )
    return _plain(
        figure,
        showlegend=len(lines) > 1,
        hovermode="x unified",
        # Below the plot, and never on it: however many there are.
        legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"},
        height=_HEIGHT + (22 * math.ceil(len(lines) / 2) if len(lines) > 1 else 0),
        xaxis={"automargin": True, "nticks": 6, "tickformat": "~s" if _is_long(lines) else ""},
    )


def document_figure(kind: str, document: Any) -> dict[str, Any] | None:
    """Of one of azureml's documents; None where it is none."""
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        return None
    draw = {
        "confusion_matrix": _confusion,
        "residuals": _residuals,
        "predictions": _predictions,
        "accuracy_table": _accuracy,
    }.get(kind)
    return draw(data) if draw else None


def _confusion(data: dict[str, Any]) -> dict[str, Any] | None:
    matrix, labels = data.get("matrix"), data.get("class_labels")
    if not isinstance(matrix, list) or not isinstance(labels, list) or not 0 < len(matrix) <= _MAX_CLASSES:
        return None
    size = len(matrix)
    if len(labels) != size or not all(_are_numbers(row) and len(row) == size for row in matrix):
        return None
    names = [_text(str(label)[:60]) for label in labels]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=matrix,
            texttemplate="%{z}" if size <= 20 else None,
            showscale=False,
            meta={"tone": "active"},
            hovertemplate="true %{y}, predicted %{x}: %{z}<extra></extra>",
        )
    )
    return _plain(
        figure,
        height=max(_HEIGHT, min(600, 60 + 28 * size)),
        xaxis={"type": "category", "title": {"text": "predicted"}, "automargin": True},
        yaxis={"type": "category", "autorange": "reversed", "title": {"text": "true"}, "automargin": True},
    )


def _residuals(data: dict[str, Any]) -> dict[str, Any] | None:
    edges, counts = data.get("bin_edges"), data.get("bin_counts")
    if not _are_numbers(edges) or not _are_numbers(counts) or not counts or not edges:
        return None
    figure = go.Figure(
        go.Bar(
            x=_bins(edges, len(counts)),
            y=counts,
            meta={"tone": "active"},
            hovertemplate="%{x}: %{y}<extra></extra>",
        )
    )
    return _plain(figure, bargap=0.05, xaxis={"type": "category", "automargin": True, "nticks": 8})


def _predictions(data: dict[str, Any]) -> dict[str, Any] | None:
    means, errors, edges = data.get("bin_averages"), data.get("bin_errors"), data.get("bin_edges")
    if not _are_numbers(means) or not means or not _are_numbers(edges):
        return None
    figure = go.Figure(
        go.Scatter(
            x=_bins(edges, len(means)),
            y=means,
            error_y={"type": "data", "array": errors} if _are_numbers(errors) else None,
            mode="lines+markers",
            meta={"tone": "active"},
            hovertemplate="true %{x}: predicted %{y:.5~g}<extra></extra>",
        )
    )
    return _plain(figure, xaxis={"type": "category", "title": {"text": "true"}, "automargin": True})


def _accuracy(data: dict[str, Any]) -> dict[str, Any] | None:
    """The receiver's curve of each class; a row counts true and false positives, then true and false negatives."""
    tables, labels = data.get("probability_tables"), data.get("class_labels")
    if not isinstance(tables, list) or not 0 < len(tables) <= _MAX_CLASSES:
        return None
    figure = go.Figure()
    for number, table in enumerate(tables):
        if not isinstance(table, list) or not all(_are_numbers(row) and len(row) == 4 for row in table[:_MAX_BINS]):
            return None
        label = labels[number] if isinstance(labels, list) and number < len(labels) else number
        rates = sorted((_share(fp, fp + tn), _share(tp, tp + fn)) for tp, fp, tn, fn in table[:_MAX_BINS])
        figure.add_scatter(
            x=[rate for rate, _ in rates],
            y=[rate for _, rate in rates],
            name=_text(str(label)[:60]),
            mode="lines",
            line={"width": 1.6, "dash": _DASHES[number // len(_TONES) % len(_DASHES)]},
            meta={"tone": _TONES[number % len(_TONES)]},
            hovertemplate="false positives %{x:.3f}, true positives %{y:.3f}<extra></extra>",
        )
    return _plain(
        figure,
        showlegend=len(tables) > 1,
        legend={"orientation": "h", "x": 0, "y": -0.25, "yanchor": "top"},
        height=_HEIGHT + 40,
        xaxis={"title": {"text": "false positive rate"}, "automargin": True},
        yaxis={"title": {"text": "true positive rate"}, "automargin": True},
    )


def _plain(figure: go.Figure, **layout: Any) -> dict[str, Any]:
    axis = {"fixedrange": True, "automargin": True, "nticks": 5}
    figure.update_layout(
        **{
            "template": "none",
            "height": _HEIGHT,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "showlegend": False,
            "yaxis": axis,
            **layout,
        }
    )
    plain: dict[str, Any] = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}


def _bins(edges: list[float], count: int) -> list[str]:
    """The edges are one more than the bins, or as many."""
    if len(edges) > count:
        return [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges[: count + 1])]
    return [f"{edge:.4g}" for edge in edges[:count]]


def _are_numbers(values: Any) -> TypeGuard[list[float]]:
    return (
        isinstance(values, list)
        and len(values) <= _MAX_BINS
        and all(isinstance(value, int | float) and abs(value) < 1e300 for value in values)
    )


def _share(part: float, of: float) -> float:
    return part / of if of else 0.0


def _is_long(lines: Sequence[Series]) -> bool:
    return any(line.points.steps and max(line.points.steps) >= 10_000 for line in lines)


def _text(text: str) -> str:
    """Plotly reads a few tags in labels and `%{…}` in templates: what a script named is text."""
    return html.escape(text, quote=False).replace("%{", "%&#123;")

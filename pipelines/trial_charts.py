"""The trials of a sweep as figures: the metric of each, and what values led to it. Colours are the page's."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log
from typing import Any

import plotly.graph_objects as go

from pipelines.sweeping.space import Bell, Choice, Distribution, as_written

MAX_LINES = 100  # of parallel coordinates; more can't be told apart
MAX_AXES = 8
_MAX_TICKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A trial with a metric."""

    number: int
    run_url: str
    metric: float
    values: Mapping[str, Any]
    is_best: bool
    is_over: bool  # else more of its metric may come
    is_good: bool  # it completed


@dataclass(frozen=True, slots=True)
class _Axis:
    name: str
    place: Callable[[Any], float | None]  # from 0 below to 1 above
    ticks: Sequence[tuple[float, str]]


def metric_figure(points: Sequence[Point], metric: str, *, maximize: bool) -> dict[str, Any]:
    """A mark for each trial, and a line for the best so far."""
    figure = go.Figure()
    good = [point for point in points if point.is_good]
    best = max if maximize else min
    figure.add_scatter(
        x=[point.number for point in good],
        y=list(accumulate((point.metric for point in good), best)),
        name="best so far",
        mode="lines",
        line={"width": 1.4, "dash": "dot", "shape": "hv"},
        meta={"tone": "good"},
        hoverinfo="skip",
    )
    groups = (
        ("completed", "active", "circle", good),
        ("under way", "pending", "circle-open", [point for point in points if not point.is_over]),
        ("stopped or failed", "idle", "x", [point for point in points if point.is_over and not point.is_good]),
    )
    for name, tone, symbol, group in groups:
        if not group:
            continue
        figure.add_scatter(
            x=[point.number for point in group],
            y=[point.metric for point in group],
            name=name,
            mode="markers",
            marker={"symbol": symbol, "size": [11 if point.is_best else 7 for point in group]},
            customdata=[point.run_url for point in group],
            text=[_values(point) for point in group],
            hovertemplate=f"Trial %{{x}}: %{{y:.5~g}}<br>%{{text}}<extra>{name}</extra>",
            meta={"tone": tone},
        )
    return _plain(
        figure,
        height=260,
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": -0.28, "yanchor": "top"},
        xaxis={"title": {"text": "trial"}, "automargin": True, "fixedrange": True, "nticks": 8, "tickformat": "d"},
        yaxis={"title": {"text": _text(metric)}, "automargin": True, "fixedrange": True, "nticks": 5},
    )


def parallel_figure(
    points: Sequence[Point], space: Mapping[str, Distribution], metric: str, *, maximize: bool
) -> dict[str, Any]:
    """A line for each trial through an axis for each parameter and the metric; the best are drawn last.

    Plotly's own `parcoords` needs WebGL and a library of three times the size.
    """
    axes = [_axis(name, distribution, points) for name, distribution in list(space.items())[:MAX_AXES]]
    axes.append(_numbers(metric, [point.metric for point in points], is_log=False))
    sign = 1 if maximize else -1
    ranked = sorted((point for point in points if point.is_over), key=lambda point: sign * point.metric)[-MAX_LINES:]
    figure = go.Figure()
    for index in range(len(axes)):
        figure.add_scatter(
            x=[index, index], y=[0, 1], mode="lines", line={"width": 1}, hoverinfo="skip", meta={"tone": "idle"}
        )
    for rank, point in enumerate(ranked):
        values = [point.values.get(axis.name) for axis in axes[:-1]] + [point.metric]
        is_among_best = rank >= len(ranked) * 0.75
        tone = "good" if point.is_best else "active" if is_among_best else "idle"
        figure.add_scatter(
            x=list(range(len(axes))),
            y=[None if value is None else axis.place(value) for axis, value in zip(axes, values, strict=True)],
            mode="lines+markers",
            line={"width": 3 if point.is_best else 1.4},
            marker={"size": 7 if point.is_best else 4},
            opacity=1 if point.is_best else 0.85 if is_among_best else 0.5,
            customdata=[point.run_url] * len(axes),
            text=[f"Trial {point.number}: {_values(point)}<br>{_text(metric)} {as_written(point.metric)}"] * len(axes),
            hovertemplate="%{text}<extra></extra>",
            meta={"tone": tone},
        )
    notes = [
        {
            "x": index, "y": place, "text": _text(_short(word)), "showarrow": False,
            "xanchor": "right" if index == len(axes) - 1 else "left",
            "xshift": -6 if index == len(axes) - 1 else 6,
        }
        for index, axis in enumerate(axes)
        for place, word in axis.ticks
    ]  # fmt: skip
    # Not as ticks, of which Plotly leaves out those that reach over the edge.
    last = len(axes) - 1
    notes += [
        {
            "x": index, "y": 1.12, "text": _text(_short(axis.name, 16)), "showarrow": False,
            "xanchor": "left" if index == 0 else "right" if index == last else "center",
        }
        for index, axis in enumerate(axes)
    ]  # fmt: skip
    return _plain(
        figure,
        height=300,
        hovermode="closest",
        annotations=notes,
        xaxis={"visible": False, "range": [-0.05, len(axes) - 0.95], "fixedrange": True},
        yaxis={"visible": False, "range": [-0.08, 1.2], "fixedrange": True},
    )


def _axis(name: str, distribution: Distribution, points: Sequence[Point]) -> _Axis:
    values = [point.values[name] for point in points if name in point.values]
    if isinstance(distribution, Choice):
        options = [as_written(option) for option in distribution.options]
        places = {option: (index + 0.5) / len(options) for index, option in enumerate(options)}
        shown = options if len(options) <= _MAX_TICKS else [options[0], options[-1]]
        return _Axis(name, lambda value: places.get(as_written(value)), [(places[each], each) for each in shown])
    is_log = distribution.log
    # Normal values have no bounds worth an axis.
    return _numbers(name, values if isinstance(distribution, Bell) else list(distribution.ends), is_log=is_log)


def _numbers(name: str, values: Sequence[Any], *, is_log: bool) -> _Axis:
    numbers = [float(value) for value in values if isinstance(value, int | float)] or [0.0, 1.0]
    low, high = min(numbers), max(numbers)
    is_log = is_log and low > 0
    scale: Callable[[float], float] = log if is_log else float
    span = scale(high) - scale(low)

    def place(value: Any) -> float | None:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        if is_log and number <= 0:
            return None
        return 0.5 if span == 0 else (scale(number) - scale(low)) / span

    if span == 0:
        return _Axis(name, place, [(0.5, as_written(low))])
    return _Axis(name, place, [(0.0, as_written(low)), (1.0, as_written(high))])


def _values(point: Point) -> str:
    return _text(", ".join(f"{name}={_short(as_written(value))}" for name, value in point.values.items()))


def _plain(figure: go.Figure, **layout: Any) -> dict[str, Any]:
    usual = {"template": "none", "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "showlegend": False}
    figure.update_layout(**{**usual, **layout})
    plain: dict[str, Any] = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    """Plotly reads a few tags in labels and `%{…}` in templates: what somebody named is text."""
    return html.escape(text, quote=False).replace("%{", "%&#123;")

"""A run as bars over the time since its first step was queued: when each step waited, was prepared and ran.

Colours are the page's own tokens: the browser puts in what light or dark asks for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from pipelines.states import StepStatus

ROW_PX = 28
_RAN = {
    StepStatus.COMPLETED: "var(--good)",
    StepStatus.FAILED: "var(--bad)",
    StepStatus.CANCELLED: "var(--idle)",
}


@dataclass(frozen=True, slots=True)
class Span:
    """One step in time, as far as it got: queued, claimed by a node, process started, finished."""

    step: str
    status: str
    queued_at: datetime | None = None
    claimed_at: datetime | None = None
    process_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Bar:
    step: str
    start: datetime
    seconds: float
    colour: str


def timeline(spans: Sequence[Span], *, now: datetime) -> dict[str, Any]:
    """A Plotly figure as plain JSON; where no step has been queued yet, `{"empty": why}`."""
    shown = [span for span in spans if span.queued_at or span.claimed_at]
    if not shown:
        return {"empty": "No step has been queued in this run, so there is nothing to draw."}
    bars = {
        "Waited for a slot": [_waited(span, now) for span in shown],
        "Prepared": [_prepared(span, now) for span in shown],
        "Ran": [_ran(span, now) for span in shown],
    }
    drawn = [bar for phase in bars.values() for bar in phase if bar]
    origin = min(bar.start for bar in drawn)
    longest_s = max((bar.start - origin).total_seconds() + bar.seconds for bar in drawn)
    unit, unit_s = ("h", 3600) if longest_s >= 7200 else ("min", 60) if longest_s >= 120 else ("s", 1)
    figure = go.Figure([_trace(name, phase, origin, unit_s) for name, phase in bars.items()])
    figure.update_layout(
        template="none",
        barmode="overlay",
        bargap=0.35,
        height=100 + ROW_PX * len(shown),
        margin={"l": 8, "r": 24, "t": 76, "b": 16},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        showlegend=True,
        font={"size": 12},
        xaxis={"side": "top", "ticksuffix": f" {unit}", "rangemode": "tozero", "automargin": True},
        # Step names as text, also where they look like numbers or dates.
        yaxis={
            "type": "category",
            "autorange": "reversed",
            "automargin": True,
            "fixedrange": True,
            "categoryorder": "array",
            "categoryarray": [_label(span.step) for span in shown],
            "showgrid": False,
        },
    )
    plain: dict[str, Any] = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}


def _waited(span: Span, now: datetime) -> _Bar | None:
    if span.queued_at is None:
        return None
    return _bar(span, span.queued_at, span.claimed_at or span.finished_at or now, "var(--line-strong)")


def _prepared(span: Span, now: datetime) -> _Bar | None:
    if span.claimed_at is None:
        return None
    return _bar(span, span.claimed_at, span.process_at or span.finished_at or now, "var(--pending)")


def _ran(span: Span, now: datetime) -> _Bar | None:
    if span.process_at is None:
        return None
    colour = "var(--active)" if span.finished_at is None else _RAN.get(StepStatus(span.status), "var(--active)")
    return _bar(span, span.process_at, span.finished_at or now, colour)


def _bar(span: Span, start: datetime, end: datetime, colour: str) -> _Bar:
    return _Bar(step=span.step, start=start, seconds=max(0.0, (end - start).total_seconds()), colour=colour)


def _trace(name: str, bars: Sequence[_Bar | None], origin: datetime, unit_s: float) -> go.Bar:
    drawn = [bar for bar in bars if bar]
    return go.Bar(
        name=name,
        orientation="h",
        y=[_label(bar.step) for bar in drawn],
        base=[(bar.start - origin).total_seconds() / unit_s for bar in drawn],
        x=[bar.seconds / unit_s for bar in drawn],
        marker={"color": [bar.colour for bar in drawn]},
        customdata=[[bar.step, round(bar.seconds, 1)] for bar in drawn],
        hovertemplate="%{y}<br>" + name + ": %{customdata[1]} s<extra></extra>",
    )


def _label(step: str) -> str:
    """Plotly reads a few tags in labels: a step's name is text."""
    return step.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

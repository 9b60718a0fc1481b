"""A run as bars over the time since its first step was queued: when each step waited, was prepared and ran.

Colours are the page's: a trace's `meta` names its status and the browser paints it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from pipelines.states import StepStatus

ROW_PX = 28
MAX_ROWS = 300  # more make a figure that no browser draws in time
# What the bars are called, by the status whose colour they have; in this order.
_PHASES = {
    StepStatus.WAITING: "Waited for a slot",
    StepStatus.QUEUED: "Prepared",
    StepStatus.RUNNING: "Running",
    StepStatus.COMPLETED: "Ran",
    StepStatus.FAILED: "Ran and failed",
    StepStatus.CANCELLED: "Ran and was cancelled",
}
# Told apart without colour as well.
_PATTERNS = {StepStatus.FAILED: "x", StepStatus.CANCELLED: "/"}


@dataclass(frozen=True, slots=True)
class Span:
    """One step in time, as far as it got: queued, claimed by a node, process started, finished."""

    step: str
    status: str
    queued_at: datetime | None = None
    claimed_at: datetime | None = None
    process_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def begun_at(self) -> datetime | None:
        return self.queued_at or self.claimed_at


@dataclass(frozen=True, slots=True)
class _Bar:
    step: str
    phase: StepStatus
    start: datetime
    seconds: float


def longest(spans: Sequence[Span], *, now: datetime) -> list[Span]:
    """Those that are drawn: all that have begun or, of too many, those that took longest, in their order."""
    seconds = {
        place: ((span.finished_at or now) - span.begun_at).total_seconds()
        for place, span in enumerate(spans)
        if span.begun_at
    }
    return [spans[place] for place in sorted(sorted(seconds, key=lambda place: -seconds[place])[:MAX_ROWS])]


def timeline(spans: Sequence[Span], *, now: datetime, left_out: int = 0) -> dict[str, Any]:
    """A Plotly figure as plain JSON, with a `note` where steps were left out; where no step has been queued yet,
    `{"empty": why}`.
    """
    shown = [span for span in spans if span.begun_at]
    if not shown:
        return {"empty": "No step has been queued in this run, so there is nothing to draw."}
    bars = [bar for span in shown for bar in _bars(span, now)]
    origin = min(bar.start for bar in bars)
    longest_s = max((bar.start - origin).total_seconds() + bar.seconds for bar in bars)
    unit, unit_s = ("h", 3600) if longest_s >= 7200 else ("min", 60) if longest_s >= 120 else ("s", 1)
    phases = [(phase, [bar for bar in bars if bar.phase == phase]) for phase in _PHASES]
    figure = go.Figure([_trace(phase, group, origin, unit_s) for phase, group in phases if group])
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
    note = f"The {len(shown)} steps that took longest; {left_out:,} more are in the table." if left_out else ""
    return {"data": plain["data"], "layout": plain["layout"], "note": note}


def _bars(span: Span, now: datetime) -> Iterator[_Bar]:
    """Up to three bars, each from where the last one ended."""
    end = span.finished_at or now
    if span.queued_at:
        yield _bar(span, StepStatus.WAITING, span.queued_at, span.claimed_at or end)
    if span.claimed_at:
        yield _bar(span, StepStatus.QUEUED, span.claimed_at, span.process_at or end)
    if span.process_at:
        status = StepStatus(span.status)
        phase = status if span.finished_at and status in _PHASES else StepStatus.RUNNING
        yield _bar(span, phase, span.process_at, end)


def _bar(span: Span, phase: StepStatus, start: datetime, end: datetime) -> _Bar:
    return _Bar(step=span.step, phase=phase, start=start, seconds=max(0.0, (end - start).total_seconds()))


def _trace(phase: StepStatus, bars: Sequence[_Bar], origin: datetime, unit_s: float) -> go.Bar:
    name = _PHASES[phase]
    return go.Bar(
        name=name,
        orientation="h",
        y=[_label(bar.step) for bar in bars],
        base=[(bar.start - origin).total_seconds() / unit_s for bar in bars],
        x=[bar.seconds / unit_s for bar in bars],
        marker={"pattern": {"shape": _PATTERNS.get(phase, ""), "solidity": 0.25, "size": 6}},
        meta={"status": phase.value},
        customdata=[[bar.step, round(bar.seconds, 1)] for bar in bars],
        hovertemplate="%{y}<br>" + name + ": %{customdata[1]} s<extra></extra>",
    )


def _label(step: str) -> str:
    """Plotly reads a few tags in labels: a step's name is text."""
    return step.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Figures of plotly, as JSON. Colours are the page's: a trace's `meta` names its status and the browser paints it."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class RunDuration:
    """How long a run took, in seconds, and how it ended."""

    number: int
    status: str
    word: str  # the status, for people
    duration_s: float
    url: str


# Told apart without colour as well.
_PATTERNS = {"failed": "x", "cancelled": "/"}


def run_durations(runs: Sequence[RunDuration]) -> str:
    """Bars of the durations of `runs`, in their order, one trace per status so that the legend is a filter."""
    longest_s = max((run.duration_s for run in runs), default=0.0)
    unit, seconds = ("h", 3600) if longest_s >= 7200 else ("min", 60) if longest_s >= 120 else ("s", 1)
    figure = go.Figure()
    for status in dict.fromkeys(run.status for run in runs):
        group = [run for run in runs if run.status == status]
        figure.add_bar(
            x=[f"#{run.number}" for run in group],
            y=[round(run.duration_s / seconds, 3) for run in group],
            name=group[0].word,
            customdata=[run.url for run in group],
            hovertemplate=f"Run %{{x}}: %{{y:.3~g}} {unit}<extra>{group[0].word}</extra>",
            marker={"pattern": {"shape": _PATTERNS.get(status, ""), "solidity": 0.3, "size": 6}},
            meta={"status": status},
        )
    figure.update_layout(
        template="none",
        barmode="overlay",
        bargap=0.4,
        height=200,
        margin={"l": 52, "r": 4, "t": 30, "b": 24},
        showlegend=True,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        xaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [f"#{run.number}" for run in runs],
            "fixedrange": True,
            "nticks": 12,
            "showgrid": False,
        },
        yaxis={"ticksuffix": f" {unit}", "rangemode": "tozero", "fixedrange": True, "nticks": 5},
        hovermode="closest",
    )
    text: str = figure.to_json()
    return text

"""What a step used over time, as charts under one another: CPUs, memory, disk, and GPUs where it had any.

Colours are the page's: a trace's `meta` names its tone and the browser paints it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from compute.execution.usage.series import UsageSeries
from compute.spec import Limits

_ROW_PX = 150
_GAP = 0.1  # of the whole height, between two charts


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    values: Sequence[float]
    tone: str
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    unit: str
    lines: list[_Line]


def usage_figure(series: UsageSeries, limits: Limits) -> dict[str, Any]:
    """A Plotly figure as plain JSON."""
    longest_s = series.at_s[-1] if series.at_s else 0.0
    unit, unit_s = ("h", 3600) if longest_s >= 7200 else ("min", 60) if longest_s >= 120 else ("s", 1)
    times = [round(at / unit_s, 3) for at in series.at_s]
    charts = _charts(series, limits)
    figure = go.Figure()
    height = (1 - _GAP * (len(charts) - 1)) / len(charts)
    layout: dict[str, Any] = {}
    titles = []
    for number, chart in enumerate(charts, start=1):
        suffix = "" if number == 1 else str(number)
        top = 1 - (number - 1) * (height + _GAP)
        for line in chart.lines:
            figure.add_scatter(
                x=times,
                y=[round(value, 4) for value in line.values],
                name=line.name,
                mode="lines",
                line={"width": 1.6, "dash": line.dash},
                yaxis=f"y{suffix}",
                meta={"tone": line.tone},
                hovertemplate=f"{line.name}: %{{y:.3~g}} {chart.unit}<extra></extra>",
            )
        layout[f"yaxis{suffix}"] = {
            "domain": [max(0.0, top - height), top],
            "rangemode": "tozero",
            "fixedrange": True,
            "nticks": 4,
            "automargin": True,
        }
        titles.append(
            {
                "text": f"{chart.title} ({chart.unit})",
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": top,
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
    figure.update_layout(
        template="none",
        height=_ROW_PX * len(charts) + 40,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        showlegend=False,
        hovermode="x unified",
        annotations=titles,
        xaxis={
            "ticksuffix": f" {unit}",
            "rangemode": "tozero",
            "automargin": True,
            "anchor": "free",
            "position": 0,
            "nticks": 6,
        },
        **layout,
    )
    plain: dict[str, Any] = json.loads(figure.to_json())
    return {"data": plain["data"], "layout": plain["layout"]}


def _charts(series: UsageSeries, limits: Limits) -> list[_Chart]:
    unit, size = _size_unit(max([*series.memory_bytes, limits.memory_bytes or 0]))
    charts = [
        _Chart("CPU", "CPUs", _with_limit(_Line("CPU", rates(series.at_s, series.cpu_s), "active"), limits.cpus)),
        _Chart(
            "Memory",
            unit,
            _with_limit(
                _Line("Memory", [value / size for value in series.memory_bytes], "good"),
                None if limits.memory_bytes is None else limits.memory_bytes / size,
            ),
        ),
        _Chart(
            "Disk",
            "MB/s",
            [
                _Line("Read", [rate / 1e6 for rate in rates(series.at_s, series.read_bytes)], "pending"),
                _Line("Written", [rate / 1e6 for rate in rates(series.at_s, series.written_bytes)], "warning", "dot"),
            ],
        ),
    ]
    unit, size = _size_unit(max(series.disk_bytes, default=0))
    charts.append(
        _Chart(
            "Outputs and temporary files", unit, [_Line("Size", [value / size for value in series.disk_bytes], "idle")]
        )
    )
    if series.gpu_percent:
        charts.append(_Chart("GPU", "%", [_Line("GPU", series.gpu_percent, "active")]))
        unit, size = _size_unit(max(series.gpu_memory_bytes))
        used = [value / size for value in series.gpu_memory_bytes]
        charts.append(_Chart("GPU memory", unit, [_Line("GPU memory", used, "good")]))
    return charts


def _with_limit(line: _Line, limit: float | None) -> list[_Line]:
    return [line] if limit is None else [line, _Line("Limit", [limit] * len(line.values), "bad", "dash")]


def rates(at_s: Sequence[float], so_far: Sequence[float]) -> list[float]:
    """Of what is counted from the beginning, how much each second of the stretch before each instant."""
    found: list[float] = []
    before_s = before = 0.0
    for now_s, now in zip(at_s, so_far, strict=True):
        found.append(max(0.0, now - before) / (now_s - before_s) if now_s > before_s else 0.0)
        before_s, before = now_s, now
    return found


def _size_unit(most: float) -> tuple[str, float]:
    return ("GB", 1e9) if most >= 1e9 else ("MB", 1e6) if most >= 1e6 else ("KB", 1e3)

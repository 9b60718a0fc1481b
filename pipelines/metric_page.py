"""What the page of a run shows of what its steps measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from compute.metrics.reading import entries_of_all, number, points_of_all
from compute.models import Metric
from pipelines.metric_charts import Series, document_figure, series_figure
from pipelines.metric_queries import MAX_METRICS, Measured, Measurer

MAX_CHARTS = 24
MAX_LINES = 24  # of one chart
LINE_POINTS = 600
MAX_PARTS = 24  # lists, tables and pictures that are shown whole
MAX_ROWS = 100
MAX_COLUMNS = 40
_CELL = 200
_DOCUMENTS = frozenset({"confusion_matrix", "residuals", "accuracy_table", "predictions"})
_WORDS = {
    "scalar": "series",
    "list": "list",
    "table": "table",
    "image": "picture",
    "confusion_matrix": "confusion matrix",
    "residuals": "residuals",
    "accuracy_table": "accuracy table",
    "predictions": "predictions",
}


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A line of the table of last values."""

    who: Measurer
    name: str
    kind: str
    last: str
    low: str
    high: str
    count: int
    not_finite: int


@dataclass(frozen=True, slots=True)
class Part:
    """A metric that is no series."""

    who: Measurer
    name: str
    kind: str
    count: int
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    key: str
    title: str
    note: str
    figure: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"key": self.key, "title": self.title, "note": self.note, "figure": self.figure}


@dataclass(frozen=True, slots=True)
class MetricsPage:
    charts: list[Chart]
    rows: list[ValueRow]
    parts: list[Part]
    more_charts: int
    more_parts: int
    is_cut: bool


def charts_asked(text: str) -> int:
    """How many charts an address asks for: at most five times those of the first look."""
    return min(int(text), 5 * MAX_CHARTS) if text.isdecimal() and len(text) < 6 else MAX_CHARTS


def metrics_page(measured: Sequence[Measured], *, charts: int = MAX_CHARTS) -> MetricsPage:
    """Four queries at most, whatever there is."""
    drawn, more_charts = _charts(measured, charts)
    parts, documents, more_parts = _parts(measured)
    return MetricsPage(
        charts=drawn + documents,
        rows=[_value_row(each) for each in measured],
        parts=parts,
        more_charts=more_charts,
        more_parts=more_parts,
        is_cut=len(measured) >= MAX_METRICS,
    )


def _charts(measured: Sequence[Measured], most: int) -> tuple[list[Chart], int]:
    """A chart for each name; series of a single value stand in the table alone."""
    by_name: dict[str, list[Measured]] = {}
    for each in measured:
        if each.metric.kind == "scalar":
            by_name.setdefault(each.metric.name, []).append(each)
    worth_it = {name: group for name, group in by_name.items() if any(each.metric.count > 1 for each in group)}
    shown = dict(list(worth_it.items())[:most])
    points = points_of_all([each.metric for group in shown.values() for each in group[:MAX_LINES]], LINE_POINTS)
    charts = [
        Chart(
            key=f"series {name}",
            title=name,
            note=_note(group),
            figure=series_figure([Series(each.who.words, points[each.metric.pk]) for each in group[:MAX_LINES]]),
        )
        for name, group in shown.items()
    ]
    return charts, len(worth_it) - len(shown)


def _note(group: Sequence[Measured]) -> str:
    said = []
    if len(group) == 1:
        said.append(group[0].who.words)
    elif len(group) > MAX_LINES:
        said.append(f"the first {MAX_LINES} of {len(group)} that measured it")
    if sum(each.metric.count for each in group) > LINE_POINTS:
        said.append(f"{sum(each.metric.count for each in group):,} points, lowest and highest drawn")
    if not_finite := sum(each.metric.not_finite for each in group):
        said.append(f"{not_finite:,} not finite, left out")
    return "; ".join(said)


def _parts(measured: Sequence[Measured]) -> tuple[list[Part], list[Chart], int]:
    rest = [each for each in measured if each.metric.kind != "scalar"]
    shown = rest[:MAX_PARTS]
    entries = entries_of_all([each.metric for each in shown if each.metric.kind != "image"], MAX_ROWS)
    parts: list[Part] = []
    charts: list[Chart] = []
    for each in shown:
        metric = each.metric
        if metric.kind in _DOCUMENTS and entries[metric.pk]:
            figure = document_figure(metric.kind, entries[metric.pk][-1])
            if figure is not None:
                note = f"{each.who.words}: {_WORDS[metric.kind]}"
                charts.append(Chart(f"{metric.kind} {each.who.words} {metric.name}", metric.name, note, figure))
                continue
        parts.append(_part(each, entries.get(metric.pk, [])))
    return parts, charts, len(rest) - len(shown)


def _part(each: Measured, entries: list[Any]) -> Part:
    metric = each.metric
    columns: list[str] = []
    if metric.kind == "table":
        columns = list(dict.fromkeys(key for row in entries if isinstance(row, dict) for key in row))[:MAX_COLUMNS]
        rows = [[_cell(row[key]) if key in row else "" for key in columns] for row in entries if isinstance(row, dict)]
    else:
        rows = [[_cell(entry)] for entry in entries]
    return Part(
        who=each.who,
        name=metric.name,
        kind=metric.kind,
        count=metric.count,
        columns=columns,
        rows=rows,
        more=max(0, metric.count - len(rows)) if metric.kind != "image" else max(0, metric.count - 1),
    )


def _cell(value: Any) -> str:
    text = number_words(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _value_row(each: Measured) -> ValueRow:
    metric = each.metric
    return ValueRow(
        who=each.who,
        name=metric.name,
        kind=_WORDS.get(metric.kind, metric.kind),
        last=_column(metric, metric.last),
        low=_column(metric, metric.low),
        high=_column(metric, metric.high),
        count=metric.count,
        not_finite=metric.not_finite,
    )


def _column(metric: Metric, text: str) -> str:
    value = number(text)
    return number_words(value) if value is not None and metric.kind == "scalar" else ""


def number_words(value: float) -> str:
    """Six digits that count, and no more: `0.0001`, `1.5e+09`, `NaN`, `∞`."""
    if value != value:  # noqa: PLR0124 (that is what is not a number)
        return "NaN"
    return f"{value:.6g}".replace("inf", "∞")

"""What the steps of two runs measured, side by side: last values with their difference, and series in one chart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compute.metrics.points import Points
from compute.metrics.reading import json_number, number, points_of_all
from compute.models import Metric
from pipelines.metric_charts import Series, series_figure
from pipelines.metric_page import LINE_POINTS, Chart, number_words
from pipelines.metric_queries import Measured


@dataclass(frozen=True, slots=True)
class MetricPair:
    """A metric by step and name; a side is None where it did not measure it."""

    step: str
    name: str
    before: Metric | None
    after: Metric | None

    @property
    def values(self) -> tuple[float | None, float | None]:
        """The last ones; None of what is no series."""
        then, now = _last(self.before), _last(self.after)
        return then, now

    @property
    def is_series(self) -> bool:
        return any(each is not None and each.kind == "scalar" for each in (self.before, self.after))

    @property
    def differs(self) -> bool:
        if self.before is None or self.after is None:
            return True
        if self.before.pk == self.after.pk:  # the one step took the other's result
            return False
        if (self.before.kind, self.before.count) != (self.after.kind, self.after.count):
            return True
        return self.is_series and self.before.last != self.after.last

    @property
    def delta(self) -> float | None:
        then, now = self.values
        if then is None or now is None or not math.isfinite(now - then):
            return None
        return now - then

    @property
    def share(self) -> float | None:
        """The difference by what it was; None where that makes no sense."""
        then = self.values[0]
        return self.delta / abs(then) if self.delta is not None and then else None

    @property
    def before_words(self) -> str:
        return _words(self.before)

    @property
    def after_words(self) -> str:
        return _words(self.after)

    @property
    def delta_words(self) -> str:
        if not self.delta:
            return ""
        text = f"{'+' if self.delta > 0 else '−'}{number_words(abs(self.delta))}"
        return f"{text} ({percent_words(self.share)})" if self.share is not None else text

    def as_json(self) -> dict[str, Any]:
        then, now = self.values
        return {
            "step": self.step,
            "name": self.name,
            "differs": self.differs,
            "left": json_number(then),
            "right": json_number(now),
            "difference": self.delta,
        }


def metric_pairs(before: Sequence[Measured], after: Sequence[Measured], steps: Sequence[str]) -> list[MetricPair]:
    """By step in the order of `steps`, then in the order in which they came. Pure."""
    old = {(each.step, each.metric.name): each.metric for each in before}
    new = {(each.step, each.metric.name): each.metric for each in after}
    places = {name: place for place, name in enumerate(steps)}
    keys = [*new, *(key for key in old if key not in new)]
    keys.sort(key=lambda key: places.get(key[0], len(places)))
    return [MetricPair(*key, old.get(key), new.get(key)) for key in keys]


def worth_a_chart(pair: MetricPair) -> bool:
    """A series of more than one value, of which both lines are not the same one."""
    both = [each for each in (pair.before, pair.after) if each is not None]
    is_one = len(both) == 2 and both[0].pk == both[1].pk
    return not is_one and any(each.kind == "scalar" and each.count > 1 for each in both)


def overlaid(pairs: Sequence[MetricPair], labels: tuple[str, str], *, most: int) -> tuple[list[Chart], int]:
    """A chart for each series with a line for each run, and how many more there are. Two queries."""
    wanted = [pair for pair in pairs if worth_a_chart(pair)]
    shown = wanted[:most]
    drawn = [[each for each in (pair.before, pair.after) if each and each.kind == "scalar"] for pair in shown]
    points = points_of_all([metric for group in drawn for metric in group], LINE_POINTS)
    charts = []
    for pair in shown:
        # A line without points where a run has none: so each run has its colour in every chart.
        sides = zip(labels, (pair.before, pair.after), strict=True)
        lines = [Series(label, points.get(side.pk, Points()) if side else Points()) for label, side in sides]
        alone = [line.label for line in lines if len(line.points)]
        note = f"{pair.step}; {alone[0]} alone" if len(alone) == 1 else pair.step
        charts.append(Chart(f"{pair.step} {pair.name}", pair.name, note, series_figure(lines)))
    return charts, len(wanted) - len(shown)


def percent_words(share: float | None) -> str:
    """`+3.3 %`, `−80 %`, and `×25` where that says more."""
    if share is None:
        return ""
    if share >= 10:
        return f"×{share + 1:.3g}"
    sign = "+" if share > 0 else "−" if share < 0 else ""
    return f"{sign}{abs(share) * 100:.2g} %" if abs(share) < 0.995 else f"{sign}{abs(share) * 100:.0f} %"


def _last(metric: Metric | None) -> float | None:
    return number(metric.last) if metric is not None and metric.kind == "scalar" else None


def _words(metric: Metric | None) -> str:
    if metric is None:
        return ""
    value = _last(metric)
    if value is not None:
        return number_words(value)
    return f"{metric.kind.replace('_', ' ')}, {metric.count:,}"

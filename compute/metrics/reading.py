"""Metrics as they are read: all of some attempts at a glance, the points of a series thinned out, values by number."""

import json
import math
import zlib
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import F, Q, Sum

from compute.metrics.points import CHUNK_POINTS, Points, of_summary, thinned, unpack
from compute.models import Metric, MetricChunk

# So many points are read one by one; of more, what the summaries of their chunks say.
EXACT_POINTS = 8 * CHUNK_POINTS
MAX_ENTRIES = 1000


def points_of(metric: Metric, most: int, *, first: int | None = None, last: int | None = None) -> tuple[Points, int]:
    """At most `most` points of a series, of the steps from `first` to `last`; and of how many they are taken."""
    rows = MetricChunk.objects.filter(metric=metric).order_by("seq")
    if first is not None:
        rows = rows.filter(step_max__gte=first)
    if last is not None:
        rows = rows.filter(step_min__lte=last)
    count = rows.aggregate(points=Sum("count"))["points"] or 0
    is_exact = count <= max(most, EXACT_POINTS)
    found = Points()
    for packed in rows.values_list("data" if is_exact else "summary", flat=True).iterator(chunk_size=100):
        found.extend(unpack(bytes(packed)) if is_exact else of_summary(bytes(packed or b"")))
    found = found.within(first, last)
    return thinned(found, most), len(found) if is_exact else count


def points_of_all(metrics: Collection[Metric], most: int) -> dict[int, Points]:
    """The same for many, by their keys, whole: in two queries."""
    small = [metric.pk for metric in metrics if metric.count <= CHUNK_POINTS]
    large = [metric.pk for metric in metrics if metric.count > CHUNK_POINTS]
    found: dict[int, Points] = {metric.pk: Points() for metric in metrics}
    for column, keys in (("data", small), ("summary", large)):
        if not keys:
            continue
        rows = MetricChunk.objects.filter(metric__in=keys).order_by("metric", "seq").values_list("metric_id", column)
        for metric_id, packed in rows.iterator(chunk_size=100):
            plain = bytes(packed or b"")
            found[metric_id].extend(unpack(plain) if column == "data" else of_summary(plain))
    return {pk: thinned(points, most) for pk, points in found.items()}


def entries_of(metric: Metric, *, start: int = 0, count: int = MAX_ENTRIES) -> list[Any]:
    """Values of a list, rows of a table, documents, from number `start` on."""
    count = min(count, MAX_ENTRIES)
    rows = MetricChunk.objects.filter(metric=metric, start__lt=start + count).order_by("seq")
    found: list[Any] = []
    first: int | None = None
    for chunk in rows.filter(_ends_after(start)).only("start", "count", "data").iterator(chunk_size=10):
        if first is None:
            first = chunk.start
        found += json.loads(zlib.decompress(bytes(chunk.data)))
    skipped = start - first if first is not None else 0
    return found[skipped : skipped + count]


def entries_of_all(metrics: Collection[Metric], count: int) -> dict[int, list[Any]]:
    """The first `count` of each, by their keys, in one query."""
    found: dict[int, list[Any]] = {metric.pk: [] for metric in metrics}
    if metrics:
        rows = MetricChunk.objects.filter(metric__in=[metric.pk for metric in metrics], start__lt=count)
        for metric_id, data in rows.order_by("metric", "seq").values_list("metric_id", "data").iterator(chunk_size=10):
            found[metric_id] += json.loads(zlib.decompress(bytes(data)))
    return {pk: entries[:count] for pk, entries in found.items()}


def image_of(metric: Metric, number: int) -> bytes | None:
    """The bytes of one picture; None where there is none of that number."""
    data = MetricChunk.objects.filter(metric=metric, start=number).values_list("data", flat=True).first()
    return None if data is None or metric.kind != "image" else bytes(data)


def _ends_after(start: int) -> Q:
    return Q(start__gt=start) | Q(count__gt=start - F("start"))


def number(text: str) -> float | None:
    """What a metric's column says."""
    return float(text) if text else None


def json_number(value: float | None) -> float | str | None:
    """As JSON can say it: what is not finite is a text, `NaN`, `Infinity` or `-Infinity`."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def json_value(value: Any) -> Any:
    """The same within lists and dictionaries."""
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, list):
        return [json_value(each) for each in value]
    if isinstance(value, Mapping):
        return {key: json_value(each) for key, each in value.items()}
    return value

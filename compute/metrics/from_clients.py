"""Points that a client of the web server logs, put behind those of the same series that are there.

A step's own spool is its node's to read. What comes over the network is written here, at once, so that whoever logged
it can read it back. The two never write the same metric: whoever has a name first keeps it, and both hold the row of
the attempt meanwhile.
"""

import math
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum

from compute.listener import JobRecords, tell_records
from compute.metrics import book
from compute.metrics.points import CHUNK_POINTS, Points, unpack
from compute.metrics.reading import number
from compute.metrics.writer import number_text
from compute.models import Attempt, Metric, MetricChunk
from studio.lib.problems import UserError


@dataclass(frozen=True, slots=True)
class ClientPoint:
    """`at_ms`: when it was measured, in milliseconds since 1970."""

    name: str
    step: int
    value: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class TimedPoints:
    """Columns of equal length. Of what a step logged by its spool nobody noted the times."""

    points: Points
    times_ms: "array[int]"


def log_points(attempt_id: int, points: Sequence[ClientPoint]) -> None:
    """Store them all or none. The same point twice, as a client that tries again sends it, counts once.

    Raises UserError where the attempt's step logs one of the names by its spool, or another kind of thing by it, and
    where there would be too many metrics or points.
    """
    if not points:
        return
    series: dict[str, list[ClientPoint]] = {}
    for point in points:
        series.setdefault(point.name, []).append(point)
    with transaction.atomic():
        attempt = Attempt.objects.select_related("job").select_for_update(of=("self",)).get(pk=attempt_id)
        rows = {row.name: row for row in Metric.objects.filter(attempt=attempt, name__in=series)}
        _refuse_names_of_the_node(rows.values())
        _refuse_too_much(attempt, new_names=len(series) - len(rows), new_points=len(points))
        position = Metric.objects.filter(attempt=attempt).count()
        for name, added in series.items():
            row = rows.get(name)
            if row is None:
                row = Metric(attempt=attempt, name=name, kind="scalar", position=position, by_client=True)
                position += 1
            _append(row, added)
        tell_records(JobRecords(attempt.job_id, attempt.job.owner, attempt.number, []))


def timed_points(metric: Metric, *, start: int = 0, count: int) -> TimedPoints:
    """Those of a series from number `start` on. Reads no more chunks than these are in."""
    rows = MetricChunk.objects.filter(metric=metric, start__lt=start + count, start__gt=start - CHUNK_POINTS)
    found, times, first = Points(), array("q"), start
    for place, chunk in enumerate(rows.order_by("seq").only("start", "data", "times")):
        if place == 0:
            first = chunk.start
        found.extend(unpack(bytes(chunk.data)))
        times.extend(_times(chunk, len(found) - len(times)))
    skipped = start - first
    part = slice(skipped, skipped + count)
    return TimedPoints(Points(found.steps[part], found.values[part]), times[part])


def _refuse_names_of_the_node(rows: Iterable[Metric]) -> None:
    for row in rows:
        if not row.by_client:
            raise UserError(f"The step logs “{row.name}” by the studio's own SDK. Log it by one of the two.")


def _refuse_too_much(attempt: Attempt, *, new_names: int, new_points: int) -> None:
    known = Metric.objects.filter(attempt=attempt)
    if new_names and known.count() + new_names > book.MAX_METRICS:
        raise UserError(f"A run may have at most {book.MAX_METRICS:,} metrics.")
    there = known.filter(by_client=True).aggregate(points=Sum("count"))["points"] or 0
    if there + new_points > book.MAX_POINTS:
        raise UserError(f"A run may have at most {book.MAX_POINTS:,} points of metrics.")


def _append(row: Metric, added: Sequence[ClientPoint]) -> None:
    series = _opened(row)
    times = _times_of_open_chunk(row, series)
    first = series.count - len(series.points)  # number of the first point of the open chunk
    seen = set(map(_key, series.points.steps, series.points.values, times))
    last_at_ms = row.last_at_ms
    for point in added:
        key = _key(point.step, point.value, point.at_ms)
        if key in seen:
            continue
        seen.add(key)
        before = (series.last_step, last_at_ms, series.last)
        series.add_point(point.step, point.value)
        times.append(point.at_ms)
        last_at_ms = point.at_ms
        if before[0] is not None and (point.step, point.at_ms) < (before[0], before[1] or 0):
            series.last_step, last_at_ms, series.last = before
    chunks = series.chunks()
    row.count, row.last_step, row.last_at_ms, row.not_finite = (
        series.count,
        series.last_step,
        last_at_ms,
        series.not_finite,
    )
    row.last, row.low, row.high = number_text(series.last), number_text(series.low), number_text(series.high)
    row.save()
    MetricChunk.objects.bulk_create(
        [
            MetricChunk(
                metric=row,
                seq=chunk.seq,
                start=chunk.start,
                count=chunk.count,
                step_min=chunk.step_min,
                step_max=chunk.step_max,
                summary=chunk.summary,
                data=chunk.data,
                times=zlib.compress(times[chunk.start - first : chunk.start - first + chunk.count].tobytes(), 1),
            )
            for chunk in chunks
        ],
        update_conflicts=True,
        unique_fields=["metric", "seq"],
        update_fields=["start", "count", "step_min", "step_max", "summary", "data", "times"],
    )


def _key(step: int, value: float, at_ms: int) -> tuple[int, float | None, int]:
    return step, None if math.isnan(value) else value, at_ms  # what is not a number equals nothing, itself included


def _opened(row: Metric) -> book.Metric:
    """As the book of a node has it: with the points of the chunk that is not full yet."""
    series = book.Metric(
        name=row.name,
        kind="scalar",
        position=row.position,
        count=row.count,
        last=number(row.last),
        low=number(row.low),
        high=number(row.high),
        last_step=row.last_step,
        not_finite=row.not_finite,
    )
    newest = None if row.pk is None else row.chunks.order_by("-seq").first()
    if newest is not None:
        is_full = newest.count >= CHUNK_POINTS
        series.seq = newest.seq + is_full
        series.points = Points() if is_full else unpack(bytes(newest.data))
    return series


def _times_of_open_chunk(row: Metric, series: book.Metric) -> "array[int]":
    if row.pk is None or not series.points:
        return array("q")
    return _times(row.chunks.get(seq=series.seq), len(series.points))


def _times(chunk: MetricChunk, count: int) -> "array[int]":
    times = array("q")
    if chunk.times is None:
        times.extend([0] * count)
    else:
        times.frombytes(zlib.decompress(bytes(chunk.times)))
    return times

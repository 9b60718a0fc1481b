"""How far a parallel run is: what its program logged of its batches, for the page and the API. Six queries at most.

The numbers come by the file in which a step says what it measured, which the step's own script can write to as well:
whatever stands there, this makes numbers and texts of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import Http404

from compute.metrics.reading import entries_of_all, number
from compute.models import Attempt, Metric
from pipelines.kinds.parallel_run import ParallelRunStep
from pipelines.metric_queries import BATCHES, metrics_of
from pipelines.metric_sources import with_whose_metrics
from pipelines.models import StepRun
from pipelines.states import StepStatus

MAX_ROWS = 100
_MAX_FAILED, _MAX_SLOWEST = 50, 20  # of several nodes together, as their program has it of one
_MOST = 2.0**53  # up to which a float tells whole numbers apart
_LEAST_S = 0.001
_NUMBERS = ("total", "done", "failed", "retried", "items_failed")
_LOOKED_AT = f"{BATCHES}looked_at"  # the slowest, and those that failed
_OF_ALL = f"{BATCHES}of_all"  # of a part: how many there are on all nodes
_MAX_CHARS = 500


def batches_of(step: StepRun, attempt: int | None = None) -> dict[str, Any]:
    """`total` is None until the batches are known, `per_second` and `remaining_s` as long as none is over.

    Of one attempt, the last one where none is named. Where the step puts parts together, it adds up the last attempts
    of these, and `parts` has them one by one. Raises Http404 where the step has no batches, or no such attempt.
    """
    kind = step.frozen.step
    if not isinstance(kind, ParallelRunStep):
        raise Http404(f"Step “{step.name}” is no parallel run: it has no batches.")
    found, metrics = metrics_of(step, attempt)
    about = {"attempt": found.number if found else None, "items": kind.split_into}
    if step.frozen.part is not None and step.frozen.part.unites:
        return {**about, **_of_parts(step)}
    named = {metric.name: metric for metric in metrics if metric.name.startswith(BATCHES)}
    return {**about, **_progress(named), "batches": _looked_at([named]), "parts": []}


def _of_parts(step: StepRun) -> dict[str, Any]:
    rows = with_whose_metrics(StepRun.objects.filter(part_of=step)).order_by("position")
    told_of = list(rows.values_list("name", "status", "their_job", "their_attempt", "started_at", "finished_at"))
    parts = [row[:4] for row in told_of]
    attempts = Attempt.objects.filter(job_id__in=[job_id for _name, _status, job_id, _number in parts if job_id])
    found = attempts.values_list("job_id", "number", "pk", "node_name")
    places = {(job_id, number): (pk, node) for job_id, number, pk, node in found}
    last = {name: places.get((job_id, number)) for name, _status, job_id, number in parts}
    named: dict[int, dict[str, Metric]] = {}
    asked = [place[0] for place in last.values() if place]
    for metric in Metric.objects.filter(attempt__in=asked, name__startswith=BATCHES):
        named.setdefault(metric.attempt_id, {})[metric.name] = metric
    told = []
    for name, status, _job_id, _number in parts:
        pk, node = last[name] or (0, "")
        told.append({"step": name, "status": status, "node": node, **_progress(named.get(pk, {}))})
    totals = [_whole(each.get(_OF_ALL)) for each in named.values()]
    total = max((each for each in totals if each is not None), default=None)
    return {
        **_together(told, total, _between([row[4:] for row in told_of])),
        "batches": _looked_at(named.values()),
        "parts": told,
    }


def _between(spans: Sequence[tuple[datetime | None, datetime | None]]) -> float | None:
    """The seconds from the first beginning to the last end. None before that, and where a result was taken again."""
    began, ended = [at for at, _to in spans if at], [to for _at, to in spans if to]
    if not spans or len(began) < len(spans) or len(ended) < len(spans):
        return None
    return (max(ended) - min(began)).total_seconds()


def _together(parts: Sequence[Mapping[str, Any]], total: int | None, took_s: float | None) -> dict[str, Any]:
    """How fast it is: what the parts at work do now. What remains: what the slowest of them has before it.

    In the end it is what all did in the time that it took: nodes may have been fewer than parts.
    """
    known = {name: [part[name] for part in parts if part[name] is not None] for name in (*_NUMBERS, "seconds")}
    numbers = {name: sum(known[name]) if known[name] else None for name in _NUMBERS}
    seconds = took_s if took_s is not None else max(known["seconds"], default=None)
    over = (numbers["done"] or 0) + (numbers["failed"] or 0)
    at_work = [part for part in parts if part["status"] == StepStatus.RUNNING and part["per_second"]]
    per_second = sum(part["per_second"] for part in at_work) if at_work else _rate(over, seconds)
    remaining_s = _remaining(total, over, per_second)
    if at_work and len(known["total"]) == len(parts):  # none of them has still to begin
        remaining_s = max(part["remaining_s"] for part in at_work)
    return {**numbers, "total": total, "seconds": seconds, "per_second": per_second, "remaining_s": remaining_s}


def _progress(named: Mapping[str, Metric]) -> dict[str, Any]:
    numbers = {name: _whole(named.get(f"{BATCHES}{name}")) for name in _NUMBERS}
    seconds = _last(named.get(f"{BATCHES}seconds"))
    over = (numbers["done"] or 0) + (numbers["failed"] or 0)
    per_second = _rate(over, seconds)
    remaining_s = _remaining(numbers["total"], over, per_second)
    return {**numbers, "seconds": seconds, "per_second": per_second, "remaining_s": remaining_s}


def _rate(over: int, seconds: float | None) -> float | None:
    return over / max(seconds, _LEAST_S) if over and seconds else None


def _remaining(total: int | None, over: int, per_second: float | None) -> float | None:
    return max(0, total - over) / per_second if total is not None and per_second else None


def _last(metric: Metric | None) -> float | None:
    value = number(metric.last) if metric is not None and metric.kind == "scalar" else None
    return value if value is not None and 0 <= value <= _MOST else None


def _whole(metric: Metric | None) -> int | None:
    value = _last(metric)
    return None if value is None else int(value)


def _looked_at(measured: Iterable[Mapping[str, Metric]]) -> list[dict[str, Any]]:
    """Those that failed, and then the slowest."""
    tables = [named[_LOOKED_AT] for named in measured if _LOOKED_AT in named and named[_LOOKED_AT].kind == "table"]
    rows = [row for rows in entries_of_all(tables, MAX_ROWS).values() for row in _rows(rows)]
    if len(tables) < 2:
        return rows
    failed = [row for row in rows if row["why"]]
    slowest = sorted((row for row in rows if not row["why"]), key=lambda row: -(row["seconds"] or 0))
    return [*failed[:_MAX_FAILED], *slowest[:_MAX_SLOWEST]]


def _rows(entries: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            **{name: _number(row.get(name)) for name in ("batch", "items", "items_failed", "tries", "seconds")},
            **{name: str(row.get(name, ""))[:_MAX_CHARS] for name in ("what", "why")},
        }
        for row in entries
        if isinstance(row, dict)
    ]


def _number(value: Any) -> float | int | None:
    is_number = isinstance(value, int | float) and -_MOST <= value <= _MOST
    return value if is_number else None

"""How far a parallel run is: what its program logged of its batches, for the page and the API. Four queries at most.

The numbers come by the file in which a step says what it measured, which the step's own script can write to as well:
whatever stands there, this makes numbers and texts of it.
"""

from typing import Any

from django.http import Http404

from compute.metrics.reading import entries_of, number
from compute.models import Metric
from pipelines.kinds.parallel_run import ParallelRunStep
from pipelines.metric_queries import BATCHES, metrics_of
from pipelines.models import StepRun

MAX_ROWS = 100
_MOST = 2.0**53  # up to which a float tells whole numbers apart
_LEAST_S = 0.001
_NUMBERS = ("total", "done", "failed", "retried", "items_failed")
_LOOKED_AT = f"{BATCHES}looked_at"  # the slowest, and those that failed
_MAX_CHARS = 500


def batches_of(step: StepRun, attempt: int | None = None) -> dict[str, Any]:
    """`total` is None until the batches are known, `per_second` and `remaining_s` as long as none is over.

    Of one attempt, the last one where none is named. Raises Http404 where the step has no batches, or no such attempt.
    """
    kind = step.frozen.step
    if not isinstance(kind, ParallelRunStep):
        raise Http404(f"Step “{step.name}” is no parallel run: it has no batches.")
    found, metrics = metrics_of(step, attempt)
    named = {metric.name: metric for metric in metrics if metric.name.startswith(BATCHES)}
    numbers = {name: _whole(named.get(f"{BATCHES}{name}")) for name in _NUMBERS}
    seconds = _last(named.get(f"{BATCHES}seconds"))
    over = (numbers["done"] or 0) + (numbers["failed"] or 0)
    per_second = over / max(seconds, _LEAST_S) if over and seconds else None
    total = numbers["total"]
    return {
        "attempt": found.number if found else None,
        **numbers,
        "seconds": seconds,
        "per_second": per_second,
        "remaining_s": max(0, total - over) / per_second if total is not None and per_second else None,
        "items": kind.split_into,
        "batches": _rows(named.get(_LOOKED_AT)),
    }


def _last(metric: Metric | None) -> float | None:
    value = number(metric.last) if metric is not None and metric.kind == "scalar" else None
    return value if value is not None and 0 <= value <= _MOST else None


def _whole(metric: Metric | None) -> int | None:
    value = _last(metric)
    return None if value is None else int(value)


def _rows(metric: Metric | None) -> list[dict[str, Any]]:
    if metric is None or metric.kind != "table":
        return []
    rows = [row for row in entries_of(metric, count=MAX_ROWS) if isinstance(row, dict)]
    return [
        {
            **{name: _number(row.get(name)) for name in ("batch", "items", "items_failed", "tries", "seconds")},
            **{name: str(row.get(name, ""))[:_MAX_CHARS] for name in ("what", "why")},
        }
        for row in rows
    ]


def _number(value: Any) -> float | int | None:
    is_number = isinstance(value, int | float) and -_MOST <= value <= _MOST
    return value if is_number else None

"""What the runs that a step had made logged of one metric. For the step that decides by it, and for its page."""

from collections.abc import Mapping
from typing import Any

from compute.metrics.points import unpack
from compute.metrics.reading import number
from compute.models import Metric, MetricChunk
from pipelines.inner_runs import maker_of
from pipelines.kinds.with_runs import MeasuredInRun
from pipelines.metric_sources import with_whose_metrics
from pipelines.models import StepRun

MAX_COMPARED = 300  # runs, the newest ones, of which single values are read


def metrics_of_runs(step: StepRun, name: str, *, with_values: bool = False) -> dict[int, MeasuredInRun]:
    """By the runs' numbers, a metric of numbers of that name. Two queries, or three.

    Of several steps of a run that logged it the last one in their order counts, and of its attempts the last one; a
    reused step has what it was taken from. `with_values`: of the newest runs its first 4,096 values, too.
    """
    rows = with_whose_metrics(StepRun.objects.filter(run__parent_step=maker_of(step)))
    rows = rows.exclude(their_job=None)
    found = Metric.objects.filter(name=name, kind="scalar", attempt__job__in=rows.values("their_job"))
    logged = {
        (job_id, attempt): (pk, low, high)
        for pk, job_id, attempt, low, high in found.order_by().values_list(
            "pk", "attempt__job_id", "attempt__number", "low", "high"
        )
    }
    if not logged:
        return {}
    last: dict[int, tuple[int, str, str]] = {}
    told = rows.order_by("run__child_number", "position").values_list("run__child_number", "their_job", "their_attempt")
    for run_number, job_id, attempt in told:
        if (job_id, attempt) in logged:
            last[run_number] = logged[job_id, attempt]
    values = _values({each: pk for each, (pk, _low, _high) in last.items()}) if with_values else {}
    return {
        each: MeasuredInRun(low=number(low), high=number(high), values=values.get(each, ()))
        for each, (_pk, low, high) in last.items()
    }


def _values(metrics: Mapping[int, int]) -> dict[int, Any]:
    """By number, from the keys of metrics by number."""
    newest = dict(sorted(metrics.items())[-MAX_COMPARED:])
    first = MetricChunk.objects.filter(metric__in=set(newest.values()), seq=0).values_list("metric_id", "data")
    read = {metric_id: unpack(bytes(data)).values for metric_id, data in first}
    return {each: read[metric_id] for each, metric_id in newest.items() if metric_id in read}

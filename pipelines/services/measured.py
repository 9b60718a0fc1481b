"""The numbers that steps of a run logged, for what is decided by them."""

from collections.abc import Collection

from django.db.models import QuerySet

from compute.models import Attempt, Metric
from pipelines.metric_sources import with_whose_metrics
from pipelines.models import Run, StepRun
from pipelines.states import StepStatus


def last_values(run: Run, names: Collection[str]) -> dict[str, dict[str, float]]:
    """By step, of those of these names that completed, the last value of each series. At most six queries.

    A step that was reused has what the one logged that it was taken from; of several attempts the last one counts. One
    that works on several nodes has what its parts logged, of which the last one counts.
    """
    if not names:
        return {}
    steps = StepRun.objects.filter(run_id=run.pk, name__in=names, status=StepStatus.COMPLETED)
    found = _logged(steps, "name")
    if silent := [name for name, values in found.items() if not values]:
        parts = StepRun.objects.filter(part_of__in=steps.filter(name__in=silent), status=StepStatus.COMPLETED)
        found |= _logged(parts, "part_of__name")
    return found


def _logged(steps: QuerySet[StepRun], called: str) -> dict[str, dict[str, float]]:
    """By what is in the field `called`. Of several steps that are called the same the last one in their order counts.

    At most three queries.
    """
    told = list(with_whose_metrics(steps).order_by("position").values_list(called, "their_job", "their_attempt"))
    rows = Attempt.objects.filter(job_id__in={job_id for _name, job_id, _attempt in told if job_id})
    wanted = {(job_id, attempt) for _name, job_id, attempt in told}
    attempts = {
        (job_id, number): pk
        for pk, job_id, number in rows.values_list("pk", "job_id", "number")
        if (job_id, number) in wanted
    }
    values: dict[int, dict[str, float]] = {}
    metrics = Metric.objects.filter(attempt__in=attempts.values()).exclude(last="").order_by("attempt", "position")
    for attempt_id, metric, last in metrics.values_list("attempt_id", "name", "last"):
        values.setdefault(attempt_id, {})[metric] = float(last)
    found: dict[str, dict[str, float]] = {}
    for name, job_id, attempt in told:
        found.setdefault(name, {}).update(values.get(attempts.get((job_id, attempt), 0), {}))
    return found

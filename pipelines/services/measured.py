"""The numbers that steps of a run logged, for what is decided by them."""

from collections.abc import Collection

from compute.models import Attempt, Metric
from pipelines.metric_sources import with_whose_metrics
from pipelines.models import Run, StepRun
from pipelines.states import StepStatus


def last_values(run: Run, names: Collection[str]) -> dict[str, dict[str, float]]:
    """By step, of those of these names that completed, the last value of each series. At most three queries.

    A step that was reused has what the one logged that it was taken from; of several attempts the last one counts.
    """
    if not names:
        return {}
    steps = StepRun.objects.filter(run_id=run.pk, name__in=names, status=StepStatus.COMPLETED)
    told = list(with_whose_metrics(steps).values_list("name", "their_job", "their_attempt"))
    found: dict[str, dict[str, float]] = {name: {} for name, _job, _attempt in told}
    rows = Attempt.objects.filter(job_id__in={job_id for _name, job_id, _attempt in told if job_id})
    attempts = {(job_id, number): pk for pk, job_id, number in rows.values_list("pk", "job_id", "number")}
    by_attempt: dict[int, list[str]] = {}
    for name, job_id, attempt in told:
        if (job_id, attempt) in attempts:
            by_attempt.setdefault(attempts[job_id, attempt], []).append(name)
    metrics = Metric.objects.filter(attempt__in=by_attempt).exclude(last="").order_by("attempt", "position")
    for attempt_id, metric, last in metrics.values_list("attempt_id", "name", "last"):
        for name in by_attempt[attempt_id]:
            found[name][metric] = float(last)
    return found

"""Metrics, tags and properties of runs and steps: for pages and the API. No query for each step or metric.

A step that was reused shows what the one measured that it was taken from; of several attempts the last one counts.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef
from django.http import Http404

from compute.metrics.reading import json_number, number
from compute.models import Attempt, Metric
from pipelines.metric_sources import with_whose_metrics
from pipelines.models import Run, StepRun, Tag
from pipelines.queries import attempt_of, iso
from pipelines.tracked_runs import FOR_PROGRAMS

MAX_METRICS = 2000  # of one answer
IS_REUSED = "azureml.isreused"
BATCHES = "studio.batches."  # so a parallel run's program says how far it is; nobody else's metrics have such names


@dataclass(frozen=True, slots=True)
class Measurer:
    """A step of the run that is looked at, or one of a run that it had made."""

    step: str  # of the run that is looked at
    reused_from: int | None  # the run that it was measured in, where a result was taken from another one
    run_id: int  # the run of the step that measured
    measured_by: str  # that step's name
    within: tuple[str, ...] = ()  # the way to it from `step`, as people read it; empty for the step itself

    @property
    def words(self) -> str:
        return " › ".join((self.step, *self.within))


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of a step of the run that is looked at, or of a run that it had made, whoever measured it."""

    who: Measurer
    metric: Metric

    @property
    def step(self) -> str:
        return self.who.step


def measured_in(run: Run, *, step: str = "") -> list[Measured]:
    """The metrics of a run's own steps, in their order; of one step, where it is named. At most `MAX_METRICS`."""
    steps = StepRun.objects.filter(run=run, **({"name": step} if step else {}))
    rows = with_whose_metrics(steps.order_by("position")).annotate(their_run=F("reused_from__run_id"))
    told = list(rows.exclude(their_job=None).values_list("name", "their_job", "their_attempt", "their_run"))
    wanted = {(job_id, attempt) for _name, job_id, attempt, _run in told}
    found = metrics_by_attempt(wanted, jobs=rows.exclude(their_job=None).order_by().values("their_job"))
    measured = [
        Measured(Measurer(name, their_run, run.pk, name), metric)
        for name, job_id, attempt, their_run in told
        for metric in found.get((job_id, attempt), [])
    ]
    return measured[:MAX_METRICS]


def metrics_by_attempt(wanted: Collection[tuple[int, int]], *, jobs: Any = None) -> dict[tuple[int, int], list[Metric]]:
    """By the numbers of job and attempt, in the order in which they came; at most `MAX_METRICS`. Two queries.

    `jobs`: these jobs as a query of the caller's, where they may be many.
    """
    if not wanted:
        return {}
    jobs = jobs if jobs is not None else {job_id for job_id, _attempt in wanted}
    # Further attempts of a step may have as many again, and nobody asks for those here.
    measuring = Attempt.objects.filter(Exists(Metric.objects.filter(attempt=OuterRef("pk"))), job_id__in=jobs)
    attempts = {
        pk: (job_id, number)
        for pk, job_id, number in measuring.order_by("pk").values_list("pk", "job_id", "number")
        if (job_id, number) in wanted
    }
    found: dict[tuple[int, int], list[Metric]] = {}
    metrics = Metric.objects.filter(attempt__in=list(attempts)[:MAX_METRICS]).exclude(name__startswith=BATCHES)
    for metric in metrics.order_by("attempt", "position")[:MAX_METRICS]:
        found.setdefault(attempts[metric.attempt_id], []).append(metric)
    return found


def metrics_of(step: StepRun, number: int | None) -> tuple[Attempt | None, list[Metric]]:
    """Those of one attempt of a step, the last one where none is named. Raises Http404 for one that isn't there."""
    attempt, _numbers = attempt_of(_source(step), number)
    return attempt, list(attempt.metrics.order_by("position")) if attempt else []


def metric_of(step: StepRun, name: str, attempt_number: int | None, *, kinds: Collection[str]) -> Metric:
    """Raises Http404 where the attempt has none of that name and kind."""
    attempt, _numbers = attempt_of(_source(step), attempt_number)
    asked = Metric.objects.filter(attempt=attempt, name=name, kind__in=kinds) if "\0" not in name else None
    found = asked.first() if attempt and asked is not None else None
    if found is None:
        raise Http404(f"Step “{step.name}” has no such metric of this kind.")
    return found


def metric_json(metric: Metric) -> dict[str, Any]:
    """What is known of a metric without reading its values. A number that is not finite is a text, as `NaN`."""
    return {
        "name": metric.name,
        "kind": metric.kind,
        "count": metric.count,
        "last": json_number(number(metric.last)),
        "min": json_number(number(metric.low)),
        "max": json_number(number(metric.high)),
        "last_step": metric.last_step,
        "not_finite": metric.not_finite,
    }


def measured_json(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    return [
        {
            "step": each.step,
            "reused_from": each.who.reused_from,
            "run": each.who.run_id,
            "measured_by": each.who.measured_by,
            "within": list(each.who.within),
            **metric_json(each.metric),
        }
        for each in measured
    ]


def tags_of(run: Run, step: StepRun | None = None) -> list[Tag]:
    """Of the run itself, or of a step of it."""
    return list(Tag.objects.filter(run=run, step_run=step).select_related("set_by").order_by("is_property", "name"))


def tags_json(tags: Iterable[Tag], step: StepRun | None = None) -> dict[str, Any]:
    """By name. `by`: who said it; None means the step itself. What only programs read is left out.

    Of a step that took an earlier result the studio says so as azureml does, in the property `azureml.isreused`.
    """
    tags = [tag for tag in tags if not tag.name.startswith(FOR_PROGRAMS)]
    found = {
        key: {
            tag.name: {"value": tag.value, "by": tag.set_by.username if tag.set_by else None, "at": iso(tag.set_at)}
            for tag in tags
            if tag.is_property == is_property
        }
        for key, is_property in (("tags", False), ("properties", True))
    }
    if step is not None and step.reused_from_id is not None:
        found["properties"][IS_REUSED] = {"value": "true", "by": "the studio", "at": iso(step.finished_at)}
    return found


def _source(step: StepRun) -> StepRun:
    """Whoever measured what this step shows."""
    return step.reused_from or step

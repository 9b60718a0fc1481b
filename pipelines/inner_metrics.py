"""What the runs that steps of a run had made measured, at any depth: it is visible on the run that somebody submitted.

A query for each level, and two for all metrics together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from compute.models import Metric
from pipelines.metric_queries import MAX_METRICS, Measured, Measurer, metrics_by_attempt
from pipelines.metric_sources import with_whose_metrics
from pipelines.models import Run, StepRun


@dataclass(frozen=True, slots=True)
class _Way:
    """To a step that made runs: the step of the outermost run that it belongs to, and the names below that."""

    step: str
    names: tuple[str, ...] = ()


def measured_within(run: Run, *, step: str = "") -> list[Measured]:
    """Of all its steps that had runs made, or of one; at most `MAX_METRICS`, those of the outer runs first."""
    steps = StepRun.objects.filter(run=run, **({"name": step} if step else {}))
    told: list[tuple[Measurer, int, int]] = []
    ways = {maker: _Way(name) for name, maker in _makers(steps).values_list("name", "maker")}
    while ways and len(told) < MAX_METRICS:
        inner = StepRun.objects.filter(run__parent_step__in=list(ways))
        told += _measuring(inner, ways)
        ways = {
            maker: _below(ways[parent], number, label, name)
            for parent, number, label, name, maker in _makers(inner).values_list(
                "run__parent_step", "run__child_number", "run__child_label", "name", "maker"
            )
        }
    found = metrics_by_attempt({(job_id, attempt) for _who, job_id, attempt in told[:MAX_METRICS]})
    measured = [Measured(who, metric) for who, job_id, attempt in told for metric in found.get((job_id, attempt), [])]
    return measured[:MAX_METRICS]


def _makers(steps: "QuerySet[StepRun]") -> "QuerySet[Any, Any]":
    """Those that had runs made, with `maker`: of one that a rerun kept, the earlier one. They have no job."""
    rows = steps.filter(job=None).annotate(maker=Coalesce("reused_from_id", "id"))
    return rows.filter(Exists(Run.everything.filter(parent_step=OuterRef("maker"))))


def _measuring(inner: "QuerySet[StepRun]", ways: dict[int, _Way]) -> Iterator[tuple[Measurer, int, int]]:
    """Who measured something, with the number of the job and of the attempt, in the order of the runs."""
    rows = with_whose_metrics(inner).annotate(their_run=F("reused_from__run_id")).exclude(their_job=None)
    theirs = Metric.objects.filter(attempt__job=OuterRef("their_job"), attempt__number=OuterRef("their_attempt"))
    rows = rows.filter(Exists(theirs)).order_by("run__parent_step", "run__child_number", "position")
    columns = ("run__parent_step", "run__child_number", "run__child_label", "name", "run", "their_run")
    for parent, number, label, name, run_id, their_run, job_id, attempt in rows.values_list(
        *columns, "their_job", "their_attempt"
    )[:MAX_METRICS]:
        way = _below(ways[parent], number, label, name)
        yield Measurer(way.step, their_run, run_id, name, way.names), job_id, attempt


def _below(way: _Way, number: int, label: str, name: str) -> _Way:
    """A run without a label is the only one that its step made."""
    run = (f"{number}: {label}",) if label else ()
    return _Way(way.step, (*way.names, *run, name))

"""The trials of a sweep, for its page and the API. A number of queries that does not grow with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.http import Http404
from django.utils import timezone

from compute.metrics.reading import json_number
from pipelines.inner_runs import made_of, maker_of
from pipelines.kinds.sweep import SweepStep, Trial
from pipelines.kinds.with_runs import KnownRuns
from pipelines.measured_runs import metrics_of_runs
from pipelines.models import Run, StepRun
from pipelines.queries import iso
from pipelines.run_page import seconds_between

Order = Literal["number", "best"]
MAX_PAGE = 1000
_COLUMNS = ("id", "status", "reason", "parameters", "child_number", "child_label", "started_at", "finished_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial as the page shows it."""

    trial: Trial
    values: Mapping[str, Any]  # by the parameters of the search space
    started_at: datetime | None
    finished_at: datetime | None
    is_best: bool
    worked_s: float | None

    @property
    def note(self) -> str:
        return self.trial.made.reason or self.trial.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Those of a sweep, by number."""

    sweep: SweepStep
    rows: list[TrialRow]

    @property
    def best(self) -> TrialRow | None:
        return next((row for row in self.rows if row.is_best), None)

    def in_order(self, order: Order) -> list[TrialRow]:
        """By number, or the best first and those without a metric last."""
        if order == "number":
            return self.rows
        sign = -1 if self.sweep.goal == "maximize" else 1
        return sorted(
            self.rows, key=lambda row: (not row.trial.is_good, row.trial.metric is None, sign * (row.trial.metric or 0))
        )


def trials_of(step: StepRun) -> Trials:
    """Raises Http404 where the step is no sweep."""
    sweep = step.frozen.step
    if not isinstance(sweep, SweepStep):
        raise Http404(f"Step “{step.name}” is no sweep: it has no trials.")
    runs = list(Run.everything.filter(parent_step=maker_of(step)).only(*_COLUMNS).order_by("child_number"))
    now = timezone.now()
    known = KnownRuns(
        at=now,
        since=step.started_at or now,
        made=[made_of(run) for run in runs],
        metrics=metrics_of_runs(step, sweep.primary_metric) if runs else {},
    )
    trials = sweep.trials(known)
    best = sweep.best_of(trials)
    rows = [
        TrialRow(
            trial=trial,
            values=sweep.values_of(trial),
            started_at=run.started_at,
            finished_at=run.finished_at,
            is_best=trial is best,
            worked_s=seconds_between(run.started_at, run.finished_at, now),
        )
        for trial, run in zip(trials, runs, strict=True)
    ]
    return Trials(sweep=sweep, rows=rows)


def trials_json(trials: Trials, *, start: int, count: int) -> dict[str, Any]:
    """`best` is the number of the best trial so far; a metric is the best value that the trial logged."""
    return {
        "primary_metric": trials.sweep.primary_metric,
        "goal": trials.sweep.goal,
        "planned": trials.sweep.total,
        "count": len(trials.rows),
        "best": trials.best.trial.made.number if trials.best else None,
        "start": start,
        "trials": [
            {
                "number": row.trial.made.number,
                "run": row.trial.made.run_id,
                "status": row.trial.word,
                "values": row.values,
                "metric": json_number(row.trial.metric),
                "reason": row.note,
                "started_at": iso(row.started_at),
                "finished_at": iso(row.finished_at),
            }
            for row in trials.rows[start : start + count]
        ],
    }

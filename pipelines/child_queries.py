"""The runs that a step had made, for its panel, and what a run of these says of where it belongs."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from pipelines.inner_runs import maker_of
from pipelines.models import LONG_OF_STEPS, Run, StepRun
from pipelines.nesting import MAX_DEPTH
from pipelines.queries import iso
from pipelines.states import RunStatus

_SHOWN = (
    *("id", "status", "reason", "child_number", "child_label", "steps_total", "steps_done", "parent_step_id"),
    *("created_at", "started_at", "finished_at", "cancel_requested_at", "paused_at"),
)


@dataclass(frozen=True, slots=True)
class Above:
    """A run in which another one is, and the step of it that had that made."""

    run_id: int
    step: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands among those of its step."""

    above: list[Above]  # the outermost first
    number: int
    label: str
    before: int | None  # the runs beside it
    after: int | None


def runs_made(step: StepRun, *, status: str = "") -> QuerySet[Run]:
    """By number. A status that there isn't narrows nothing."""
    rows = Run.everything.filter(parent_step=maker_of(step)).only(*_SHOWN).order_by("child_number")
    return rows.filter(status=status) if status in RunStatus.values else rows


def counts_of(step: StepRun) -> dict[str, int]:
    """How many runs of a step have which status; those that none has are left out."""
    rows = Run.everything.filter(parent_step=maker_of(step)).order_by().values_list("status").annotate(Count("pk"))
    return dict(rows)


def made_json(run: Run) -> dict[str, Any]:
    return {
        "number": run.child_number,
        "label": run.child_label,
        "id": run.pk,
        "status": run.status,
        "reason": run.reason,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "cancel_requested_at": iso(run.cancel_requested_at),
        "paused_at": iso(run.paused_at),
        "steps_total": run.steps_total,
        "steps_done": run.steps_done,
    }


def place_of(run: Run) -> Place | None:
    """None for a run that somebody submitted. A query for each level that it is nested, and one."""
    if run.parent_step is None:
        return None
    beside = Run.everything.filter(
        parent_step=run.parent_step, child_number__in=[run.child_number - 1, run.child_number + 1]
    )
    by_number = dict(beside.values_list("child_number", "pk"))
    return Place(
        above=_above(run.parent_step),
        number=run.child_number,
        label=run.child_label,
        before=by_number.get(run.child_number - 1),
        after=by_number.get(run.child_number + 1),
    )


def _above(step: StepRun) -> list[Above]:
    found = [Above(step.run_id, step.name)]
    rows = StepRun.objects.defer(*LONG_OF_STEPS)
    while len(found) <= MAX_DEPTH:
        outer = rows.filter(child_runs=found[0].run_id).first()
        if outer is None:
            break
        found.insert(0, Above(outer.run_id, outer.name))
    return found

"""The runs that can be chosen to compare: the latest ones of the pipelines that are looked at, and of all others."""

from dataclasses import dataclass
from itertools import groupby

from pipelines.list_queries import RunRow
from pipelines.models import LONG_OF_VERSIONS, Run
from studio.workspaces.models import Workspace

_OF_A_PIPELINE = 30
_OF_ALL = 30


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs of a pipeline, the newest first."""

    name: str
    rows: list[RunRow]


def runs_to_choose(workspace: Workspace, *chosen: Run | None) -> list[RunGroup]:
    """The chosen ones are among them however old they are. At most five queries."""
    of = {run.pipeline_id for run in chosen if run}
    found = {run.pk: run for run in chosen if run}
    rows = Run.objects.filter(workspace=workspace).select_related("pipeline", "version")
    rows = rows.defer("parameters", *(f"version__{name}" for name in LONG_OF_VERSIONS)).order_by("-pk")
    siblings = {run.parent_step_id for run in chosen if run} - {None}
    for parent_step in siblings:
        found |= {run.pk: run for run in rows.filter(parent_step=parent_step)[:_OF_A_PIPELINE]}
    # Of the others, those that somebody submitted: a step may have thousands made.
    rows = rows.filter(parent_step=None)
    for pipeline in of:
        found |= {run.pk: run for run in rows.filter(pipeline=pipeline)[:_OF_A_PIPELINE]}
    found = {run.pk: run for run in rows[:_OF_ALL]} | found
    ordered = sorted(found.values(), key=lambda run: (run.pipeline_id not in of, run.pipeline_id, -run.pk))
    return [
        RunGroup(group[0].pipeline.name, [RunRow(run) for run in group])
        for _, each in groupby(ordered, key=lambda run: run.pipeline_id)
        if (group := list(each))
    ]


def run_before(run: Run) -> Run | None:
    """The one that a run is compared with unless somebody says another: the last of its pipeline before it,
    or the last one that its step had made.
    """
    of_its_kind = Run.objects.filter(pipeline=run.pipeline_id, parent_step=run.parent_step_id)
    return of_its_kind.filter(pk__lt=run.pk).order_by("-pk").first()

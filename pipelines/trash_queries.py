"""What the pages and the API read of the trash. A number of queries that does not grow with what they show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import Http404

from pipelines.destinations import RUNS_FOLDER
from pipelines.inner_runs import inner_runs
from pipelines.lineage.links import touches
from pipelines.models import LONG_OF_VERSIONS, Pipeline, Run, StepOutput, TrashedRun
from pipelines.services.handing_over import takers_of
from pipelines.services.run_files import outputs_below, readings_of
from pipelines.states import TrashStatus
from studio.workspaces.models import Workspace

RUNS_PAGE = 50
PIPELINES_SHOWN = 200
_NAMED = 5
_READ = 1000
_INNER = 50  # inner runs that are looked at for what is said: each asks all versions of datasets


@dataclass(frozen=True, slots=True)
class TrashRow:
    """A run in the trash, as the list shows it."""

    trash: TrashedRun

    @property
    def run(self) -> Run:
        return self.trash.run

    @property
    def is_going(self) -> bool:
        """Whether it is being deleted: nothing brings it back."""
        return self.trash.status == TrashStatus.PURGING


def trashed_runs(workspace: Workspace) -> QuerySet[TrashedRun]:
    """The last ones first."""
    rows = TrashedRun.objects.filter(workspace=workspace).order_by("-trashed_at", "-pk")
    rows = rows.select_related(
        "trashed_by", "asked_by", "run__pipeline", "run__version", "run__experiment", "run__submitted_by"
    )
    return rows.defer("run__parameters", *(f"run__version__{name}" for name in LONG_OF_VERSIONS))


def trash_page(workspace: Workspace, page: str | int = 1) -> Page[TrashRow]:
    found: Page[Any] = Paginator(trashed_runs(workspace), RUNS_PAGE).get_page(page)
    found.object_list = [TrashRow(trash) for trash in found.object_list]
    return found


def deleted_pipelines(workspace: Workspace) -> list[Pipeline]:
    """The last ones first, no more than 200."""
    rows = Pipeline.objects.filter(workspace=workspace, deleted_at__isnull=False).select_related("deleted_by")
    return list(rows.order_by("-deleted_at", "-pk")[:PIPELINES_SHOWN])


def deleted_pipeline(workspace: Workspace, pipeline_id: int) -> Pipeline:
    """Raises Http404."""
    pipeline = Pipeline.objects.filter(workspace=workspace, pk=pipeline_id, deleted_at__isnull=False).first()
    if pipeline is None:
        raise Http404("There is no such deleted pipeline in this workspace.")
    return pipeline


def trash_row(trash: TrashedRun) -> dict[str, Any]:
    """For the API."""
    run = trash.run
    return {
        "run": run.pk,
        "pipeline": {"id": run.pipeline_id, "name": run.pipeline.name},
        "experiment": run.experiment.name,
        "run_status": run.status,
        "status": trash.status,
        "trashed_at": trash.trashed_at.isoformat(),
        "trashed_by": trash.trashed_by.username if trash.trashed_by else None,
        "why": trash.why,
        "deleted_at": trash.due_at.isoformat(),
        "output_bytes": run.output_bytes,
        "problem": trash.problem,
    }


def staying(run: Run) -> list[str]:
    """What stays of a run when it is deleted, a sentence for each; empty where all goes. Looks at no datastore.

    Of the runs that its steps had made the first fifty are looked at, with some queries for each.
    """
    family = [run.pk, *inner_runs(run.pk)]
    runs = [run, *Run.everything.filter(pk__in=family[1 : _INNER + 1]).order_by("pk")]
    said = [sentence for each in runs for sentence in (*_handed_over(each, family), *_read_by_others(each))]
    return [*dict.fromkeys(said), *_destinations(runs)]


def _handed_over(run: Run, family: Sequence[int]) -> list[str]:
    heirs: dict[str, int] = {}
    takers = takers_of(run.pk).exclude(run__in=family)  # those go with it
    for name, run_id in takers.values_list("reused_from__name", "run_id")[:_READ]:
        heirs.setdefault(name, run_id)
    sentences = [
        f"Run {run_id} reused “{name}”: its result, log and metrics go over to that run."
        for name, run_id in list(heirs.items())[:_NAMED]
    ]
    left = len(heirs) - len(sentences)
    return [*sentences, *([f"Other runs reused {left:,} more of its steps: those go over, too."] if left else [])]


def _read_by_others(run: Run) -> list[str]:
    outputs = outputs_below(run).filter(step_run__run=run.pk, step_run__reused_from=None)
    places = list(outputs.order_by("pk").values_list("datastore_id", "path")[:_READ])
    read: dict[str, set[tuple[int | None, str]]] = {}
    for reading in readings_of(run.workspace_id, run.pk):
        found = {place for place in places if place[0] == reading.datastore_id and touches(reading.path, place[1])}
        read.setdefault(reading.reader, set()).update(found)
    return [_kept_for(name, len(found)) for name, found in read.items()]


def _kept_for(name: str, count: int) -> str:
    if not count:
        return f"Files stay, for {name} reads them."
    return f"{count:,} output{' stays' if count == 1 else 's stay'}, for {name} reads {_them(count)}."


def _destinations(runs: list[Run]) -> list[str]:
    elsewhere = StepOutput.objects.filter(~Q(path__startswith=f"{RUNS_FOLDER}/"), step_run__run__in=runs)
    count = elsewhere.filter(step_run__reused_from=None).count()
    if not count:
        return []
    if count == 1:
        return ["1 output went to a destination of its own: what is there stays."]
    return [f"{count:,} outputs went to destinations of their own: what is there stays."]


def _them(count: int) -> str:
    return "it" if count == 1 else "them"

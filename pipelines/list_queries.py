"""What the lists of pipelines and runs read. A fixed number of queries, and none that grows with all runs there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, F, Manager, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower

from pipelines.models import LONG_OF_VERSIONS, Experiment, Pipeline, PipelineVersion, Run
from pipelines.queries import PINNED, run_is_pinned
from pipelines.states import RUN_OPEN, RUN_TERMINAL, RunStatus
from studio.workspaces.models import User, Workspace

PIPELINES_PAGE = 25
RUNS_PAGE = 50
APPROVAL = "approval"  # a status to ask for: a step of the run waits for the asker's answer
VERSIONS_PAGE = 10
RECENT_RUNS = 30
CHOICES_SHOWN = 300
# A text is looked for in so many names at most: whoever writes one letter gets the newest, not everything.
NAMES_MATCHED = 200

PIPELINE_ORDERS: Mapping[str, tuple[Any, ...]] = {
    "name": (Lower("name"), "id"),
    "-name": (Lower("name").desc(), "-id"),
    "changed": ("updated_at", "id"),
    "-changed": ("-updated_at", "-id"),
    "run": (F("last_run_id").asc(nulls_last=True), "id"),
    "-run": (F("last_run_id").desc(nulls_last=True), "-id"),
}
ACTIVE = "active"  # a filter that takes in every status which is not terminal
PAUSED = "paused"  # a filter, too: no status of its own, but a request beside it


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as a list shows it."""

    run: Run

    @property
    def is_over(self) -> bool:
        return self.run.status in RUN_TERMINAL

    @property
    def shown_status(self) -> str:
        if self.is_over:
            return self.run.status
        return "cancelling" if self.run.cancel_requested_at else "paused" if self.run.paused_at else self.run.status

    @property
    def is_pinned(self) -> bool:
        return run_is_pinned(self.run)

    @property
    def can_be_cancelled(self) -> bool:
        return not self.is_over and self.run.cancel_requested_at is None

    @property
    def progress_percent(self) -> int:
        return 100 * self.run.steps_done // self.run.steps_total if self.run.steps_total else 0


@dataclass(frozen=True, slots=True)
class PipelineRow:
    """A pipeline as the list shows it: with its last run, and who saved its latest version."""

    pipeline: Pipeline
    last_run: RunRow | None
    changed_by: User | None
    changed_at: datetime


def pipeline_rows(workspace: Workspace, *, q: str = "", sort: str = "", page: str | int = 1) -> Page[PipelineRow]:
    """The workspace's pipelines whose name or description holds `q`, 25 a page."""
    submitted = Run.objects.filter(pipeline=OuterRef("pk"), parent_step=None).order_by("-id")
    pipelines = Pipeline.objects.filter(workspace=workspace, deleted_at=None).annotate(
        last_run_id=Subquery(submitted.values("id")[:1])
    )
    if q:
        pipelines = pipelines.filter(Q(name__icontains=q) | Q(description__icontains=q))
    pipelines = pipelines.order_by(*PIPELINE_ORDERS.get(sort, PIPELINE_ORDERS["-changed"]))
    found: Page[Any] = Paginator(pipelines, PIPELINES_PAGE).get_page(page)
    shown = list(found.object_list)
    runs = {run.pk: run for run in _run_rows().filter(pk__in=[each.last_run_id for each in shown if each.last_run_id])}
    versions = {
        version.pipeline_id: version
        for version in PipelineVersion.objects.filter(
            pipeline__in=[each.pk for each in shown], number=F("pipeline__latest_version")
        )
        .select_related("created_by")
        .defer(*LONG_OF_VERSIONS)
    }
    found.object_list = [
        PipelineRow(
            pipeline=each,
            last_run=RunRow(runs[each.last_run_id]) if each.last_run_id in runs else None,
            changed_by=versions[each.pk].created_by if each.pk in versions else None,
            changed_at=each.updated_at,
        )
        for each in shown
    ]
    return found


@dataclass(frozen=True, slots=True)
class RunFilters:
    """What the address of the list of runs asks for. Whatever makes no sense in it is left out."""

    status: str = ""
    pipeline: int | None = None
    experiment: str = ""  # its name
    submitted_by: str = ""
    q: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "RunFilters":
        status = query.get("status", "")
        return cls(
            status=status if status in {*RunStatus.values, ACTIVE, PAUSED, APPROVAL} else "",
            pipeline=whole_number(query.get("pipeline", "")),
            experiment=query.get("experiment", "").replace("\0", "").strip()[:100],
            submitted_by=query.get("submitted_by", "").replace("\0", "").strip()[:150],
            q=query.get("q", "").replace("\0", "").strip()[:200],
        )

    def __bool__(self) -> bool:
        return bool(self.status or self.pipeline or self.experiment or self.submitted_by or self.q)


@dataclass(frozen=True, slots=True)
class RunsPage:
    """One page of runs, newest first, and where its neighbours start."""

    rows: list[RunRow]
    before: int | None  # the next older page holds runs below this number
    after: int | None  # the next newer page holds runs above this number


def runs_page(
    workspace: Workspace,
    filters: RunFilters,
    *,
    before: int | None = None,
    after: int | None = None,
    waiting: Sequence[int] = (),
) -> RunsPage:
    """The 50 newest runs below `before`, or the 50 oldest above `after`: no count, no offset.

    `waiting` are the runs that wait for the asker's answer, for whom asks for these.
    """
    parts = filtered_runs(workspace, filters, waiting)
    if after is not None:
        found = _first(parts, RUNS_PAGE + 1, newest=False, pk__gt=after)
        has_newer, shown = len(found) > RUNS_PAGE, found[:RUNS_PAGE][::-1]
        if not shown:
            return runs_page(workspace, filters, waiting=waiting)
        has_older = any(part.filter(pk__lt=shown[-1].pk).exists() for part in parts)
    else:
        bounds = {} if before is None else {"pk__lt": before}
        found = _first(parts, RUNS_PAGE + 1, newest=True, **bounds)
        has_older, shown = len(found) > RUNS_PAGE, found[:RUNS_PAGE]
        has_newer = bool(bounds and shown) and any(part.filter(pk__gt=shown[0].pk).exists() for part in parts)
    return RunsPage(
        rows=[RunRow(run) for run in shown],
        before=shown[-1].pk if shown and has_older else None,
        after=shown[0].pk if shown and has_newer else None,
    )


def filtered_runs(workspace: Workspace, filters: RunFilters, waiting: Sequence[int] = ()) -> list[QuerySet[Run]]:
    """The runs that fit, with what a list shows of them, in parts that each follow one index."""
    # A paused run is never in the trash; asked about that, SQLite would read through the index of all.
    runs = _run_rows(Run.everything if filters.status == PAUSED else Run.objects).filter(workspace=workspace)
    if filters.status not in {APPROVAL, PAUSED}:  # what a step had made asks people, too, and is paused by itself
        runs = runs.filter(parent_step=None)
    if filters.pipeline:
        runs = runs.filter(pipeline=filters.pipeline)
    if filters.experiment:
        named = Experiment.objects.filter(workspace=workspace, name=filters.experiment)
        runs = runs.filter(experiment=named.values("pk")[:1])
    if filters.submitted_by:
        # The number first: then the index by person serves.
        runs = runs.filter(submitted_by=User.objects.filter(username=filters.submitted_by).values("pk")[:1])
    if filters.q:
        runs = runs.filter(_text(workspace, filters.q))
    if filters.status == PAUSED:
        return [runs.filter(paused_at__isnull=False)]
    if filters.status == APPROVAL:
        return [runs.filter(pk__in=waiting)]
    if filters.status == ACTIVE:
        # Asked for together, the few that are active would be looked for among all runs.
        return [runs.filter(status=status) for status in RUN_OPEN]
    return [runs.filter(status=filters.status) if filters.status else runs]


def _first(parts: list[QuerySet[Run]], count: int, *, newest: bool, **bounds: int) -> list[Run]:
    """The first `count` runs within the bounds, over all parts."""
    found = [run for part in parts for run in part.filter(**bounds).order_by("-pk" if newest else "pk")[:count]]
    return sorted(found, key=lambda run: run.pk, reverse=newest)[:count]


def _text(workspace: Workspace, q: str) -> Q:
    """The names that hold `q` are looked up first: of them there are few, of runs there are many."""
    pipelines = Pipeline.objects.filter(workspace=workspace, name__icontains=q).order_by("-id").values_list("pk")
    experiments = Experiment.objects.filter(workspace=workspace, name__icontains=q).order_by("-id").values_list("pk")
    found = Q(pipeline__in=[pk for (pk,) in pipelines[:NAMES_MATCHED]])
    found |= Q(experiment__in=[pk for (pk,) in experiments[:NAMES_MATCHED]])
    number = whole_number(q.removeprefix("#"))
    return found if number is None else found | Q(pk=number)


def filter_choices(workspace: Workspace) -> dict[str, Any]:
    """What the selects above the list of runs offer."""
    has_run = Exists(Run.objects.filter(pipeline=OuterRef("pk")))
    return {
        "pipelines": Pipeline.objects.filter(has_run, workspace=workspace)
        .only("id", "name", "deleted_at")
        .order_by(Lower("name"), "id")[:CHOICES_SHOWN],
        "experiments": Experiment.objects.filter(workspace=workspace)
        .order_by(Lower("name"), "id")
        .values_list("name", flat=True)[:CHOICES_SHOWN],
        "people": User.objects.filter(memberships__workspace=workspace)
        .only("id", "username", "first_name", "last_name")
        .order_by("username")[:CHOICES_SHOWN],
    }


def recent_runs(pipeline: Pipeline) -> list[RunRow]:
    """The pipeline's newest runs, newest first."""
    return [
        RunRow(run) for run in _run_rows().filter(pipeline=pipeline, parent_step=None).order_by("-id")[:RECENT_RUNS]
    ]


def versions_page(pipeline: Pipeline, *, before: int | None = None) -> tuple[list[PipelineVersion], int | None]:
    """The 10 newest versions below the number `before`, and where the next 10 start."""
    versions = PipelineVersion.objects.filter(pipeline=pipeline).defer(*LONG_OF_VERSIONS).select_related("created_by")
    if before is not None:
        versions = versions.filter(number__lt=before)
    found = list(versions.order_by("-number")[: VERSIONS_PAGE + 1])
    return found[:VERSIONS_PAGE], found[VERSIONS_PAGE - 1].number if len(found) > VERSIONS_PAGE else None


def latest_version(pipeline: Pipeline) -> PipelineVersion | None:
    return PipelineVersion.objects.filter(pipeline=pipeline, number=pipeline.latest_version).first()


def whole_number(text: str) -> int | None:
    """The number in an address; None where it is none, or one that no row can have."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def _run_rows(runs: Manager[Run] = Run.objects) -> QuerySet[Run]:
    return (
        runs.select_related("pipeline", "experiment", "submitted_by", "paused_by", "version")
        .defer("parameters", *(f"version__{name}" for name in LONG_OF_VERSIONS))
        .annotate(is_pinned=PINNED)
        .order_by("-id")
    )

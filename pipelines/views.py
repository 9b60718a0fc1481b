"""The lists of pipelines and runs, a pipeline's own page, and help."""

from collections.abc import Mapping

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from pipelines import charts, help_texts, list_queries
from pipelines.approval_queries import runs_waiting_for
from pipelines.definition import PipelineDefinition
from pipelines.list_queries import RunFilters, RunRow, whole_number
from pipelines.models import Pipeline
from pipelines.preview import graph_of
from pipelines.states import RunStatus
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

LATEST_RUNS = 10


@require_safe
@workspace_page(Permission.VIEW)
def pipeline_list(request: WorkspaceRequest) -> HttpResponse:
    q = request.GET.get("q", "").replace("\0", "").strip()[:200]
    sort = request.GET.get("sort", "")
    page = list_queries.pipeline_rows(request.access.workspace, q=q, sort=sort, page=request.GET.get("page", 1))
    context: dict[str, object] = {
        "page_obj": page,
        "q": q,
        "sort": sort if sort in list_queries.PIPELINE_ORDERS else "-changed",
    }
    return _page_or_part(request, "pipelines/list.html", "pipelines/_list.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def run_list(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.access.workspace
    filters = RunFilters.of(request.GET.dict())
    waiting = runs_waiting_for(request.access)
    found = list_queries.runs_page(
        workspace,
        filters,
        waiting=waiting,
        before=whole_number(request.GET.get("before", "")),
        after=whole_number(request.GET.get("after", "")),
    )
    context: dict[str, object] = {"found": found, "filters": filters, "waiting": len(waiting)}
    if not request.headers.get("HX-Request"):
        context |= list_queries.filter_choices(workspace)
        context["statuses"] = [
            (list_queries.ACTIVE, "Queued or running"),
            (list_queries.APPROVAL, "Waits for your answer"),
            *RunStatus.choices,
            (list_queries.PAUSED, "Paused"),
        ]
    return _page_or_part(request, "pipelines/runs_list.html", "pipelines/_runs.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def pipeline_detail(request: WorkspaceRequest, pipeline_id: int) -> HttpResponse:
    pipeline = get_object_or_404(
        Pipeline.objects.select_related("created_by"),
        pk=pipeline_id,
        workspace=request.access.workspace,
        deleted_at=None,
    )
    runs = list_queries.recent_runs(pipeline)
    context: dict[str, object] = {"pipeline": pipeline, "rows": runs[:LATEST_RUNS], "chart": _durations(request, runs)}
    if not request.headers.get("HX-Request"):
        latest = list_queries.latest_version(pipeline)
        definition = latest.definition if latest else PipelineDefinition()
        versions, next_before = list_queries.versions_page(
            pipeline, before=whole_number(request.GET.get("versions_before", ""))
        )
        context |= {
            "latest": latest,
            "definition": definition,
            "graph": graph_of(definition),
            "versions": versions,
            "versions_before": next_before,
        }
    return _page_or_part(request, "pipelines/detail.html", "pipelines/_latest_runs.html", context)


@require_safe
@login_required
def help_page(request: HttpRequest) -> HttpResponse:
    context = {
        "roles": [role.label for role in help_texts.ROLES],
        "permissions": help_texts.permission_rows(),
        "run_picture": help_texts.run_picture(),
        "step_picture": help_texts.step_picture(),
        "run_states": help_texts.RUN_STATE_WORDS,
        "step_states": help_texts.STATE_WORDS,
    }
    return render(request, "help/help.html", context)


def _durations(request: WorkspaceRequest, runs: list[RunRow]) -> str | None:
    """The chart of the finished ones among `runs`, oldest first; None where one bar would say nothing."""
    bars = [
        charts.RunDuration(
            number=row.run.pk,
            status=row.run.status,
            word=row.run.get_status_display(),
            duration_s=(row.run.finished_at - row.run.started_at).total_seconds(),
            url=reverse("runs:detail", args=[request.access.workspace.slug, row.run.pk]),
        )
        for row in reversed(runs)
        if row.run.started_at and row.run.finished_at
    ]
    return charts.run_durations(bars) if len(bars) > 1 else None


def _page_or_part(request: WorkspaceRequest, page: str, part: str, context: Mapping[str, object]) -> HttpResponse:
    """The whole page, or for a refresh only the part of it that moves: the same partial either way."""
    response = render(request, part if request.headers.get("HX-Request") else page, context)
    patch_vary_headers(response, ["HX-Request"])
    return response

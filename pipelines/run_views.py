"""The page of one run."""

from dataclasses import replace
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from compute.models import Attempt
from datastores.viewing.notebook import NotebookViewer
from pipelines.approval_queries import open_approvals
from pipelines.child_queries import place_of
from pipelines.definition import ParameterValue
from pipelines.explaining import explain
from pipelines.inner_metrics import measured_within
from pipelines.inner_runs import has_inner_runs, outermost
from pipelines.metric_page import charts_asked, metrics_page
from pipelines.metric_queries import MAX_METRICS, measured_in, tags_json, tags_of
from pipelines.models import StepRun
from pipelines.packing import packed
from pipelines.queries import OutputFolder, is_tracked, run_of, run_state, step_of
from pipelines.run_page import (
    can_pause,
    failure_of,
    may_ask,
    paused_words,
    run_seconds,
    shown_status,
    step_rows,
    steps_words,
    ways_on,
)
from pipelines.states import RUN_TERMINAL
from pipelines.step_usage import usage_for_page
from pipelines.timeline_chart import Span, longest, timeline
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@gzip_page  # much of it is the graph, which is wordy
@require_safe
@workspace_page(Permission.VIEW)
def detail(request: WorkspaceRequest, run_id: int) -> HttpResponse:
    """The whole page as of now; its script asks for what comes after."""
    run = run_of(request.access.workspace, run_id)
    now = timezone.now()
    state = run_state(run)
    tags = tags_of(run)
    context: dict[str, Any] = {
        "run": run,
        "state": state,
        "packed": packed(state),
        "place": place_of(run),
        "trash": outermost(run).trash if run.trashed_at else None,
        "now": now,
        "is_over": run.status in RUN_TERMINAL,
        "shown_status": shown_status(state),
        "can_pause": can_pause(state),
        "paused_words": paused_words(state),
        "steps_words": steps_words(state),
        "run_seconds": run_seconds(state, now),
        "parameters": [(name, _written(value)) for name, value in run.parameters.values.items()],
        "failure": failure_of(state),
        "steps": step_rows(state, now),
        "ways_on": ways_on(state),
        "is_tracked": is_tracked(run, state),
        "tags": tags,
        "tags_state": tags_json(tags),
        "approvals": open_approvals(request.access, run) if may_ask(state) else [],
    }
    return render(request, "pipelines/run.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def failure(request: WorkspaceRequest, run_id: int) -> HttpResponse:
    """What went wrong, as the page shows it: empty while nothing has."""
    state = run_state(run_of(request.access.workspace, run_id))
    return render(request, "pipelines/run_failure.html", {"failure": failure_of(state)})


@require_safe
@workspace_page(Permission.VIEW)
def approvals(request: WorkspaceRequest, run_id: int) -> HttpResponse:
    """What waits for somebody's answer, as the page shows it: empty where nothing does."""
    run = run_of(request.access.workspace, run_id)
    return render(request, "pipelines/run_approvals.html", {"approvals": open_approvals(request.access, run)})


@require_safe
@workspace_page(Permission.VIEW)
def timeline_figure(request: WorkspaceRequest, run_id: int) -> JsonResponse:
    """The figure of the run over time, as JSON for Plotly."""
    run = run_of(request.access.workspace, run_id)
    rows = StepRun.objects.filter(run=run, reused_from=None).order_by("position")
    columns = ("name", "status", "queued_at", "started_at", "finished_at", "job_id", "attempt")
    now = timezone.now()
    spans, jobs = [], {}
    for name, status, queued_at, claimed_at, finished_at, job_id, attempt in rows.values_list(*columns):
        jobs[name] = (job_id, attempt)
        process_at = None if job_id else claimed_at
        spans.append(Span(name, status, queued_at, claimed_at, process_at, finished_at))
    shown = longest(spans, now=now)
    process_at_of = {
        (job_id, number): started_at
        for job_id, number, started_at in Attempt.objects.filter(
            job_id__in=[jobs[span.step][0] for span in shown if jobs[span.step][0]]
        ).values_list("job_id", "number", "started_at")
    }
    shown = [replace(span, process_at=process_at_of.get(jobs[span.step], span.process_at)) for span in shown]
    begun = sum(1 for span in spans if span.begun_at)
    return JsonResponse(timeline(shown, now=now, left_out=begun - len(shown)))


@require_safe
@workspace_page(Permission.VIEW)
def metrics(request: WorkspaceRequest, run_id: int) -> JsonResponse:
    """What the run's steps and the runs they had made measured, or `?step=` alone: figures for Plotly, and the rest as
    a part of the page. What an inner run measures comes with no event of this one, so its page asks again."""
    run = run_of(request.access.workspace, run_id)
    step = request.GET.get("step", "").replace("\0", "")
    measured = measured_in(run, step=step) + measured_within(run, step=step)
    page = metrics_page(measured[:MAX_METRICS], charts=charts_asked(request.GET.get("charts", "")))
    shown = {
        "page": page,
        "slug": request.access.workspace.slug,
        "is_over": run.status in RUN_TERMINAL,
    }
    return JsonResponse(
        {
            "charts": [chart.as_json() for chart in page.charts],
            "more_charts": page.more_charts,
            "asks_again": run.status not in RUN_TERMINAL and has_inner_runs(run),
            "html": render_to_string("pipelines/run_metrics.html", shown),
        }
    )


@require_safe
@workspace_page(Permission.VIEW)
def step_usage(request: WorkspaceRequest, run_id: int, name: str) -> JsonResponse:
    """What a step used, with a figure for Plotly."""
    step = step_of(run_of(request.access.workspace, run_id), name)
    return JsonResponse(usage_for_page(step, asked_attempt(request)))


@require_safe
@workspace_page(Permission.VIEW)
def step_reuse(request: WorkspaceRequest, run_id: int, name: str) -> HttpResponse:
    """Why a step ran or was reused, as a part of the page."""
    workspace = request.access.workspace
    step = step_of(run_of(workspace, run_id), name)
    return render(request, "pipelines/run_reuse.html", {"explanation": explain(workspace, step), "step": step})


@require_safe
@workspace_page(Permission.VIEW)
def step_notebook(request: WorkspaceRequest, run_id: int, name: str) -> HttpResponse:
    """A notebook in an output of a step (`?output=NAME&path=FILE`), as a part of the page: nothing of it runs.

    With `&attempt=N`, the one that this attempt left.
    """
    workspace = request.access.workspace
    step = step_of(run_of(workspace, run_id), name)
    viewer = NotebookViewer()
    try:
        folder = OutputFolder(workspace, step, request.GET.get("output", ""), attempt=asked_attempt(request))
        shown = viewer.look(folder.looked_at(request.GET.get("path", "")))
    except UserError as error:
        return render(request, "pipelines/run_file_refused.html", {"error": error}, status=error.status_code)
    return render(request, viewer.template, shown)


def asked_attempt(request: WorkspaceRequest) -> int | None:
    asked = request.GET.get("attempt", "")
    return int(asked) if asked.isdecimal() and len(asked) < 6 else None


def _written(value: ParameterValue) -> str:
    """A parameter's value as JSON writes it, so that the text "1" and the number 1 can be told apart."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)

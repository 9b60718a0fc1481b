"""The page of one run."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from compute.models import Attempt
from pipelines.definition import ParameterValue
from pipelines.models import StepRun
from pipelines.queries import run_of, run_state, step_of
from pipelines.run_page import failure_of, run_seconds, shown_status, step_rows, steps_words
from pipelines.states import RUN_TERMINAL
from pipelines.step_usage import usage_for_page
from pipelines.timeline_chart import Span, timeline
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def detail(request: WorkspaceRequest, run_id: int) -> HttpResponse:
    """The whole page as of now; its script asks for what comes after."""
    run = run_of(request.access.workspace, run_id)
    now = timezone.now()
    state = run_state(run)
    context: dict[str, Any] = {
        "run": run,
        "state": state,
        "now": now,
        "is_over": run.status in RUN_TERMINAL,
        "shown_status": shown_status(state),
        "steps_words": steps_words(state),
        "run_seconds": run_seconds(state, now),
        "parameters": [(name, _written(value)) for name, value in run.parameters.values.items()],
        "failure": failure_of(state),
        "steps": step_rows(state, now),
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
def timeline_figure(request: WorkspaceRequest, run_id: int) -> JsonResponse:
    """The figure of the run over time, as JSON for Plotly."""
    run = run_of(request.access.workspace, run_id)
    steps = list(
        StepRun.objects.filter(run=run, reused_from=None)
        .only("name", "position", "status", "queued_at", "started_at", "finished_at", "attempt", "job_id")
        .order_by("position")
    )
    process_at = {
        (job_id, number): started_at
        for job_id, number, started_at in Attempt.objects.filter(
            job_id__in=StepRun.objects.filter(run=run).values("job_id")
        ).values_list("job_id", "number", "started_at")
    }
    spans = [
        Span(
            step=step.name,
            status=step.status,
            queued_at=step.queued_at,
            claimed_at=step.started_at,
            process_at=process_at.get((step.job_id, step.attempt)) if step.job_id else None,
            finished_at=step.finished_at,
        )
        for step in steps
    ]
    return JsonResponse(timeline(spans, now=timezone.now()))


@require_safe
@workspace_page(Permission.VIEW)
def step_usage(request: WorkspaceRequest, run_id: int, name: str) -> JsonResponse:
    """What a step used, with a figure for Plotly."""
    step = step_of(run_of(request.access.workspace, run_id), name)
    asked = request.GET.get("attempt", "")
    return JsonResponse(usage_for_page(step, int(asked) if asked.isdecimal() and len(asked) < 6 else None))


def _written(value: ParameterValue) -> str:
    """A parameter's value as JSON writes it, so that the text "1" and the number 1 can be told apart."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)

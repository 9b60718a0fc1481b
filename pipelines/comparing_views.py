"""The page that has two runs side by side. Which ones, and what is shown of them, stands in its address."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from pipelines.comparing import Comparison, compare_runs, compare_steps
from pipelines.comparing.choices import run_before, runs_to_choose
from pipelines.comparing.comparison import run_seconds
from pipelines.comparing.measured import metric_pairs, overlaid
from pipelines.list_queries import RunRow, whole_number
from pipelines.metric_page import charts_asked
from pipelines.metric_queries import measured_in
from pipelines.models import Run
from pipelines.queries import run_of
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

STEPS_PAGE = 100
METRICS_SHOWN = 100
PARAMETERS_SHOWN = 200


@gzip_page
@require_safe
@workspace_page(Permission.VIEW)
def page(request: WorkspaceRequest) -> HttpResponse:
    """With one run alone, beside the one before it; with none, the choice of both."""
    workspace = request.access.workspace
    ticked = [whole_number(each) for each in request.GET.getlist("run")]  # in the list of runs
    if len(ticked) == 2 and None not in ticked:
        return _to(request, *sorted(number for number in ticked if number is not None))
    left, right = _asked(request, "left"), _asked(request, "right")
    if right and not left and (other := run_before(right)):
        return _to(request, other.pk, right.pk)
    problem = ""
    if len(ticked) not in {0, 2}:
        problem = f"{len(ticked)} runs are ticked. Choose the two that are to be compared."
    elif left and right and left.pk == right.pk:
        problem = "This is the same run twice. Choose another one on one of the sides."
    comparison = compare_runs(left, right) if left and right and not problem else None
    context: dict[str, Any] = {
        "left": left,
        "right": right,
        "problem": problem,
        "groups": runs_to_choose(workspace, left, right),
        "comparison": comparison,
    }
    return render(request, "pipelines/compare.html", context | (_shown(request, comparison) if comparison else {}))


@require_safe
@workspace_page(Permission.VIEW)
def step(request: WorkspaceRequest, name: str) -> HttpResponse:
    """A step of both runs in detail, as a part of the page."""
    left, right = _both(request)
    compared = compare_steps(request.access.workspace, left, right, name)
    return render(request, "pipelines/compare_step.html", {"compared": compared, "left": left, "right": right})


@require_safe
@workspace_page(Permission.VIEW)
def metrics(request: WorkspaceRequest) -> JsonResponse:
    """The series that both runs measured, as figures for Plotly with a line for each."""
    left, right = _both(request)
    most = charts_asked(request.GET.get("charts", ""))
    pairs = metric_pairs(measured_in(left), measured_in(right), [])
    charts, more = overlaid(pairs, (f"run {left.pk}", f"run {right.pk}"), most=most)
    return JsonResponse({"charts": [chart.as_json() for chart in charts], "more_charts": more, "html": ""})


def _shown(request: WorkspaceRequest, comparison: Comparison) -> dict[str, Any]:
    show_all = request.GET.get("show") == "all"
    opened = request.GET.get("step", "")
    steps = [pair for pair in comparison.steps if show_all or pair.differs or pair.name == opened]
    parameters = [row for row in comparison.parameters if show_all or row.differs]
    metrics = [pair for pair in comparison.metrics if show_all or pair.differs]
    pages = Paginator(steps, STEPS_PAGE)
    place = next((place for place, pair in enumerate(steps) if pair.name == opened), None)
    asked = request.GET.get("page") or (1 if place is None else place // STEPS_PAGE + 1)
    return {
        "show_all": show_all,
        "opened": opened,
        "sides": [(RunRow(run), run_seconds(run)) for run in (comparison.before, comparison.after)],
        "facts": [row for row in comparison.facts if show_all or row.differs],
        "parameters": parameters[:PARAMETERS_SHOWN],
        "more_parameters": max(0, len(parameters) - PARAMETERS_SHOWN),
        "metrics": metrics[:METRICS_SHOWN],
        "more_metrics": max(0, len(metrics) - METRICS_SHOWN),
        "page_obj": pages.get_page(asked),
        "differing_steps": sum(1 for pair in comparison.steps if pair.differs),
        "differing_parameters": sum(1 for row in comparison.parameters if row.differs),
    }


def _asked(request: WorkspaceRequest, side: str) -> Run | None:
    """Raises Http404 for a run that is none of this workspace."""
    number = whole_number(request.GET.get(side, ""))
    return run_of(request.access.workspace, number) if number is not None else None


def _both(request: WorkspaceRequest) -> tuple[Run, Run]:
    left, right = _asked(request, "left"), _asked(request, "right")
    if left is None or right is None:
        raise Http404("Name both runs: “left” and “right”.")
    return left, right


def _to(request: WorkspaceRequest, left: int, right: int) -> HttpResponse:
    kept = {name: request.GET[name] for name in ("step", "show") if name in request.GET}
    address = reverse("runs:compare", args=[request.access.workspace.slug])
    return redirect(f"{address}?{urlencode({'left': left, 'right': right, **kept})}")

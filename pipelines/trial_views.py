"""The trials of a sweep as a part of its run's page."""

import math
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from pipelines.metric_page import number_words
from pipelines.queries import run_of, step_of
from pipelines.states import STEP_TERMINAL
from pipelines.sweeping.space import as_written
from pipelines.trial_charts import MAX_LINES, Point, metric_figure, parallel_figure
from pipelines.trial_queries import Order, TrialRow, Trials, trials_of
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PAGE = 50


@gzip_page
@require_safe
@workspace_page(Permission.VIEW)
def trials(request: WorkspaceRequest, run_id: int, name: str) -> HttpResponse:
    """Figures for Plotly, and the table as a part of the page: `?page=` of it, `?order=best` for the best first."""
    workspace = request.access.workspace
    step = step_of(run_of(workspace, run_id), name)
    shown = trials_of(step)
    order: Order = "best" if request.GET.get("order") == "best" else "number"
    page = Paginator(shown.in_order(order), PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "workspace": workspace,
        "step": step,
        "sweep": {
            "metric": shown.sweep.primary_metric,
            "goal": shown.sweep.goal,
            "searched": shown.sweep.searched,
            "planned": shown.sweep.total,
        },
        "best": shown.best,
        "best_metric": _metric(shown.best) if shown.best else "",
        "best_words": _words(shown.best) if shown.best else [],
        "rows": [{"row": row, "metric": _metric(row), "cells": _words(row)} for row in page],
        "count": len(shown.rows),
        "page": page,
        "order": order,
        "is_over": step.status in STEP_TERMINAL,
    }
    html = render_to_string("pipelines/run_trials.html", context)
    return JsonResponse({"charts": _charts(workspace.slug, shown), "html": html, "is_over": context["is_over"]})


def _metric(row: TrialRow) -> str:
    return "" if row.trial.metric is None else number_words(row.trial.metric)


def _words(row: TrialRow) -> list[tuple[str, str]]:
    return [(name, as_written(value)) for name, value in row.values.items()]


def _charts(slug: str, shown: Trials) -> list[dict[str, Any]]:
    sweep = shown.sweep
    points = [
        Point(
            number=row.trial.made.number,
            run_url=reverse("runs:detail", args=[slug, row.trial.made.run_id]),
            metric=row.trial.metric,
            values=row.values,
            is_best=row.is_best,
            is_over=row.trial.made.is_over,
            is_good=row.trial.is_good,
        )
        for row in shown.rows
        if row.trial.metric is not None and math.isfinite(row.trial.metric)
    ]
    if not points:
        return []
    maximize = sweep.goal == "maximize"
    over = sum(point.is_over for point in points)
    charts = [
        {
            "key": "metric",
            "title": f"{sweep.primary_metric} of each trial",
            "note": "",
            "figure": metric_figure(points, sweep.primary_metric, maximize=maximize),
        }
    ]
    if over:
        parallel = {
            "key": "parallel",
            "title": f"Values and {sweep.primary_metric}",
            "note": f"the best {MAX_LINES} of {over:,} trials" if over > MAX_LINES else "",
            "figure": parallel_figure(points, sweep.space, sweep.primary_metric, maximize=maximize),
        }
        charts.insert(0, parallel)
    return charts

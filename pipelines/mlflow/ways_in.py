"""The addresses that MLflow's clients print as they end a run: they are written for MLflow's own pages, with what is
meant behind a `#`, which no server hears. A script of the page says it again, as a query.
"""

from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views import View

from pipelines.models import Experiment, StepRun
from pipelines.tracked_runs import parts_of
from studio.workspaces.models import Workspace
from studio.workspaces.queries import workspaces_of


class WayInView(View):
    """`?run=r17-s204` leads to that step's run, `?experiment=12` to the runs of that experiment. Members alone."""

    http_method_names = ("get", "head")

    def get(self, request: HttpRequest, slug: str | None = None) -> HttpResponseBase:
        run, experiment = request.GET.get("run"), request.GET.get("experiment")
        if run is None and experiment is None:
            return render(request, "pipelines/mlflow.html")
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        places = workspaces_of(request.user)
        if slug is not None:
            places = places.filter(slug=slug)
        return redirect(_of_run(places, run) if run is not None else _of_experiment(places, experiment or ""))


def _of_run(places: QuerySet[Workspace], name: str) -> str:
    parts = parts_of(name)
    rows = StepRun.objects.filter(run__workspace__in=places).select_related("run__workspace")
    step = rows.only("name", "run__workspace__slug").filter(run=parts[0], pk=parts[1]).first() if parts else None
    if step is None:
        raise Http404("There is no such run.")
    page = reverse("runs:detail", args=[step.run.workspace.slug, step.run_id])
    return f"{page}?{urlencode({'step': step.name})}"


def _of_experiment(places: QuerySet[Workspace], number: str) -> str:
    is_number = number.isascii() and number.isdecimal() and len(number) <= 18
    rows = Experiment.objects.filter(workspace__in=places).select_related("workspace")
    experiment = rows.filter(pk=int(number)).first() if is_number else None
    if experiment is None:
        raise Http404("There is no such experiment.")
    page = reverse("runs:list", args=[experiment.workspace.slug])
    return f"{page}?{urlencode({'experiment': experiment.name})}"

"""The pages of models: the list, one of them, and the form that registers what a step left."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from datastores.pages.dataset_forms import written_tags
from datastores.pages.dataset_views import whole_number
from pipelines import model_queries, services
from pipelines.model_forms import RegisterForm
from pipelines.models import StepRun
from pipelines.queries import run_of, step_of
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.states import ModelStage
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PAGE_SIZE = 50
VERSIONS_PER_PAGE = 25
TABS = {"files": "Files", "lineage": "Made by, used by", "versions": "Versions"}


@require_safe
@workspace_page(Permission.VIEW)
def model_list(request: WorkspaceRequest) -> HttpResponse:
    text, stage = request.GET.get("q", "").strip().replace("\0", ""), request.GET.get("stage", "")
    models = model_queries.models_in(request.access.workspace, text=text, stage=stage)
    page = Paginator(models, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page_obj": page,
        "rows": model_queries.with_latest(list(page.object_list)),
        "q": text,
        "stage": stage,
        "stages": ModelStage.choices,
        "is_filtered": bool(text or stage),
    }
    return render(request, "models/list.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def model_detail(request: WorkspaceRequest, model_id: int) -> HttpResponse:
    """`version` (the newest without it) and `tab`; what a tab shows is loaded by the page itself."""
    model = model_queries.model_in(request.access.workspace, model_id)
    number = whole_number(request, "version")
    version = model_queries.latest_of(model) if number is None else model_queries.version_of(model, number)
    tab = request.GET.get("tab", "files")
    if tab not in TABS:
        raise Http404(f"There is no tab “{tab}”.")
    versions = Paginator(model_queries.versions_of(model), VERSIONS_PER_PAGE).get_page(request.GET.get("versions"))
    context: dict[str, Any] = {"model": model, "version": version, "tab": tab, "tabs": TABS, "versions": versions}
    if version is not None:
        context |= _about(request, model, version)
    return render(request, "models/detail.html", context)


@workspace_page(Permission.EDIT_MODELS)
def register(request: WorkspaceRequest) -> HttpResponse:
    """`?run=N&step=NAME` with `output=NAME`, or `artifact=PATH` and `attempt=N`: what becomes a version of a model."""
    step, left = _asked(request)
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            done = services.register_model(request.access, step, left, **form.said())
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, done.words)
            return redirect(page_of(done.version))
    files = urlencode({"step": step.name, "tab": "files" if left.output else "artifacts"})
    context = {
        "form": form,
        "step": step,
        "left": left,
        "names": model_queries.names_in(request.access.workspace),
        "back_url": f"{reverse('runs:detail', args=[request.access.workspace.slug, step.run_id])}?{files}",
    }
    return render(request, "models/register.html", context, status=400 if form.errors else 200)


def page_of(version: ModelVersion) -> str:
    """The address of the page of a version whose model has its workspace."""
    page = reverse("models:detail", args=[version.model.workspace.slug, version.model_id])
    return f"{page}?version={version.number}"


def _about(request: WorkspaceRequest, model: RegisteredModel, version: ModelVersion) -> dict[str, Any]:
    production = model_queries.production_of(model)
    return {
        "production": production,
        "replaces": production if production != version.number else None,
        "stages": [choice for choice in ModelStage.choices if choice[0] != version.stage],
        "may_delete": services.may_delete(request.access, version),
        "run": model_queries.run_that_made(version),
        "written_tags": written_tags(version.tags.tags),
        "bindings": [
            f"{model.name}:{version.number}",
            *([f"{model.name}@{version.stage}"] if version.stage in {"staging", "production"} else []),
        ],
    }


def _asked(request: WorkspaceRequest) -> tuple[StepRun, services.Left]:
    """Raises Http404."""
    number = whole_number(request, "run")
    if number is None:
        raise Http404("Say which run: models are registered from the page of a run.")
    step = step_of(run_of(request.access.workspace, number), request.GET.get("step", ""))
    return step, services.Left(
        output=request.GET.get("output", "").replace("\0", ""),
        artifact=request.GET.get("artifact", ""),
        attempt=whole_number(request, "attempt"),
    )

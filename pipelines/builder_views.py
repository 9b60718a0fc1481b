"""The pages that make and edit a pipeline. Editing itself goes through the API."""

from typing import Any

from django.db.models import Q, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from compute.models import Environment
from datastores.backends import store_class
from datastores.models import DatasetVersion, Datastore
from pipelines.catalogue import compute_choices, database_choices, kind_of_definition, visible
from pipelines.definition import PipelineDefinition
from pipelines.kinds import KINDS
from pipelines.kinds.describing import described
from pipelines.list_queries import whole_number
from pipelines.models import Pipeline, PipelineVersion
from pipelines.registered import ModelVersion
from pipelines.services.editing import create_pipeline
from pipelines.states import ModelStage
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission

VERSIONS_TO_CHOOSE = 20  # of each dataset and environment, newest first


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_page(Permission.EDIT_PIPELINES)
def new(request: WorkspaceRequest) -> HttpResponse:
    """A name for a new pipeline; from there on to the builder."""
    given = {field: request.POST.get(field, "") for field in ("name", "description")}
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            pipeline = create_pipeline(request.access, **given)
        except UserError as error:
            errors = {str(problem.loc[0]) if problem.loc else "name": problem.message for problem in error.problems}
        else:
            return HttpResponseRedirect(reverse("pipelines:edit", args=[request.access.workspace.slug, pipeline.pk]))
    return render(
        request, "pipelines/builder_new.html", {"given": given, "errors": errors}, status=422 if errors else 200
    )


@gzip_page  # most of it is what there is to choose from
@require_safe
@workspace_page(Permission.VIEW)
def edit(request: WorkspaceRequest, pipeline_id: int) -> HttpResponse:
    """The builder. `?version=N` shows an older version, to look at and to restore; readers only ever look."""
    access = request.access
    pipeline = get_object_or_404(Pipeline, pk=pipeline_id, workspace=access.workspace, deleted_at=None)
    shown = _shown_version(pipeline, request.GET.get("version", ""))
    is_old = shown is not None and shown.number != pipeline.latest_version
    may_edit = access.may(Permission.EDIT_PIPELINES)
    definition = shown.definition if shown else PipelineDefinition()
    edit_url = reverse("pipelines:edit", args=[access.workspace.slug, pipeline.pk])
    data: dict[str, Any] = {
        "workspace": access.workspace.slug,
        "api": f"/api/workspaces/{access.workspace.slug}",
        "pipeline": {
            "id": pipeline.pk,
            "name": pipeline.name,
            "description": pipeline.description,
            "latest_version": pipeline.latest_version,
        },
        "version": shown.number if shown else 0,
        "shown": {"number": shown.number} if shown else None,
        "definition": definition.model_dump(mode="json"),
        "read_only": is_old or not may_edit,
        "catalogue": _catalogue(access.workspace),
        "urls": {
            "edit": edit_url,
            "publish": reverse("modules:publish", args=[access.workspace.slug]),
            "changes": reverse("sources:changes", args=[access.workspace.slug, "0"]),
        },
    }
    context = {
        "pipeline": pipeline,
        "definition": definition,
        "shown": shown,
        "is_old": is_old,
        "may_edit": may_edit,
        "data": data,
        "kinds": [(name, kind) for name, kind in KINDS.items() if kind.offered],
        "edit_url": edit_url,
    }
    return render(request, "pipelines/builder.html", context)


def _shown_version(pipeline: Pipeline, asked: str) -> PipelineVersion | None:
    """The version asked for, else the latest; None where nothing has been saved yet."""
    if asked == "" and not pipeline.latest_version:
        return None
    number = pipeline.latest_version if asked == "" else whole_number(asked)
    versions = pipeline.versions.select_related("created_by")
    version = None if number is None else versions.filter(number=number).first()
    if version is None:
        raise Http404("The pipeline has no such version.")
    return version


def _catalogue(workspace: Workspace) -> dict[str, Any]:
    """What a step can be told to use. Six queries, whatever there is."""
    datasets: dict[str, dict[str, Any]] = {}
    # A dataset that every run adds a version to has thousands.
    age = Window(RowNumber(), partition_by="dataset_id", order_by="-number")
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace).annotate(kind=kind_of_definition(), age=age)
    versions = versions.filter(age__lte=VERSIONS_TO_CHOOSE)
    for pk, name, number, kind in versions.order_by("dataset__name", "-number").values_list(
        "dataset_id", "dataset__name", "number", "kind"
    ):
        url = reverse("datasets:detail", args=[workspace.slug, pk])
        entry = datasets.setdefault(name, {"name": name, "url": url, "versions": [], "tables": []})
        _add_version(entry, number)
        if kind == "tabular":
            entry["tables"].append(number)
    environments: dict[str, dict[str, Any]] = {}
    rows = list(visible(Environment.objects.all(), workspace).order_by("name", "-version"))
    own = {row.name for row in rows if row.workspace_id}
    for row in rows:
        # One of the workspace stands before a shared one of that name.
        if row.workspace_id or row.name not in own:
            _add_version(environments.setdefault(row.name, {"name": row.name, "versions": []}), row.version)
    return {
        "kinds": [described(kind) for kind in KINDS.values()],
        "datasets": list(datasets.values()),
        "models": _models(workspace),
        "environments": list(environments.values()),
        "datastores": _datastores(workspace),
        "databases": database_choices(workspace),
        "computes": compute_choices(workspace),
    }


def _models(workspace: Workspace) -> list[dict[str, Any]]:
    """The newest versions of each, and the stages that can be asked for."""
    age = Window(RowNumber(), partition_by="model_id", order_by="-number")
    versions = ModelVersion.objects.filter(model__workspace=workspace).annotate(age=age)
    asked = Q(age__lte=VERSIONS_TO_CHOOSE) | Q(stage__in=[ModelStage.PRODUCTION, ModelStage.STAGING])
    models: dict[str, dict[str, Any]] = {}
    for pk, name, number, stage, age_now in (
        versions.filter(asked)
        .order_by("model__name", "-number")
        .values_list("model_id", "model__name", "number", "stage", "age")
    ):
        url = reverse("models:detail", args=[workspace.slug, pk])
        entry = models.setdefault(name, {"name": name, "url": url, "versions": [], "stages": []})
        if age_now <= VERSIONS_TO_CHOOSE:
            entry["versions"].append(number)
        if stage in {ModelStage.PRODUCTION, ModelStage.STAGING} and stage not in entry["stages"]:
            entry["stages"].append(stage)
    return list(models.values())


def _datastores(workspace: Workspace) -> list[dict[str, Any]]:
    """Those that outputs can be written to."""
    rows = Datastore.objects.filter(workspace=workspace).values_list("name", "kind", "is_default")
    return [
        {"name": name, "is_default": is_default}
        for name, kind, is_default in rows
        if (store := store_class(kind)).holds == "files" and store.is_writable
    ]


def _add_version(entry: dict[str, Any], number: int) -> None:
    if len(entry["versions"]) < VERSIONS_TO_CHOOSE:
        entry["versions"].append(number)

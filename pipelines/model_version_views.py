"""What the page of a model loads later, and what its buttons do."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from datastores.icons import icon_of
from datastores.pages.dataset_forms import written_tags
from datastores.paths import clean_path, crumbs, join
from pipelines import model_queries, services
from pipelines.model_downloads import send_model
from pipelines.model_files import condition_of
from pipelines.model_forms import WordsForm
from pipelines.model_views import page_of
from pipelines.registered import ModelVersion
from pipelines.states import ModelStage
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def files(request: WorkspaceRequest, model_id: int, number: int) -> HttpResponse:
    """A folder of the files (`path`, and `after` for its next page), and whether they are what they were."""
    version = _version(request, model_id, number)
    context: dict[str, Any] = {"model": version.model, "version": version}
    is_top = not request.GET.get("path") and not request.GET.get("after")  # who goes on from there was told
    context["condition"], context["condition_words"] = condition_of(version) if is_top else ("there", "")
    if context["condition"] != "gone":
        try:
            context |= _listed(version, request.GET.get("path", ""), request.GET.get("after") or None)
        except (UserError, Http404, OSError) as error:
            context["error"] = error
    return render(request, "models/parts/files.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def lineage(request: WorkspaceRequest, model_id: int, number: int) -> HttpResponse:
    version = _version(request, model_id, number)
    run = model_queries.run_that_made(version)
    if run is not None:
        run.workspace = request.access.workspace
    context = {
        "version": version,
        "run": run,
        "read": model_queries.datasets_read(run) if run else [],
        "readers": model_queries.runs_that_read(version),
    }
    return render(request, "models/parts/lineage.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def download(request: WorkspaceRequest, model_id: int, number: int) -> HttpResponseBase:
    """All files as an archive, or the one file that `path` names, or that the version is."""
    version = _version(request, model_id, number)
    try:
        return send_model(version, request.GET.get("path", ""))
    except UserError as error:
        messages.error(request, str(error))
        return redirect(page_of(version))


@require_POST
@workspace_page(Permission.EDIT_MODELS)
def stage(request: WorkspaceRequest, model_id: int, number: int) -> HttpResponse:
    """`replaces` is the number of the version of which the page said that it leaves production; empty for none."""
    version = _version(request, model_id, number)
    wanted, replaces = request.POST.get("stage", ""), request.POST.get("replaces", "")
    told = int(replaces) if replaces.isascii() and replaces.isdecimal() and len(replaces) < 10 else None
    try:
        left = services.set_stage(request.access, version, wanted, replaces=told, is_told=True)
    except UserError as error:
        messages.error(request, str(error))
    else:
        words = "has no stage now" if wanted == ModelStage.NONE else f"is in {ModelStage(wanted).label.lower()} now"
        words = "is archived now" if wanted == ModelStage.ARCHIVED else words
        messages.success(request, f"{version} {words}{services.archived_words(left)}.")
    return redirect(page_of(version))


@workspace_page(Permission.EDIT_MODELS)
def version_edit(request: WorkspaceRequest, model_id: int, number: int) -> HttpResponse:
    """What is said of a version."""
    version = _version(request, model_id, number)
    said = {"description": version.description, "tags": written_tags(version.tags.tags)}
    form = WordsForm(request.POST or None, initial=said)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_model_version(request.access, version, **form.cleaned_data)
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, "Saved.")
            return redirect(page_of(version))
    context = {"form": form, "model": version.model, "version": version}
    context["may_delete"] = services.may_delete(request.access, version)
    return render(request, "models/edit.html", context, status=400 if form.errors else 200)


@workspace_page(Permission.EDIT_MODELS)
def model_edit(request: WorkspaceRequest, model_id: int) -> HttpResponse:
    """What is said of a model."""
    model = model_queries.model_in(request.access.workspace, model_id)
    said = {"description": model.description, "tags": written_tags(model.tags.tags)}
    form = WordsForm(request.POST or None, initial=said)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_model(request.access, model, **form.cleaned_data)
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, "Saved.")
            return redirect("models:detail", request.access.workspace.slug, model.pk)
    context = {"form": form, "model": model, "may_delete": services.may_delete_model(request.access, model)}
    return render(request, "models/edit.html", context, status=400 if form.errors else 200)


@require_POST
@workspace_page(Permission.EDIT_MODELS)
def version_delete(request: WorkspaceRequest, model_id: int, number: int) -> HttpResponse:
    version = _version(request, model_id, number)
    try:
        services.delete_model_version(request.access, version)
    except (UserError, PermissionDenied) as error:
        messages.error(request, str(error))
        return redirect(page_of(version))
    messages.success(request, f"{version} is deleted. Its files are still where they were.")
    return redirect("models:detail", request.access.workspace.slug, model_id)


@require_POST
@workspace_page(Permission.EDIT_MODELS)
def model_delete(request: WorkspaceRequest, model_id: int) -> HttpResponse:
    model = model_queries.model_in(request.access.workspace, model_id)
    try:
        services.delete_model(request.access, model)
    except (UserError, PermissionDenied) as error:
        messages.error(request, str(error))
        return redirect("models:detail", request.access.workspace.slug, model_id)
    messages.success(request, f"{model.name} is deleted. Its files are still where they were.")
    return redirect("models:list", request.access.workspace.slug)


def _version(request: WorkspaceRequest, model_id: int, number: int) -> ModelVersion:
    return model_queries.version_of(model_queries.model_in(request.access.workspace, model_id), number)


def _listed(version: ModelVersion, path: str, after: str | None) -> dict[str, Any]:
    """A folder's entries, each with its path below the version. Raises UserError, Http404, OSError."""
    path = clean_path(path)
    folder = model_queries.ModelFolder(version.model.workspace, version)
    listing = folder.list(path, after=after)
    url = reverse("models:files", args=[version.model.workspace.slug, version.model_id, version.number])
    return {
        "entries": [(entry, join(path, entry.name), icon_of(entry)) for entry in listing.entries],
        "crumbs": list(crumbs(path)),
        "path": path,
        "after": listing.after,
        "files_url": url,
    }

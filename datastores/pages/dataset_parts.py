"""What the page of a dataset loads after it is shown: all that asks a datastore, which may take its time."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from datastores import dataset_queries, queries, services
from datastores.changes import FileChange, changes_since, schema_changes
from datastores.datasets import page_of_files, summarise
from datastores.icons import icon_of
from datastores.models import DatasetVersion
from datastores.pages.dataset_views import whole_number
from datastores.sources import TabularDefinition, paths_of
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

FILES_PER_PAGE = 100
COUNT_BUDGET_S = 1.0
ROWS = 100


@require_safe
@workspace_page(Permission.VIEW)
def files(request: WorkspaceRequest, dataset_id: int, number: int) -> HttpResponse:
    version = _version(request, dataset_id, number)
    paths, workspace_id = paths_of(version.definition), version.dataset.workspace_id
    page = whole_number(request, "page") or 1
    context: dict[str, Any] = {"version": version, "page": page}
    context["detail_url"] = reverse("datasets:detail", args=[request.access.workspace.slug, dataset_id])
    try:
        found, has_more = page_of_files(paths, workspace_id=workspace_id, page=page, per_page=FILES_PER_PAGE)
        if found:
            context["summary"] = summarise(paths, workspace_id=workspace_id, first=0, budget_s=COUNT_BUDGET_S)
    except UserError as error:
        context["error"] = error
    else:
        context |= {"files": [(file, icon_of(file.entry)) for file in found], "has_more": has_more}
    return render(request, "datasets/parts/files.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def preview(request: WorkspaceRequest, table_id: int, number: int) -> HttpResponse:
    from datastores.tabular import reading

    version = _version(request, table_id, number)
    context: dict[str, Any] = {}
    try:
        definition = _table(version)
        context["preview"] = reading.preview(definition, workspace_id=version.dataset.workspace_id, rows=ROWS)
    except UserError as error:
        context["error"] = error
    return render(request, "datasets/parts/preview.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def changes(request: WorkspaceRequest, dataset_id: int, number: int) -> HttpResponse:
    """Empty where nothing changed, or nobody knows."""
    version = _version(request, dataset_id, number)
    context: dict[str, Any] = {"version": version, "dataset": version.dataset}
    try:
        found = changes_since(version)
        schema = schema_changes(version)
    except UserError as error:
        return render(request, "datasets/parts/changes.html", {**context, "error": error})
    if found is not None:
        slug = request.access.workspace.slug
        datastores = dataset_queries.datastores_named(request.access.workspace, [version])
        context["shown"] = [(change, _link(slug, change, set(datastores))) for change in found.first]
        context["more"] = found.total - len(found.first)
    return render(request, "datasets/parts/changes.html", {**context, "changes": found, "schema": schema})


@require_POST
@workspace_page(Permission.EDIT_DATA)
def version_again(request: WorkspaceRequest, dataset_id: int, number: int) -> HttpResponse:
    """A new version of the same definition: the data has moved on."""
    version = _version(request, dataset_id, number)
    try:
        made, is_new = services.make_again(version, actor=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return redirect("datasets:detail", request.access.workspace.slug, dataset_id)
    messages.success(
        request, f"{made} is ready: new runs read it." if is_new else f"Nothing changed: {made} says just this."
    )
    return redirect("datasets:detail", request.access.workspace.slug, dataset_id)


def _version(request: WorkspaceRequest, dataset_id: int, number: int) -> DatasetVersion:
    return queries.version_of(queries.dataset_in(request.access.workspace, dataset_id), number)


def _table(version: DatasetVersion) -> TabularDefinition:
    if not isinstance(version.definition, TabularDefinition):
        raise UserError("This dataset names files: it has no rows. Make a table of them to see rows.")
    return version.definition


def _link(slug: str, change: FileChange, datastores: set[int]) -> str:
    """Where the file can be seen: nowhere once it is gone, or where its name is no text."""
    file = change.file
    if change.kind == "removed" or file.datastore_id not in datastores or not file.is_addressable:
        return ""
    address = reverse("datastores:file", args=[slug, file.datastore_id])
    return f"{address}?{urlencode({'path': file.path})}"

"""The forms that make datasets of files, and new versions of any dataset. `table_views` has those of tables."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from datastores import queries, services
from datastores.backends import Table, get_database, store_class
from datastores.pages import table_views
from datastores.pages.dataset_forms import DatasetForm, PathRows, VersionForm, written_tags
from datastores.pages.dataset_pages import offered_datastores
from datastores.sources import paths_of
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@workspace_page(Permission.EDIT_DATA)
def dataset_new(request: WorkspaceRequest) -> HttpResponse:
    """GET takes `kind`, `datastore` and any number of `path`, or a `table` and its `schema`, to begin with.

    The pages of datastores link here with them.
    """
    if request.GET.get("kind") == "table":
        return table_views.table_new(request)
    if query := _of_a_database(request):
        return redirect(f"{request.path}?{query}")
    is_post = request.method == "POST"
    form = DatasetForm(request.POST if is_post else None)
    rows = PathRows.from_query(request.POST if is_post else request.GET)
    if is_post:
        is_valid = form.is_valid()
        try:
            paths = services.checked_paths(request.access.workspace, rows.data_paths())
            if is_valid:
                version = services.create_dataset(
                    request.access.workspace, paths=paths, actor=request.user, **form.cleaned_data
                )
                messages.success(request, f"{version} is ready: steps can read it.")
                return redirect("datasets:detail", request.access.workspace.slug, version.dataset_id)
        except UserError as error:
            rows = rows.with_problems(form.show(error.problems))
    return _form_page(request, form, rows, {}, status=400 if is_post else 200)


def _of_a_database(request: WorkspaceRequest) -> str:
    """For `datastore` that is a database, the form of a table that reads all of `table`, as a query; else nothing."""
    asked = request.GET.get("datastore", "")
    datastore_id = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= 18 else 0
    datastore = queries.datastores_in(request.access.workspace).filter(pk=datastore_id).first()
    if datastore is None or store_class(datastore.kind).holds != "tables":
        return ""
    form = {"kind": "table", "where": "query", "sql_datastore": str(datastore.pk)}
    if name := request.GET.get("table", ""):
        database = get_database(datastore)
        try:
            form["query"] = database.select_all(Table(request.GET.get("schema") or None, name))
        finally:
            database.close()
    return urlencode(form)


@workspace_page(Permission.EDIT_DATA)
def version_new(request: WorkspaceRequest, dataset_id: int) -> HttpResponse:
    dataset = queries.dataset_in(request.access.workspace, dataset_id)
    latest = queries.version_of(dataset, None)
    if latest.is_tabular:
        return table_views.table_version_new(request, dataset, latest)
    is_post = request.method == "POST"
    form = VersionForm(request.POST if is_post else None, initial={"tags": written_tags(latest.tags.tags)})
    rows = PathRows.from_query(request.POST) if is_post else PathRows.from_paths(paths_of(latest.definition))
    if is_post and form.is_valid():
        try:
            version, is_new = services.add_dataset_version(
                dataset, paths=rows.data_paths(), actor=request.user, **form.cleaned_data
            )
        except UserError as error:
            rows = rows.with_problems(form.show(error.problems))
        else:
            messages.success(
                request,
                f"{version} is ready: new runs read it." if is_new else f"Nothing changed: {version} says just this.",
            )
            return redirect("datasets:detail", request.access.workspace.slug, dataset.pk)
    return _form_page(request, form, rows, {"dataset": dataset, "latest": latest}, status=400 if is_post else 200)


def _form_page(
    request: WorkspaceRequest, form: DatasetForm | VersionForm, rows: PathRows, context: dict[str, Any], *, status: int
) -> HttpResponse:
    workspace = request.access.workspace
    datastores = offered_datastores(workspace)
    context |= {
        "form": form,
        "datastores": datastores,
        "rows": rows.shown(datastores),
        "blank_row": PathRows([]).shown(datastores)[0],
        "general_problems": rows.general,
        "preview_url": reverse("api-dataset-preview", args=[workspace.slug]),
        "datastores_url": reverse("api-datastores", args=[workspace.slug]),
    }
    return render(request, "datasets/form.html", context, status=status)

"""The form of a table, with a look at its first rows while it is filled in."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from datastores import services
from datastores.models import Dataset, DatasetVersion
from datastores.pages.dataset_forms import DatasetForm, PathRows, VersionForm, written_tags
from datastores.pages.dataset_pages import offered_datastores
from datastores.pages.table_forms import TableForm
from datastores.tabular.inference import Inference
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

ROWS = 30


def table_new(request: WorkspaceRequest) -> HttpResponse:
    is_post = request.method == "POST"
    table = TableForm.from_query(request.POST if is_post else request.GET)
    form = DatasetForm(request.POST if is_post else None)
    if is_post:
        is_valid = form.is_valid()
        try:
            found = services.settle_table(request.access.workspace, table.draft())
            if is_valid:
                version = services.create_table(
                    request.access.workspace, definition=found.definition, actor=request.user, **form.cleaned_data
                )
                messages.success(request, f"{version} is ready: steps can read it.")
                return redirect("datasets:detail", request.access.workspace.slug, version.dataset_id)
        except UserError as error:
            table.show(form.show(error.problems))
    return _page(request, table, {"form": form}, status=400 if is_post else 200)


def table_version_new(request: WorkspaceRequest, dataset: Dataset, latest: DatasetVersion) -> HttpResponse:
    is_post = request.method == "POST"
    table = TableForm.from_query(request.POST) if is_post else TableForm.from_definition(latest.definition)
    form = VersionForm(request.POST if is_post else None, initial={"tags": written_tags(latest.tags.tags)})
    if is_post and form.is_valid():
        try:
            found = services.settle_table(request.access.workspace, table.draft())
            version, is_new = services.add_table_version(
                dataset, definition=found.definition, actor=request.user, **form.cleaned_data
            )
        except UserError as error:
            table.show(form.show(error.problems))
        else:
            messages.success(
                request,
                f"{version} is ready: new runs read it." if is_new else f"Nothing changed: {version} says just this.",
            )
            return redirect("datasets:detail", request.access.workspace.slug, dataset.pk)
    context = {"form": form, "dataset": dataset, "latest": latest}
    return _page(request, table, context, status=400 if is_post else 200)


@require_POST
@workspace_page(Permission.EDIT_DATA)
def table_part(request: WorkspaceRequest) -> HttpResponse:
    """What the form shows of the table that is typed in it: settings as they were found, and the first rows."""
    table = TableForm.from_query(request.POST)
    return render(request, "datasets/parts/table_found.html", _looked(request, table))


def _looked(request: WorkspaceRequest, table: TableForm) -> dict[str, Any]:
    from datastores.tabular import reading

    found: Inference | None = None
    context: dict[str, Any] = {"is_empty": not table.says_where}
    try:
        if table.says_where:
            found = services.settle_table(request.access.workspace, table.draft())
            context["preview"] = reading.preview(found.definition, workspace_id=request.access.workspace.pk, rows=ROWS)
    except UserError as error:
        table.show(error.problems)
    if found is not None:
        context["notes"] = found.notes
        context["steps"] = found.definition.transformations
    return context | table.context(found.definition if found else None)


def _page(request: WorkspaceRequest, table: TableForm, context: dict[str, Any], *, status: int) -> HttpResponse:
    workspace = request.access.workspace
    datastores = offered_datastores(workspace)
    context |= {
        "datastores": datastores,
        "databases": offered_datastores(workspace, holds="tables"),
        "rows": table.rows.shown(datastores),
        "blank_row": PathRows([]).shown(datastores)[0],
        "general_problems": table.rows.general,
        "preview_url": reverse("api-dataset-preview", args=[workspace.slug]),
        "datastores_url": reverse("api-datastores", args=[workspace.slug]),
        "part_url": reverse("datasets:table_part", args=[workspace.slug]),
        "is_empty": not table.says_where,
        **table.context(None),
    }
    return render(request, "datasets/table_form.html", context, status=status)

"""The pages of datasets: the list, one of them, and its words. `dataset_parts` fills what a page loads later."""

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_POST, require_safe

from datastores import dataset_queries, queries, services
from datastores.definition_words import paths_words, source_words
from datastores.pages.dataset_pages import facts_of
from datastores.pages.forms import DescriptionForm
from datastores.sources import QuerySource
from datastores.tabular import isolated
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PAGE_SIZE = 50
VERSIONS_PER_PAGE = 25


@require_safe
@workspace_page(Permission.VIEW)
def dataset_list(request: WorkspaceRequest) -> HttpResponse:
    isolated.warm()  # whoever looks around here is about to look into a table
    workspace = request.access.workspace
    text, kind = request.GET.get("q", "").strip().replace("\0", ""), request.GET.get("kind", "")
    datasets = dataset_queries.datasets_in(workspace, text=text, kind=kind)
    page = Paginator(datasets, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = dataset_queries.with_latest(list(page.object_list))
    datastores = dataset_queries.datastores_named(workspace, [row.latest for row in rows])
    context = {
        "page_obj": page,
        "rows": [(row, _sources(row.latest, datastores)) for row in rows],
        "q": text,
        "kind": kind,
        "is_filtered": bool(text or kind),
    }
    return render(request, "datasets/list.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def dataset_detail(request: WorkspaceRequest, dataset_id: int) -> HttpResponse:
    """`version` (the newest without it) and `tab`; what a tab shows is loaded by the page itself."""
    workspace = request.access.workspace
    dataset = queries.dataset_in(workspace, dataset_id)
    version = queries.version_of(dataset, whole_number(request, "version"))
    context: dict[str, Any] = {"dataset": dataset, "version": version, **facts_of(version)}
    # Who made a version and who reads it is known above the data: where nobody knows there is no such tab.
    with suppress(NoReverseMatch):
        context["lineage_url"] = reverse("lineage:of_version", args=[workspace.slug, version.pk])
        context["tabs"].append("lineage")
    tabs = context["tabs"]
    tab = request.GET.get("tab", tabs[0])
    if tab not in tabs:
        raise Http404(f"There is no tab “{tab}”.")
    context["tab"] = tab
    context["compare_url"] = reverse("datasets:compare", args=[workspace.slug]) if version.is_tabular else ""
    context["page"] = whole_number(request, "page") or 1
    versions = Paginator(queries.versions_of(dataset), VERSIONS_PER_PAGE)
    context["versions"] = versions.get_page(request.GET.get("versions"))
    return render(request, "datasets/detail.html", context)


@workspace_page(Permission.EDIT_DATA)
def dataset_edit(request: WorkspaceRequest, dataset_id: int) -> HttpResponse:
    dataset = queries.dataset_in(request.access.workspace, dataset_id)
    form = DescriptionForm(request.POST or None, initial={"description": dataset.description})
    if request.method == "POST" and form.is_valid():
        try:
            services.change_dataset(dataset, actor=request.user, **form.cleaned_data)
        except UserError as error:
            form.show(error)
        else:
            messages.success(request, "Saved.")
            return redirect("datasets:detail", request.access.workspace.slug, dataset.pk)
    return render(request, "datasets/edit.html", {"form": form, "dataset": dataset}, status=400 if form.errors else 200)


@require_POST
@workspace_page(Permission.EDIT_DATA)
def dataset_delete(request: WorkspaceRequest, dataset_id: int) -> HttpResponse:
    dataset = queries.dataset_in(request.access.workspace, dataset_id)
    services.delete_dataset(dataset, actor=request.user)
    messages.success(request, f"{dataset.name} is deleted. Its files are still where they were.")
    return redirect("datasets:list", request.access.workspace.slug)


def whole_number(request: WorkspaceRequest, name: str) -> int | None:
    """A whole number from the address. Raises Http404 for anything else."""
    text = request.GET.get(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise Http404(f"There is no {name} “{text}”.")
    return int(text)


def _sources(version: Any, datastores: Any) -> dict[str, Any]:
    """Where a version's data comes from, for a cell of the list."""
    definition = version.definition
    if version.is_tabular and isinstance(definition.source, QuerySource):
        datastore = datastores.get(definition.source.datastore_id)
        return {"query_on": datastore.name if datastore and not datastore.removed_at else "a removed datastore"}
    paths = paths_words(definition, datastores)
    return {"paths": paths[:2], "more": max(0, len(paths) - 2), "words": source_words(definition)}

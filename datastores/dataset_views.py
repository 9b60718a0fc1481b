"""The pages of datasets."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from datastores import queries, services
from datastores.datasets import page_of_files, summarise
from datastores.forms import DatasetForm, DescriptionForm, PathRows
from datastores.icons import icon_of
from datastores.sources import paths_of
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

PAGE_SIZE = 50
FILES_PER_PAGE = 100
COUNT_BUDGET_S = 0.5  # the page is waiting
DATASTORES_OFFERED = 500


@require_safe
@workspace_page(Permission.VIEW)
def dataset_list(request: WorkspaceRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip().replace("\0", "")
    datasets = queries.datasets_in(request.access.workspace, text=text)
    page = Paginator(datasets, PAGE_SIZE).get_page(request.GET.get("page"))
    names = queries.datastore_names(request.access.workspace)
    rows = [
        (dataset, [(names.get(path.datastore_id, "removed datastore"), path.path) for path in definition.paths])
        for dataset in page.object_list
        if (definition := dataset.latest_definition)  # type: ignore[attr-defined]
    ]
    return render(request, "datasets/list.html", {"page_obj": page, "rows": rows, "q": text})


@workspace_page(Permission.EDIT_DATA)
def dataset_new(request: WorkspaceRequest) -> HttpResponse:
    """GET takes `datastore` and any number of `path` to begin with; the browser's pages link here with them."""
    is_post = request.method == "POST"
    form = DatasetForm(request.POST if is_post else None)
    rows = PathRows.from_query(request.POST if is_post else request.GET)
    if is_post:
        problems = []
        try:
            paths = services.checked_paths(request.access.workspace, rows.data_paths())
            if form.is_valid():
                version = services.create_dataset(
                    request.access.workspace, paths=paths, actor=request.user, **form.cleaned_data
                )
                messages.success(request, f"{version} is ready: steps can read it.")
                return redirect("datasets:detail", request.access.workspace.slug, version.dataset_id)
        except UserError as error:
            problems = error.problems
        rows = rows.with_problems(problems)
        for problem in problems:
            if problem.loc[:1] in {("name",), ("description",)}:
                form.add_error(str(problem.loc[0]), problem.message)
    return _form_page(request, {"form": form}, rows, status=400 if is_post else 200)


@require_safe
@workspace_page(Permission.VIEW)
def dataset_detail(request: WorkspaceRequest, dataset_id: int) -> HttpResponse:
    dataset = queries.dataset_in(request.access.workspace, dataset_id)
    version = queries.version_of(dataset, _number(request, "version"))
    context: dict[str, Any] = {
        "dataset": dataset,
        "version": version,
        "paths": queries.named_paths(request.access.workspace, version.definition),
        "versions": Paginator(queries.versions_of(dataset), 20).get_page(request.GET.get("versions")),
    }
    page = _number(request, "page") or 1
    try:
        files, has_more = page_of_files(
            paths_of(version.definition), workspace_id=dataset.workspace_id, page=page, per_page=FILES_PER_PAGE
        )
        summary = summarise(
            paths_of(version.definition), workspace_id=dataset.workspace_id, first=0, budget_s=COUNT_BUDGET_S
        )
    except UserError as error:
        context["error"] = error
    else:
        rows = [(file, icon_of(file.entry)) for file in files]
        context |= {"files": rows, "page": page, "has_more": has_more, "summary": summary}
    return render(request, "datasets/detail.html", context)


@workspace_page(Permission.EDIT_DATA)
def version_new(request: WorkspaceRequest, dataset_id: int) -> HttpResponse:
    dataset = queries.dataset_in(request.access.workspace, dataset_id)
    latest = queries.version_of(dataset, None)
    is_post = request.method == "POST"
    rows = PathRows.from_query(request.POST) if is_post else PathRows.from_paths(paths_of(latest.definition))
    if is_post:
        try:
            version, is_new = services.add_dataset_version(dataset, paths=rows.data_paths(), actor=request.user)
        except UserError as error:
            rows = rows.with_problems(error.problems)
        else:
            messages.success(
                request,
                f"{version} is ready: new runs read it." if is_new else f"Nothing changed: {version} says just this.",
            )
            return redirect("datasets:detail", request.access.workspace.slug, dataset.pk)
    return _form_page(request, {"dataset": dataset, "latest": latest}, rows, status=400 if is_post else 200)


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


def _form_page(request: WorkspaceRequest, context: dict[str, Any], rows: PathRows, *, status: int) -> HttpResponse:
    workspace = request.access.workspace
    datastores = list(queries.datastores_in(workspace)[:DATASTORES_OFFERED])
    context |= {
        "datastores": datastores,
        "rows": rows.shown(datastores),
        "blank_row": PathRows([]).shown(datastores)[0],
        "general_problems": rows.general,
        "preview_url": reverse("api-dataset-preview", args=[workspace.slug]),
        "datastores_url": reverse("api-datastores", args=[workspace.slug]),
    }
    return render(request, "datasets/form.html", context, status=status)


def _number(request: WorkspaceRequest, name: str) -> int | None:
    """A whole number from the address. Raises Http404 for anything else."""
    text = request.GET.get(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise Http404(f"There is no {name} “{text}”.")
    return int(text)

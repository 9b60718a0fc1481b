"""The pages of a version's profile, and of two versions side by side."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from datastores import profile_queries, queries
from datastores.models import DatasetVersion
from datastores.pages.profile_figures import distribution, overlay
from datastores.services import profiles
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@workspace_page(Permission.VIEW, write=Permission.EDIT_DATA)
def profile(request: WorkspaceRequest, table_id: int, number: int) -> HttpResponse:
    """What was found, or how far it is; a POST begins it. htmx gets the inside alone."""
    version = _version(request, table_id, number)
    if request.method == "POST":
        try:
            profiles.request_profile(version, actor=request.user)
        except UserError as error:
            messages.error(request, str(error))
        return _back(request, version)
    return _profile_page(request, version)


@require_POST
@workspace_page(Permission.EDIT_DATA)
def profile_cancel(request: WorkspaceRequest, table_id: int, number: int) -> HttpResponse:
    version = _version(request, table_id, number)
    try:
        profiles.cancel_profile(profile_queries.profile_of(version), actor=request.user)
    except UserError as error:  # it has just ended: the page shows how
        if not _is_partial(request):
            messages.info(request, str(error))
    return _back(request, version)


@require_safe
@workspace_page(Permission.VIEW)
def profile_column(request: WorkspaceRequest, table_id: int, number: int, position: int) -> HttpResponse:
    """Everything about one column. htmx gets it without the page around it."""
    version = _version(request, table_id, number)
    row = profile_queries.column_of(version, position)
    context = {"dataset": version.dataset, "version": version, "row": row, "figure": distribution(row.column)}
    template = "datasets/parts/profile_column.html" if _is_partial(request) else "datasets/profile_column.html"
    return render(request, template, context)


@require_safe
@workspace_page(Permission.VIEW)
def compare(request: WorkspaceRequest) -> HttpResponse:
    """`a` and `b` are versions' ids; without them it asks which. Of `b` alone, the one before it is offered."""
    before, after = _chosen(request, "a"), _chosen(request, "b")
    if after is not None and "a" not in request.GET:
        before = profile_queries.version_before(after)
    context: dict[str, Any] = {"before": before, "after": after}
    if before is not None and after is not None:
        try:
            context["comparison"] = profile_queries.comparison(
                before,
                after,
                text=request.GET.get("q", ""),
                only_changes=request.GET.get("show") == "changes",
                page=request.GET.get("page", 1),
            )
        except UserError as error:
            context["error"] = error
    if _is_partial(request):
        return render(request, "datasets/parts/comparison.html", context)
    versions = profile_queries.tabular_versions(request.access.workspace)
    context["versions"] = list(versions[: profile_queries.VERSIONS_OFFERED])
    return render(request, "datasets/compare.html", context)


@require_safe
@workspace_page(Permission.VIEW)
def compare_column(request: WorkspaceRequest, position: int) -> HttpResponse:
    """One column of both versions, `a` and `b`."""
    before, after = _chosen(request, "a"), _chosen(request, "b")
    if before is None or after is None:
        raise Http404("Choose two versions first.")
    try:
        column = profile_queries.comparison(before, after).column(position)
    except UserError as error:
        raise Http404(str(error)) from error
    figure = ""
    if column.laid and column.after:
        figure = overlay(column.laid, column.after.column.type, (str(before), str(after)))
    context = {"column": column, "before": before, "after": after, "figure": figure}
    return render(request, "datasets/parts/compared_column.html", context)


def _version(request: WorkspaceRequest, table_id: int, number: int) -> DatasetVersion:
    return queries.version_of(queries.dataset_in(request.access.workspace, table_id), number)


def _chosen(request: WorkspaceRequest, name: str) -> DatasetVersion | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise Http404("There is no such version in this workspace.")
    return profile_queries.version_in(request.access.workspace, int(text))


def _profile_page(request: WorkspaceRequest, version: DatasetVersion) -> HttpResponse:
    page = profile_queries.profile_page(version, text=request.GET.get("q", ""), page=request.GET.get("page", 1))
    context = {"dataset": version.dataset, "version": version, "profile_page": page}
    return render(request, "datasets/parts/profile.html" if _is_partial(request) else "datasets/profile.html", context)


def _back(request: WorkspaceRequest, version: DatasetVersion) -> HttpResponse:
    """To where the button was: a part of a page, or a page of the studio."""
    if _is_partial(request):
        return _profile_page(request, version)
    asked = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return redirect(asked)
    slug = request.access.workspace.slug
    return redirect(reverse("datasets:profile", args=[slug, version.dataset_id, version.number]))


def _is_partial(request: WorkspaceRequest) -> bool:
    return bool(request.htmx)  # type: ignore[attr-defined]

"""The pages of environments."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from compute import environment_queries as queries
from compute.models import ComputeTarget, Environment
from compute.pages.environment_forms import BuildForm, EnvironmentForm, initial_of
from compute.pages.forms import status_of
from compute.services import create_environment, rebuild_environment, request_builds
from compute.sharing import targets_seen_by
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

_PAGE_SIZE = 50
_BUILDS_SHOWN = 10


@require_safe
@workspace_page(Permission.VIEW)
def environment_list(request: WorkspaceRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:100]
    found = queries.latest_environments(request.access.workspace, text=text)
    page = Paginator(found, _PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "environments/list.html", {"page_obj": page, "text": text})


@workspace_page(Permission.EDIT_ENVIRONMENTS)
def environment_new(request: WorkspaceRequest) -> HttpResponse:
    """A new name, or with `?from=ID` a new version of that environment (of a curated one: a copy under a new name)."""
    workspace = request.access.workspace
    base = _base_environment(request)
    is_version = base is not None and base.workspace_id is not None
    form = EnvironmentForm(request.POST or None, initial=initial_of(base, is_version=is_version))
    if is_version:
        form.fields["name"].disabled = True
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        latest = queries.latest_own_version(workspace, data["name"])
        try:
            if not is_version:
                _require_new(data["name"], latest)
            environment = create_environment(
                workspace=workspace,
                name=data["name"],
                description=data["description"],
                spec=form.spec(),
                created_by=request.user,
            )
        except UserError as error:
            form.add_problems(error)
        else:
            _tell_saved(request, environment, is_new=environment.version > latest)
            return redirect("environments:detail", workspace.slug, environment.pk)
    context = {"form": form, "base": base, "is_version": is_version}
    return render(request, "environments/new.html", context, status=status_of(form))


@require_safe
@workspace_page(Permission.VIEW)
def environment_detail(request: WorkspaceRequest, environment_id: int) -> HttpResponse:
    workspace = request.access.workspace
    environment = queries.environment_of(workspace, environment_id)
    versions = queries.versions_of(environment)
    before = queries.version_before(environment)
    locks = queries.locks_of(*(each.digest for each in (environment, before) if each))
    lock, lock_before = locks.get(environment.digest), locks.get(before.digest) if before else None
    builds = queries.builds_seen_by(workspace).filter(digest=environment.digest).defer("log")
    context = {
        "environment": environment,
        "before": before,
        "difference": queries.spec_difference(before.spec, environment.spec) if before else None,
        "lock": lock,
        "changes": queries.lock_difference(lock_before.document, lock.document) if lock and lock_before else None,
        "builds": queries.build_rows(workspace, builds[:_BUILDS_SHOWN]),
        "targets": queries.where_to_build(workspace),
        "may_rebuild": environment.workspace_id is not None or request.user.is_superuser,
        "latest": versions.first(),
        "page_obj": Paginator(versions, _PAGE_SIZE).get_page(request.GET.get("page")),
    }
    name = "environments/builds_part.html" if _is_part(request) else "environments/detail.html"
    return render(request, name, context)


@require_POST
@workspace_page(Permission.EDIT_ENVIRONMENTS)
def environment_build(request: WorkspaceRequest, environment_id: int) -> HttpResponse:
    """Ahead of the first step, on every machine of the chosen target."""
    environment = queries.environment_of(request.access.workspace, environment_id)
    _ask_for_builds(request, environment)
    return redirect("environments:detail", request.access.workspace.slug, environment.pk)


@require_POST
@workspace_page(Permission.EDIT_ENVIRONMENTS)
def environment_rebuild(request: WorkspaceRequest, environment_id: int) -> HttpResponse:
    """A new version with the newest packages, built on the chosen target at once: the build finds them."""
    workspace = request.access.workspace
    environment = queries.environment_of(workspace, environment_id)
    if environment.workspace_id is None and not request.user.is_superuser:
        raise PermissionDenied("This environment comes with the studio: an administrator rebuilds it.")
    try:
        newer = rebuild_environment(environment, rebuilt_by=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return redirect("environments:detail", workspace.slug, environment.pk)
    messages.success(request, f"“{newer}” is there; its first build finds the newest packages.")
    _ask_for_builds(request, newer)
    return redirect("environments:detail", workspace.slug, newer.pk)


@require_safe
@workspace_page(Permission.VIEW)
def build_list(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.access.workspace
    status = request.GET.get("status", "")
    found = queries.builds_seen_by(workspace).defer("log")
    if status:
        found = found.filter(status=status.replace("\0", ""))
    page = Paginator(found, _PAGE_SIZE).get_page(request.GET.get("page"))
    rows = queries.build_rows(workspace, page.object_list)
    context = {
        "page_obj": page,
        "rows": rows,
        "status": status,
        "statuses": queries.BUILD_STATUSES,
        "watched": sorted({row.build.target_id for row in rows}),
        "taken_bytes": queries.room_taken(workspace),
    }
    name = "environments/builds_live.html" if _is_part(request) else "environments/builds.html"
    return render(request, name, context)


@require_safe
@workspace_page(Permission.VIEW)
def build_detail(request: WorkspaceRequest, build_id: int) -> HttpResponse:
    workspace = request.access.workspace
    build = queries.build_of(workspace, build_id)
    context = {"row": queries.build_rows(workspace, [build])[0]}
    name = "environments/build_live.html" if _is_part(request) else "environments/build.html"
    return render(request, name, context)


def _ask_for_builds(request: WorkspaceRequest, environment: Environment) -> None:
    form = BuildForm(request.POST, targets=targets_seen_by(request.access.workspace))
    if not form.is_valid():
        messages.error(request, "Choose a compute target to build it on.")
        return
    target: ComputeTarget = form.cleaned_data["target"]
    try:
        builds = request_builds(environment, target, workspace=request.access.workspace, requested_by=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return
    machines = "1 machine" if len(builds) == 1 else f"{len(builds)} machines"
    messages.success(request, f"“{environment}” is being made ready on {machines} of {target.name}.")


def _is_part(request: WorkspaceRequest) -> bool:
    """Whether htmx asks for the part of the page that moves."""
    return request.headers.get("HX-Request") == "true"


def _base_environment(request: WorkspaceRequest) -> Environment | None:
    given = request.GET.get("from", "")
    is_number = given.isdecimal() and len(given) < 19
    return queries.environment_of(request.access.workspace, int(given)) if is_number else None


def _require_new(name: str, latest: int) -> None:
    if latest:
        raise UserError(f"There is an environment “{name}” already: open it to add a version.", loc=("name",))


def _tell_saved(request: WorkspaceRequest, environment: Environment, *, is_new: bool) -> None:
    if is_new:
        messages.success(request, f"“{environment}” is saved. Its first step builds it.")
    else:
        messages.info(request, f"Nothing changed: version {environment.version} says the same.")

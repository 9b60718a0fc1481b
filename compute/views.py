"""The pages of compute targets and environments."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from compute import queries
from compute.forms import ChangeTargetForm, EnvironmentForm, TargetForm, add_problems
from compute.models import ComputeTarget, Environment
from compute.services import change_target, create_environment, create_target, delete_target
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

_PAGE_SIZE = 50


@require_safe
@workspace_page(Permission.VIEW)
def target_list(request: WorkspaceRequest) -> HttpResponse:
    page = Paginator(queries.targets_of(request.access.workspace), _PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "rows": queries.target_rows(page.object_list)}
    return render(request, _page_or_part(request, "compute/list"), context)


@workspace_page(Permission.MANAGE_COMPUTE)
def target_new(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.access.workspace
    form = TargetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            target = create_target(workspace=workspace, created_by=request.user, **form.cleaned_data)
        except UserError as error:
            add_problems(form, error)
        else:
            messages.success(request, f"“{target.name}” is there. Its node starts within seconds.")
            return redirect("compute:detail", workspace.slug, target.pk)
    return render(request, "compute/new.html", {"form": form}, status=_status(form))


@require_safe
@workspace_page(Permission.VIEW)
def target_detail(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = queries.target_of(workspace, target_id)
    context = {
        "row": queries.target_rows([target])[0],
        "running": queries.running_jobs(target, workspace),
        "queue": queries.queue(target, workspace, page=_page_number(request)),
        "finished": queries.finished_jobs(target, workspace),
        "may_change": _may_change(request, target),
    }
    return render(request, _page_or_part(request, "compute/detail"), context)


@workspace_page(Permission.MANAGE_COMPUTE)
def target_edit(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = _own_target(request, target_id)
    initial = {"slots": target.slots, "description": target.description}
    form = ChangeTargetForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change_target(target, changed_by=request.user, **form.cleaned_data)
        except UserError as error:
            add_problems(form, error)
        else:
            messages.success(request, f"“{target.name}” is saved.")
            return redirect("compute:detail", workspace.slug, target.pk)
    return render(request, "compute/edit.html", {"form": form, "target": target}, status=_status(form))


@require_POST
@workspace_page(Permission.MANAGE_COMPUTE)
def target_delete(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = _own_target(request, target_id)
    try:
        delete_target(target, deleted_by=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return redirect("compute:detail", workspace.slug, target.pk)
    messages.success(request, f"“{target.name}” is gone.")
    return redirect("compute:list", workspace.slug)


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
    form = EnvironmentForm(request.POST or None, initial=_initial(base, is_version=is_version))
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
            add_problems(form, error)
        else:
            _tell_saved(request, environment, is_new=environment.version > latest)
            return redirect("environments:detail", workspace.slug, environment.pk)
    context = {"form": form, "base": base, "is_version": is_version}
    return render(request, "environments/new.html", context, status=_status(form))


@require_safe
@workspace_page(Permission.VIEW)
def environment_detail(request: WorkspaceRequest, environment_id: int) -> HttpResponse:
    environment = queries.environment_of(request.access.workspace, environment_id)
    versions = queries.versions_of(environment)
    before = queries.version_before(environment)
    context = {
        "environment": environment,
        "before": before,
        "difference": queries.spec_difference(before.spec, environment.spec) if before else None,
        "latest": versions.first(),
        "page_obj": Paginator(versions, _PAGE_SIZE).get_page(request.GET.get("page")),
    }
    return render(request, "environments/detail.html", context)


def _base_environment(request: WorkspaceRequest) -> Environment | None:
    given = request.GET.get("from", "")
    is_number = given.isdecimal() and len(given) < 19
    return queries.environment_of(request.access.workspace, int(given)) if is_number else None


def _initial(base: Environment | None, *, is_version: bool) -> dict[str, str]:
    if base is None:
        return {}
    return {
        "name": base.name if is_version else "",
        "description": base.description,
        "python_version": base.spec.python_version,
        "requirements": "\n".join(base.spec.pip),
    }


def _require_new(name: str, latest: int) -> None:
    if latest:
        raise UserError(f"There is an environment “{name}” already: open it to add a version.", loc=("name",))


def _tell_saved(request: WorkspaceRequest, environment: Environment, *, is_new: bool) -> None:
    if is_new:
        messages.success(request, f"“{environment}” is saved. Its first step builds it.")
    else:
        messages.info(request, f"Nothing changed: version {environment.version} says the same.")


def _own_target(request: WorkspaceRequest, target_id: int) -> ComputeTarget:
    target = queries.target_of(request.access.workspace, target_id)
    if target.workspace_id is None:
        raise PermissionDenied("This target is shared by every workspace: only an administrator changes it.")
    return target


def _may_change(request: WorkspaceRequest, target: ComputeTarget) -> bool:
    return target.workspace_id is not None and request.access.may(Permission.MANAGE_COMPUTE)


def _page_or_part(request: WorkspaceRequest, name: str) -> str:
    """The whole page, or for htmx the part of it that moves."""
    return f"{name}_live.html" if request.headers.get("HX-Request") == "true" else f"{name}.html"


def _page_number(request: WorkspaceRequest) -> int:
    given = request.GET.get("page", "")
    return int(given) if given.isdecimal() and len(given) < 9 else 1


def _status(form: TargetForm | ChangeTargetForm | EnvironmentForm) -> int:
    return 422 if form.errors else 200

"""The pages of compute targets."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from compute import queries
from compute.models import ComputeTarget
from compute.pages.forms import add_problems, status_of
from compute.pages.target_forms import ChangeTargetForm, TargetForm
from compute.services import change_target, create_target, delete_target
from compute.sharing import may_change, require_own
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

_PAGE_SIZE = 50


@require_safe
@workspace_page(Permission.VIEW)
def target_list(request: WorkspaceRequest) -> HttpResponse:
    page = Paginator(queries.targets_of(request.access.workspace), _PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "rows": queries.target_rows(page.object_list, request.access.workspace)}
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
    return render(request, "compute/new.html", {"form": form}, status=status_of(form))


@require_safe
@workspace_page(Permission.VIEW)
def target_detail(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = queries.target_of(workspace, target_id)
    context = {
        "row": queries.target_rows([target], workspace)[0],
        "running": queries.running_jobs(target, workspace),
        "queue": queries.queue(target, workspace, page=_page_number(request)),
        "finished": queries.finished_jobs(target, workspace),
        "may_change": may_change(request.access, target),
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
    return render(request, "compute/edit.html", {"form": form, "target": target}, status=status_of(form))


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


def _own_target(request: WorkspaceRequest, target_id: int) -> ComputeTarget:
    target = queries.target_of(request.access.workspace, target_id)
    require_own(request.access, target)
    return target


def _page_or_part(request: WorkspaceRequest, name: str) -> str:
    """The whole page, or for htmx the part of it that moves."""
    return f"{name}_live.html" if request.headers.get("HX-Request") == "true" else f"{name}.html"


def _page_number(request: WorkspaceRequest) -> int:
    given = request.GET.get("page", "")
    return int(given) if given.isdecimal() and len(given) < 9 else 1

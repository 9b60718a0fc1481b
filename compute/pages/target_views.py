"""The pages of compute targets."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from compute import node_queries, queries
from compute.models import ComputeTarget
from compute.pages.forms import add_problems, status_of
from compute.pages.target_forms import ChangeTargetForm, TargetForm
from compute.pool_queries import pool_state
from compute.services import (
    change_target,
    create_target,
    delete_target,
    remove_node,
    set_node_intake,
    set_target_intake,
)
from compute.services.intake import intake_named
from compute.sharing import may_change, require_change
from compute.states import Intake
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission

_PAGE_SIZE = 50
_INTAKE_SENTENCES = {
    Intake.OPEN: "“{}” takes new steps again.",
    Intake.PAUSED: "“{}” is paused: what runs goes on, nothing new starts.",
    Intake.DRAINING: "“{}” drains: what runs goes on, nothing new starts.",
}


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
    row = queries.target_rows([target], workspace)[0]
    cards = node_queries.cards(row.nodes)
    context = {
        "row": row,
        "cards": cards,
        "has_gpus": any("gpu" in card.by_kind for card in cards),
        "running": queries.running_jobs(target, workspace),
        "queue": queries.queue(target, workspace, page=_page_number(request)),
        "finished": queries.finished_jobs(target, workspace),
        # Which hosts it has is its own workspace's business.
        "pool": pool_state(target) if target.workspace_id == workspace.pk or request.user.is_superuser else None,
        "may_change": may_change(request.access, target),
    }
    return render(request, _page_or_part(request, "compute/detail"), context)


@workspace_page(Permission.VIEW)
def target_edit(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = _changeable(request, target_id)
    if target.kind == "pool":
        return redirect("compute:pool-edit", workspace.slug, target.pk)
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
@workspace_page(Permission.VIEW)
def target_delete(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = _changeable(request, target_id)
    try:
        delete_target(target, deleted_by=request.user)
    except UserError as error:
        messages.error(request, str(error))
        return redirect("compute:detail", workspace.slug, target.pk)
    messages.success(request, f"“{target.name}” is gone.")
    return redirect("compute:list", workspace.slug)


@require_POST
@workspace_page(Permission.VIEW)
def target_intake(request: WorkspaceRequest, target_id: int) -> HttpResponse:
    """Pause, drain or resume."""
    target = _changeable(request, target_id)
    try:
        intake = intake_named(request.POST.get("intake", ""))
    except UserError as error:
        messages.error(request, str(error))
    else:
        set_target_intake(target, intake, changed_by=request.user)
        messages.success(request, _INTAKE_SENTENCES[intake].format(target.name))
    return redirect("compute:detail", request.access.workspace.slug, target.pk)


@require_POST
@workspace_page(Permission.VIEW)
def node_intake(request: WorkspaceRequest, target_id: int, node_id: int) -> HttpResponse:
    """Pause, drain or resume one node."""
    target = _changeable(request, target_id)
    node = queries.node_of(target, node_id)
    try:
        intake = intake_named(request.POST.get("intake", ""))
    except UserError as error:
        messages.error(request, str(error))
    else:
        set_node_intake(node, intake, changed_by=request.user)
        messages.success(request, _INTAKE_SENTENCES[intake].format(node.name))
    return redirect("compute:detail", request.access.workspace.slug, target.pk)


@require_POST
@workspace_page(Permission.VIEW)
def node_remove(request: WorkspaceRequest, target_id: int, node_id: int) -> HttpResponse:
    target = _changeable(request, target_id)
    node = queries.node_of(target, node_id)
    try:
        remove_node(node, removed_by=request.user)
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"“{node.name}” is off the list.")
    return redirect("compute:detail", request.access.workspace.slug, target.pk)


def _changeable(request: WorkspaceRequest, target_id: int) -> ComputeTarget:
    target = queries.target_of(request.access.workspace, target_id)
    require_change(request.access, target)
    return target


def _page_or_part(request: WorkspaceRequest, name: str) -> str:
    """The whole page, or for htmx the part of it that moves."""
    return f"{name}_live.html" if request.headers.get("HX-Request") == "true" else f"{name}.html"


def _page_number(request: WorkspaceRequest) -> int:
    given = request.GET.get("page", "")
    return int(given) if given.isdecimal() and len(given) < 9 else 1

"""The page of one node, and its buttons."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from compute import node_queries, queries
from compute.models import Node
from compute.services import start_node, stop_node
from compute.sharing import may_change, require_change
from studio.lib.problems import UserError
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def node_detail(request: WorkspaceRequest, target_id: int, node_id: int) -> HttpResponse:
    workspace = request.access.workspace
    target = queries.target_of(workspace, target_id)
    node = queries.node_of(target, node_id)
    card = node_queries.card_of(node)
    allowed = may_change(request.access, target)
    context = {
        "target": target,
        "card": card,
        "running": [job for job in queries.running_jobs(target, workspace) if job.node == node.name],
        "may_change": allowed,
        # It may name what other workspaces run.
        "log": node_queries.log_of(node) if allowed else [],
    }
    is_part = request.headers.get("HX-Request") == "true"
    return render(request, "compute/node_live.html" if is_part else "compute/node.html", context)


@require_POST
@workspace_page(Permission.VIEW)
def node_stop(request: WorkspaceRequest, target_id: int, node_id: int) -> HttpResponse:
    def stop(node: Node) -> str:
        stop_node(node, stopped_by=request.user)
        return f"“{node.name}” stops within seconds. What it ran is given back."

    return _done(request, target_id, node_id, stop)


@require_POST
@workspace_page(Permission.VIEW)
def node_start(request: WorkspaceRequest, target_id: int, node_id: int) -> HttpResponse:
    def start(node: Node) -> str:
        start_node(node, started_by=request.user)
        return f"“{node.name}” starts within seconds."

    return _done(request, target_id, node_id, start)


def _done(request: WorkspaceRequest, target_id: int, node_id: int, action: Callable[[Node], str]) -> HttpResponse:
    target = queries.target_of(request.access.workspace, target_id)
    require_change(request.access, target)
    node = queries.node_of(target, node_id)
    try:
        messages.success(request, action(node))
    except UserError as error:
        messages.error(request, str(error))
    return redirect("compute:node", request.access.workspace.slug, target.pk, node.pk)

"""The page about quotas: what a workspace may use, and what it does."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from compute.quota_queries import LABELS, NAMES, quota_rows
from studio.workspaces.access import WorkspaceRequest, workspace_page
from studio.workspaces.permissions import Permission


@require_safe
@workspace_page(Permission.VIEW)
def quotas(request: WorkspaceRequest) -> HttpResponse:
    """Owners see everybody, the others the workspace and themselves."""
    sees_all = request.access.may(Permission.MANAGE_COMPUTE)
    rows = quota_rows(request.access.workspace, person=None if sees_all else request.user)
    setters = {use.quota.pk: use.quota for row in rows for use in row.uses if use.quota is not None}
    context = {"rows": rows, "labels": [LABELS[name] for name in NAMES], "set": list(setters.values())}
    return render(request, "compute/quotas.html", context)

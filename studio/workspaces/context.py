"""What every template may ask: the workspace of the page, the person's others, and what they may do."""

from typing import Any

from django.http import HttpRequest

from studio.workspaces.access import Access
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import PERMISSIONS


def workspace(request: HttpRequest) -> dict[str, Any]:
    access: Access | None = getattr(request, "access", None)
    if access is None:
        user = getattr(request, "user", None)  # a request that broke before its session was read has none
        return (
            {"my_workspaces": Workspace.objects.filter(memberships__user=user)}
            if user and user.is_authenticated
            else {}
        )
    return {
        "workspace": access.workspace,
        "access": access,
        "may": {permission.value: True for permission in PERMISSIONS[access.role]},
        "my_workspaces": Workspace.objects.filter(memberships__user=access.user),
    }

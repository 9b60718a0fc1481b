"""Which workspaces see a compute target, and who may change it."""

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from compute.models import ComputeTarget
from studio.workspaces.access import Access
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission


def targets_seen_by(workspace: Workspace) -> QuerySet[ComputeTarget]:
    """Its own, and those that an administrator shares with it or with all. Nothing else exists for it."""
    # Its own query: a join would give a target once for each workspace that it is shared with.
    by_name = ComputeTarget.objects.filter(shared_with=workspace).order_by().values("pk")
    return ComputeTarget.objects.filter(Q(workspace=workspace) | Q(shared_with_all=True) | Q(pk__in=by_name))


def may_change(access: Access, target: ComputeTarget) -> bool:
    """Those who manage the compute of the workspace that owns it; never those whom it is merely shared with."""
    return target.workspace_id == access.workspace.pk and access.may(Permission.MANAGE_COMPUTE)


def require_own(access: Access, target: ComputeTarget) -> None:
    """Raise PermissionDenied for a target that another workspace, or the studio itself, owns."""
    if target.workspace_id != access.workspace.pk:
        raise PermissionDenied("This target is shared with this workspace: only an administrator changes it.")

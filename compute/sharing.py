"""Which workspaces see a compute target, and who may change it."""

from collections.abc import Collection, Iterable

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from compute.models import ComputeTarget
from studio.lib.statements import read_rows
from studio.workspaces.access import Access
from studio.workspaces.models import Workspace
from studio.workspaces.permissions import Permission


def targets_seen_by(workspace: Workspace) -> QuerySet[ComputeTarget]:
    """Its own, and those that an administrator shares with it or with all. Nothing else exists for it."""
    # Its own query: a join would give a target once for each workspace that it is shared with.
    by_name = ComputeTarget.objects.filter(shared_with=workspace).order_by().values("pk")
    return ComputeTarget.objects.filter(Q(workspace=workspace) | Q(shared_with_all=True) | Q(pk__in=by_name))


def targets_in_use(workspace_id: int, target_ids: Collection[int]) -> tuple[dict[int, str], dict[int, str]]:
    """The kinds of these targets, and of those that the workspace can't use any more what became of them, in words."""
    marks = ", ".join(["%s"] * len(target_ids))
    fields = ("id", "workspace", "shared_with_all", "kind")
    rows = read_rows(ComputeTarget, fields, f"deleted_at IS NULL AND id IN ({marks})", list(target_ids))
    gone = dict.fromkeys(set(target_ids) - {target.pk for target in rows}, "was deleted")
    doubtful = {row.pk for row in rows if row.workspace_id != workspace_id and not row.shared_with_all}
    if doubtful:
        shared = ComputeTarget.objects.filter(pk__in=doubtful, shared_with=workspace_id)
        gone |= dict.fromkeys(doubtful - set(shared.values_list("pk", flat=True)), "is no longer shared")
    return {target.pk: target.kind for target in rows}, gone


def may_change(access: Access, target: ComputeTarget) -> bool:
    """Those who manage the compute of the workspace that owns it; of one that is shared with it, administrators."""
    if target.workspace_id == access.workspace.pk:
        return access.may(Permission.MANAGE_COMPUTE)
    return access.user.is_superuser


def require_change(access: Access, target: ComputeTarget) -> None:
    """Raise PermissionDenied for whom `may_change` does not hold, with a sentence that says who can help."""
    if may_change(access, target):
        return
    if target.workspace_id == access.workspace.pk:
        access.require(Permission.MANAGE_COMPUTE)
    raise PermissionDenied("This target is shared with this workspace: only an administrator changes it.")


def clashes_of_sharing(target: ComputeTarget, *, with_all: bool, chosen: Iterable[Workspace]) -> list[str]:
    """Sentences that name the workspaces which would see two targets of this name. A pipeline names one."""
    named = ComputeTarget.objects.filter(name=target.name).exclude(pk=target.pk)
    if with_all:
        others = named.select_related("workspace")
        return [
            f"{f'Workspace “{other.workspace}”' if other.workspace else 'The studio'} has a target “{target.name}” "
            "already: rename or remove one of them first."
            for other in others
        ][:5]
    seen = [workspace for workspace in chosen if targets_seen_by(workspace).filter(pk__in=named).exists()]
    return [f"Workspace “{each}” sees a target “{target.name}” already: rename or remove one first." for each in seen]

"""Stop a node, and let it start again. What it runs is ended and given back: other nodes take it up."""

from django.db import transaction
from django.db.models.functions import Now

from compute import doorbell
from compute.models import Node
from compute.states import KeptBy
from studio.lib.problems import ConflictError
from studio.workspaces import audit
from studio.workspaces.models import User


def stop_node(node: Node, *, stopped_by: User | None) -> None:
    """Ask the node to stop: it hears of it with its next heartbeat, at the latest when it is back.

    One that a supervisor keeps stays stopped until somebody starts it; a pool starts another one where there is work.
    Raises ConflictError for one that has stopped.
    """
    with transaction.atomic():
        running = Node.objects.filter(pk=node.pk, stopped_at=None)
        if not running.exists():
            raise ConflictError(f"“{node.name}” has stopped already.")
        if running.filter(stop_requested_at=None).update(stop_requested_at=Now()):
            audit.record(node.target.workspace, stopped_by, "compute.stop_node", _named(node))
            doorbell.target_changed_on_commit([node.target_id])


def start_node(node: Node, *, started_by: User | None) -> None:
    """Let the supervisor of its machine start a node that was stopped here.

    Raises ConflictError for one that no supervisor keeps, and for one that was not stopped here.
    """
    if node.kept_by == KeptBy.POOL:
        raise ConflictError(f"“{node.name}” belongs to a pool, which starts nodes where there is work for them.")
    if node.kept_by == KeptBy.HAND:
        raise ConflictError(
            f"“{node.name}” was started by hand: start it on its machine, by manage.py node --compute "
            f"{node.target_id} --name {node.name}"
        )
    with transaction.atomic():
        if not Node.objects.filter(pk=node.pk, stop_requested_at__isnull=False).update(stop_requested_at=None):
            raise ConflictError(f"“{node.name}” was not stopped here: its supervisor starts it by itself.")
        audit.record(node.target.workspace, started_by, "compute.start_node", _named(node))
        doorbell.target_changed_on_commit([node.target_id])


def _named(node: Node) -> str:
    return f"node {node.name} of {node.target.name}"

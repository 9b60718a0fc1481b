"""Pause, drain and resume targets and nodes; forget a node that is gone. What runs is never touched."""

from django.db import transaction

from compute import doorbell
from compute.alive import alive_nodes
from compute.models import ComputeTarget, Job, Node
from compute.states import ACTIVE, Intake
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.models import User

_VERBS = {Intake.OPEN: "resume", Intake.PAUSED: "pause", Intake.DRAINING: "drain"}


def set_target_intake(target: ComputeTarget, intake: Intake, *, changed_by: User | None) -> bool:
    """Whether the target takes new jobs from now on. False: it was so already, or the target is gone.

    A claim that is under way at this moment may still win; each later one sees the change.
    """
    with transaction.atomic():
        rows = ComputeTarget.objects.filter(pk=target.pk).exclude(intake=intake)
        if not rows.update(intake=intake):
            return False
        target.intake = intake
        audit.record(target.workspace, changed_by, f"compute.{_VERBS[intake]}", target.name)
        _tell(target.pk, intake)
    return True


def set_node_intake(node: Node, intake: Intake, *, changed_by: User | None) -> bool:
    """The same for one node. It outlives the node's process: one that is started again stays as it was."""
    with transaction.atomic():
        if not Node.objects.filter(pk=node.pk).exclude(intake=intake).update(intake=intake):
            return False
        node.intake = intake
        what = f"node {node.name} of {node.target.name}"
        audit.record(node.target.workspace, changed_by, f"compute.{_VERBS[intake]}", what)
        _tell(node.target_id, intake)
    return True


def remove_node(node: Node, *, removed_by: User | None) -> None:
    """Take a node that is gone off the lists. Its attempts go on naming it.

    Raises ConflictError for one that lives, or whose jobs have not been taken from it yet.
    """
    with transaction.atomic():
        held = Node.objects.select_for_update().filter(pk=node.pk).first()
        if held is None:
            return
        if alive_nodes(Node.objects.filter(pk=node.pk)).exists():
            raise ConflictError(f"“{node.name}” lives: drain it and stop its process first.")
        if Job.objects.filter(lease_node=node.pk, status__in=ACTIVE).exists():
            raise ConflictError(f"“{node.name}” still holds jobs: they are taken from it within a minute.")
        what = f"node {node.name} of {node.target.name}"
        held.delete()
        audit.record(node.target.workspace, removed_by, "compute.remove_node", what)
        doorbell.target_changed_on_commit([node.target_id])


def intake_named(name: str) -> Intake:
    """Raises UserError at `("intake",)`."""
    try:
        return Intake(name)
    except ValueError:
        raise UserError(f"Choose one of {', '.join(Intake.values)}.", loc=("intake",)) from None


def _tell(target_id: int, intake: Intake) -> None:
    doorbell.target_changed_on_commit([target_id])
    if intake == Intake.OPEN:
        waiting = Job.objects.filter(target=target_id, status="queued")[:256].count()
        if waiting:
            doorbell.ring_on_commit({target_id: waiting})

"""The nodes of a pool, row by row: each change is a guarded transition, and an event that people can read.

Not in charge of how many there should be (`compute.pools.plan`), nor of processes and machines (`compute.providers`).
"""

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from compute import doorbell
from compute.models import ComputeTarget, Job, Node, PoolEvent, PoolNode
from compute.states import ACTIVE, POOL_NODE_SERVES, POOL_NODE_TRANSITIONS, Intake, PoolNodeStatus
from studio.lib.clock import clock
from studio.lib.problems import UserError
from studio.lib.transitions import transition

EVENTS_KEPT = 200
SAME_AGAIN_S = 3600.0  # the same event within so long counts the one before


def add_pool_node(target: ComputeTarget, *, provider: str, host: str = "", source: str = "") -> PoolNode:
    """Want one more node, under the first name that no live one has. Nothing is started yet."""
    taken = set(PoolNode.objects.filter(target=target, status__in=_live()).values_list("name", flat=True))
    number = next(n for n in range(1, len(taken) + 2) if _name(target, n) not in taken)
    row = PoolNode.objects.create(
        target=target,
        name=_name(target, number),
        provider=provider,
        host=host,
        place=target.pool.host_at(host) if target.pool else None,
        slots=target.slots,
        source=source,
        phase="",
    )
    doorbell.target_changed_on_commit([target.pk])
    return row


def join_pool(pool_node_id: int, node: Node) -> None:
    """The process of a wanted node has registered as `node`, for the first time or again after it died.

    Raises UserError where the pool does not want it any more: a start that was slow, or done twice.
    """
    row = PoolNode.objects.select_for_update(of=("self",)).filter(pk=pool_node_id, target_id=node.target_id).first()
    if row is None or row.status not in POOL_NODE_SERVES or row.name != node.name:
        raise UserError(f"The pool does not want the node “{node.name}” any more: this process ends.")
    if row.status == PoolNodeStatus.STARTING:
        move(row, PoolNodeStatus.UP, node=node, up_at=clock.now(), phase="", failures=0)
        # Whoever paused or drained the one before meant that one: this one only has its name.
        Node.objects.filter(pk=node.pk).update(intake=Intake.OPEN)
        note(row, f"Node {row.name} is up{_on(row)}.")
    else:
        PoolNode.objects.filter(pk=row.pk).update(node=node)
        note(row, f"Node {row.name} was started again{_on(row)}.", is_problem=True)
    if row.status == PoolNodeStatus.DRAINING:
        Node.objects.filter(pk=node.pk).update(draining_at=Now())


def take_place(pool_node_id: int, host: str) -> bool:
    """A supervisor of processes says that this node runs on its machine. False: another one was faster."""
    rows = PoolNode.objects.filter(pk=pool_node_id, host="", status=PoolNodeStatus.STARTING)
    return bool(rows.update(host=host))


def say_phase(row: PoolNode, phase: str) -> None:
    """How far a start has come."""
    if (
        PoolNode.objects.filter(pk=row.pk, status=PoolNodeStatus.STARTING)
        .exclude(phase=phase)
        .update(phase=phase[:300])
    ):
        doorbell.target_changed_on_commit([row.target_id])


def drain(row: PoolNode, reason: str) -> bool:
    """It claims nothing more from now on, and ends what it runs."""
    with transaction.atomic():
        if row.node_id is not None:
            Node.objects.filter(pk=row.node_id, draining_at=None).update(draining_at=Now())
        if not move(row, PoolNodeStatus.DRAINING, reason=reason):
            return False
        note(row, f"Node {row.name} takes no more work and goes when it has none: {reason}")
    return True


def keep_after_all(row: PoolNode) -> bool:
    """It was draining, and there is work again."""
    with transaction.atomic():
        if not move(row, PoolNodeStatus.UP, reason=""):
            return False
        if row.node_id is not None:
            Node.objects.filter(pk=row.node_id).update(draining_at=None)
        note(row, f"Node {row.name} takes work again.")
    return True


def stop_if_idle(row: PoolNode, reason: str) -> bool:
    """From here on it takes nothing, and its provider ends it; False where it has work, and then nothing changed.

    Closed first, counted then, in one transaction: a claim that was under way is seen, and a later one is refused.
    """
    with transaction.atomic():
        if row.node_id is not None:
            Node.objects.filter(pk=row.node_id, draining_at=None).update(draining_at=Now())
            if Job.objects.filter(lease_node_id=row.node_id, status__in=ACTIVE).exists():
                if row.status == PoolNodeStatus.UP:
                    Node.objects.filter(pk=row.node_id).update(draining_at=None)
                return False
        if not move(row, PoolNodeStatus.STOPPING, reason=reason, stopping_at=clock.now(), phase=""):
            return False
        note(row, f"Node {row.name} is stopped: {reason}")
    return True


def went(row: PoolNode, reason: str = "") -> bool:
    """Nothing is left of it."""
    with transaction.atomic():
        if not move(row, PoolNodeStatus.GONE, ended_at=clock.now(), **({"reason": reason} if reason else {})):
            return False
        _give_up_node(row)
        if reason:
            note(row, f"Node {row.name} is gone: {reason}", is_problem=True)
    return True


def failed(row: PoolNode, reason: str) -> bool:
    """It never came up, or was lost. Should it come back, it finds that its place was given away, and ends."""
    with transaction.atomic():
        # What an SSH host may still run is ended as soon as the host is reached; a supervisor ends its own. Before it
        # is far enough to have a phase, nothing was started.
        was_begun = PoolNode.objects.filter(pk=row.pk).exclude(phase="", up_at=None).exists()
        must_clear = row.provider == "ssh" and was_begun
        if not move(row, PoolNodeStatus.FAILED, reason=reason, ended_at=clock.now(), must_clear=must_clear, phase=""):
            return False
        _give_up_node(row)
        note(row, f"Node {row.name}{_on(row)} failed: {reason}", is_problem=True)
    return True


def work_on(row: PoolNode, for_s: float) -> bool:
    """Take the row for provider work; False where somebody else is at it."""
    rows = PoolNode.objects.filter(pk=row.pk, status=row.status)
    free = rows.filter(worked_on_until=None) | rows.filter(worked_on_until__lt=Now())
    return bool(free.update(worked_on_until=Now() + timedelta(seconds=for_s)))


def rest(row: PoolNode, for_s: float, *, failures: int = 0) -> None:
    """Done with it for now: looked at again after so long."""
    PoolNode.objects.filter(pk=row.pk).update(
        worked_on_until=Now() + timedelta(seconds=for_s) if for_s else None, failures=failures
    )


def cleared(row: PoolNode) -> None:
    """Nothing of a failed node is left on its machine."""
    PoolNode.objects.filter(pk=row.pk).update(must_clear=False, worked_on_until=None)


def note(row: PoolNode, message: str, *, is_problem: bool = False) -> None:
    note_event(row.target_id, message, node_name=row.name, host=row.host, is_problem=is_problem)


def note_event(target_id: int, message: str, *, node_name: str = "", host: str = "", is_problem: bool = False) -> None:
    """Write it down for people; the same as the newest one only counts on."""
    now = clock.now()
    newest = PoolEvent.objects.filter(target_id=target_id).first()
    if newest is not None and newest.message == message and now - newest.at < timedelta(seconds=SAME_AGAIN_S):
        PoolEvent.objects.filter(pk=newest.pk).update(at=now, times=F("times") + 1)
    else:
        PoolEvent.objects.create(
            target_id=target_id,
            message=message[:2000],
            node_name=node_name,
            host=host,
            is_problem=is_problem,
            first_at=now,
            at=now,
        )
        kept = list(PoolEvent.objects.filter(target_id=target_id).values_list("pk", flat=True)[:EVENTS_KEPT])
        if len(kept) == EVENTS_KEPT:
            PoolEvent.objects.filter(target_id=target_id).exclude(pk__in=kept).delete()
    doorbell.target_changed_on_commit([target_id])


def move(row: PoolNode, to: PoolNodeStatus, **changes: Any) -> bool:
    """A guarded transition from the status in which `row` was seen."""
    rows = PoolNode.objects.filter(pk=row.pk, status=row.status)
    if not transition(rows, POOL_NODE_TRANSITIONS, to=to, worked_on_until=None, **changes):
        return False
    doorbell.target_changed_on_commit([row.target_id])
    return True


def _give_up_node(row: PoolNode) -> None:
    """Whatever process still believes that it is this node finds at its next heartbeat, or claim, that it is not."""
    if row.node_id is not None:
        nodes = Node.objects.filter(pk=row.node_id)
        nodes.update(incarnation=uuid.uuid4(), draining_at=Now())
        nodes.filter(stopped_at=None).update(stopped_at=clock.now())


def _name(target: ComputeTarget, number: int) -> str:
    return f"{target.name}-{number}"


def _on(row: PoolNode) -> str:
    return f" on {row.host}" if row.host else ""


def _live() -> list[str]:
    return [status for status, following in POOL_NODE_TRANSITIONS.items() if following]

"""Nodes come, say that they live, and go."""

import os
import socket
import uuid
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from compute import doorbell
from compute.alive import alive_nodes
from compute.execution.usage.reading import TICKS_PER_S, stat_of
from compute.models import ComputeTarget, Job, Node, PoolNode
from compute.node.capacity import NodeCapacity
from compute.protocol import PROTOCOL, require_same_protocol
from compute.services.leases import lose
from compute.services.pool_nodes import join_pool
from compute.spec import Gpus
from compute.states import ACTIVE, KeptBy, PoolNodeStatus
from studio.lib.clock import clock, steady_s
from studio.lib.problems import UserError
from studio.version import VERSION


def register(
    *,
    target: ComputeTarget,
    name: str,
    slots: int,
    capacity: NodeCapacity,
    kept_by: KeptBy = KeptBy.HAND,
    pool_node_id: int | None = None,
    isolation: str = "",
    isolation_note: str = "",
) -> Node:
    """This process serves `target` as node `name` from now on, a new incarnation of it, and has `capacity` to give.

    A node that was paused or drained stays so: whoever did that says when it is over. One that was stopped on its page
    is started by hand, or once somebody said so there: never by the supervisor that keeps it.

    `pool_node_id`: a pool wanted it. Raises UserError while another live process serves under that name, where the
    studio speaks another protocol, and where the pool does not want the node any more.
    """
    require_same_protocol()
    hostname = socket.gethostname()
    with transaction.atomic():
        node = Node.objects.select_for_update().filter(target=target, name=name).first()
        if node is not None and alive_nodes(Node.objects.filter(pk=node.pk)).exists() and not _is_dead(node, hostname):
            raise UserError(
                f"A node “{name}” serves “{target.name}” already (process {node.pid} on {node.hostname}): "
                "give this one another name with --name."
            )
        if node is not None and node.stop_requested_at is not None and not _may_start(kept_by, pool_node_id):
            raise UserError(f"The node “{name}” of “{target.name}” was stopped on its page, where it is started too.")
        node = node or Node(target=target, name=name)
        node.stop_requested_at = None
        node.kept_by = KeptBy.POOL if pool_node_id is not None else kept_by
        node.incarnation = uuid.uuid4()
        node.hostname, node.pid, node.slots = hostname, os.getpid(), slots
        node.cpus, node.memory_bytes, node.machine = capacity.cpus, capacity.memory_bytes, capacity.machine
        node.gpus = Gpus(devices=capacity.gpus)
        node.started_at = node.heartbeat_at = clock.now()
        node.stopped_at = node.draining_at = None
        node.protocol, node.version = PROTOCOL, VERSION
        node.isolation, node.isolation_note = isolation, isolation_note[:500]
        node.save()
        Node.objects.filter(pk=node.pk).update(heartbeat_at=Now(), busy_at=Now())
        if pool_node_id is not None:
            join_pool(pool_node_id, node)
        doorbell.target_changed_on_commit([target.pk])
    return node


def _may_start(kept_by: KeptBy, pool_node_id: int | None) -> bool:
    """Whether a node that was stopped on its page may be started so. A pool's new one only has the name of the old."""
    if pool_node_id is not None:
        return PoolNode.objects.filter(pk=pool_node_id, status=PoolNodeStatus.STARTING).exists()
    return kept_by == KeptBy.HAND


def _is_dead(node: Node, hostname: str) -> bool:
    """Whether the process behind a row that looks alive is certainly gone. Of another machine nobody here knows."""
    if node.hostname != hostname:
        return False
    process = stat_of(node.pid)
    if process is None:
        return True
    # One of that number which began later is another one. By ages: the clock may have been set since, or be wrong.
    lived_s = steady_s() - process.started / TICKS_PER_S
    return lived_s < (clock.now() - node.started_at).total_seconds() - 1


def inherited_jobs(node: Node) -> list[Job]:
    """What an earlier incarnation of `node` was running when it ended."""
    return list(Job.objects.filter(lease_node=node, status__in=ACTIVE).select_related("lease_node"))


def hand_back_inherited(jobs: list[Job]) -> int:
    """Give the jobs of an earlier incarnation back, as lost with their node. Nothing of them may run any more."""
    return sum(lose(job, "it was ended in the middle of its work and has been started again") for job in jobs)


def heartbeat(node: Node, *, was_busy: bool = False, also: Callable[[], None] = lambda: None) -> bool:
    """Say that the node lives and renew the leases of all that it runs. False: its place was taken or given away.

    `also`: what else is written, in the same transaction.
    """
    busy = {"busy_at": Now()} if was_busy else {}
    with transaction.atomic():
        alive = Node.objects.filter(pk=node.pk, incarnation=node.incarnation).update(heartbeat_at=Now(), **busy)
        if not alive:
            return False
        Job.objects.filter(lease_node=node, status__in=ACTIVE).update(
            lease_expires_at=Now() + timedelta(seconds=settings.NODE_LEASE_S)
        )
        also()
    return True


def stop_is_requested(node: Node) -> bool:
    """Whether somebody wants the node to stop."""
    return Node.objects.filter(pk=node.pk, stop_requested_at__isnull=False).exists()


def held_jobs(node: Node) -> dict[uuid.UUID, bool]:
    """The leases that the database knows of this node, by token, and whether somebody asked for the job's end."""
    rows = Job.objects.filter(lease_node=node, status__in=ACTIVE).values_list("lease_token", "cancel_requested_at")
    return {token: asked is not None for token, asked in rows if token is not None}


def say_goodbye(node: Node) -> None:
    """The node ended on purpose and runs nothing any more."""
    with transaction.atomic():
        Node.objects.filter(pk=node.pk, incarnation=node.incarnation).update(stopped_at=clock.now())
        doorbell.target_changed_on_commit([node.target_id])

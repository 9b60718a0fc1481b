"""What a node may start next, read and (where asked for) held. The rules stand in `compute.queueing`.

Within a transaction rows are locked in one order: quotas, nodes, the turn of a person, the job. What a node reserves is
counted under its own lock, its GPUs under those of all nodes of its machine, so slots never give the same thing twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q

from compute.alive import alive_nodes
from compute.models import Job, Node, Quota, Turn
from compute.queueing import NOBODY, Head, NodeLoad, holding_nodes, in_order, to_try
from compute.quotas import at_limit, limits_by_workspace
from compute.resources import Capacity, total
from compute.spec import Gpu, Resources
from compute.states import ACTIVE, Intake
from studio.lib.clock import clock
from studio.lib.statements import now_sql, read_rows

CLAIM_FIELDS = (
    "id",
    "workspace",
    "target",
    "owner",
    "title",
    "spec",
    "requested_by",
    "cpus",
    "memory_bytes",
    "gpus",
    "started_at",
    "attempt_number",
    "max_attempts",
    "failures",
)

# Each round of the recursion is one look into the index `job_lanes`: jobs behind the head of a lane are not read.
_HEADS = """
    WITH RECURSIVE lanes(lane) AS (
        SELECT MIN(lane) FROM compute_job WHERE target_id = %s AND status = 'queued'
        UNION ALL
        SELECT (SELECT MIN(lane) FROM compute_job WHERE target_id = %s AND status = 'queued' AND lane > lanes.lane)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT job.id, job.lane, job.workspace_id, job.requested_by_id, job.priority, job.queued_at,
        job.cpus, job.memory_bytes, job.gpus, job.apart,
        (SELECT COUNT(*) FROM compute_quota WHERE running_steps IS NOT NULL)
    FROM lanes JOIN compute_job job ON job.id = (
        SELECT id FROM compute_job
        WHERE target_id = %s AND status = 'queued' AND lane = lanes.lane AND {due}
        ORDER BY queued_at, id LIMIT 1
    )
    WHERE EXISTS (
        SELECT 1 FROM compute_node node JOIN compute_computetarget target ON target.id = node.target_id
        WHERE node.id = %s AND node.incarnation = %s AND node.draining_at IS NULL
            AND node.intake = %s AND target.intake = %s
    )
"""
_IN_LANE = "target_id = %s AND status = 'queued' AND lane = %s AND {due}"
# What waits for another attempt is queued as of when that is due, so it stands behind the others of its lane.
_DUE = "cancel_requested_at IS NULL AND (not_before IS NULL OR not_before <= {now})"
_SERVE = """
    INSERT INTO compute_turn (target_id, person, served_at) VALUES (%s, %s, %s)
    ON CONFLICT (target_id, person) DO UPDATE SET served_at = excluded.served_at
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A job that may start now, and the devices that it gets."""

    job: Job
    gpus: tuple[Gpu, ...] = ()


def may_start(node: Node) -> bool:
    """Whether there is a job that `node` may start. Holds nothing, so it may not be so any more."""
    heads, has_quotas = _heads(node)
    return bool(heads) and next(_startable(node, heads, has_quotas, hold=False), None) is not None


def choose(node: Node) -> Chosen | None:
    """The next job for `node`, or None, in the transaction that then claims it: rows stay locked."""
    heads, has_quotas = _heads(node)
    for head, gpus in _startable(node, heads, has_quotas, hold=True) if heads else ():
        job = _oldest_of(node.target_id, head)
        if job is None:
            continue  # another node has just taken the last of this lane
        if len({each.person for each in heads if each.priority == head.priority}) > 1:
            _serve(node.target_id, head.person)
        return Chosen(job, tuple(gpus))
    return None


def _startable(node: Node, heads: list[Head], has_quotas: bool, *, hold: bool) -> Iterator[tuple[Head, list[Gpu]]]:
    """The lanes whose oldest job may start on the node, the best first, with the devices that it would get."""
    if has_quotas:
        heads = _within_quotas(heads, hold=hold)
    room = _Room(node, heads, hold=hold)
    if hold and not _stays_open(node):
        return None
    ordered = _ordered(node.target_id, [head for head in heads if head.apart not in room.apart])
    for head in to_try(ordered, free=room.free, whole=room.whole, holds_back_for=room.holds_back_for):
        yield head, room.free_gpus[: head.request.gpus]


def _heads(node: Node) -> tuple[list[Head], bool]:
    target_id = node.target_id
    incarnation = _incarnation_of(node)
    parameters: list[Any] = [
        target_id,
        target_id,
        target_id,
        node.pk,
        incarnation,
        Intake.OPEN.value,
        Intake.OPEN.value,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_HEADS.format(due=_due()), parameters)
        rows = cursor.fetchall()
    heads = [
        Head(
            job_id=row[0],
            lane=row[1],
            workspace_id=row[2],
            person=row[3] or NOBODY,
            priority=row[4],
            age=row[5],
            request=Resources.model_construct(cpus=row[6], memory_bytes=row[7], gpus=row[8]),
            apart=row[9],
        )
        for row in rows
    ]
    return heads, bool(rows and rows[0][10])


def _within_quotas(heads: list[Head], *, hold: bool) -> list[Head]:
    """Without the jobs of those who run as many as they may. Held quotas are counted by one claim after the other."""
    workspaces = {head.workspace_id for head in heads}
    quotas = Quota.objects.filter(workspace__in=workspaces, running_steps__isnull=False).order_by("pk")
    limits = limits_by_workspace(quotas.select_for_update() if hold else quotas, "running_steps")
    if not limits:
        return heads
    running = running_by_person(limits)

    def is_admitted(head: Head) -> bool:
        of_workspace = limits.get(head.workspace_id)
        counts: Mapping[int, int] = running.get(head.workspace_id, {})
        return of_workspace is None or at_limit(of_workspace, "running_steps", head.person, counts) is None

    return [head for head in heads if is_admitted(head)]


def running_by_person(workspace_ids: Iterable[int]) -> dict[int, Counter[int]]:
    """How many jobs run on all targets: by workspace, by person."""
    rows = Job.objects.filter(workspace__in=list(workspace_ids), status__in=ACTIVE).order_by()
    counted = rows.values_list("workspace", "requested_by").annotate(count=Count("pk"))
    counts: dict[int, Counter[int]] = {}
    for workspace_id, person, count in counted:
        counts.setdefault(workspace_id, Counter())[person or NOBODY] = count
    return counts


def _ordered(target_id: int, heads: list[Head]) -> list[Head]:
    if len({head.person for head in heads}) < 2:
        return in_order(heads, {}, {})
    return in_order(heads, *standing_of(target_id))


def standing_of(target_id: int) -> tuple[dict[int, int], dict[int, Any]]:
    """By person, how many jobs run on a target, and when they last had a turn."""
    rows = Job.objects.filter(target=target_id, status__in=ACTIVE).order_by()
    running: Counter[int] = Counter()
    for person, count in rows.values_list("requested_by").annotate(count=Count("pk")):
        running[person or NOBODY] = count
    return dict(running), dict(Turn.objects.filter(target=target_id).values_list("person", "served_at"))


class _Room:
    """What this node has, and what of it is free."""

    def __init__(self, node: Node, heads: Sequence[Head], *, hold: bool) -> None:
        self.node = node
        self.whole = self.free = capacity_of(node)
        self.free_gpus: list[Gpu] = []
        self.apart: set[str] = set()  # words of what runs there that nothing else with the same may run beside
        if all(head.request.is_empty and not head.apart for head in heads):
            return
        wants_gpus = any(head.request.gpus for head in heads)
        if hold:
            _lock(node, whole_machine=wants_gpus)
        running = _running_on(node)
        self.apart = {job.apart for job in running if job.apart}
        taken = total(request_of(job) for job in running)
        if wants_gpus:
            given = _gpus_given(node)
            self.free_gpus = [gpu for gpu in node.devices if gpu.key not in given]
        left = self.whole.less(taken)
        self.free = Capacity(left.cpus, left.memory_bytes, len(self.free_gpus))

    def holds_back_for(self, head: Head) -> bool:
        """Whether this node is one of those that keep room for a job which has waited for long."""
        queued_at = Job.objects.filter(pk=head.job_id).values_list("queued_at", flat=True).first()
        if queued_at is None:
            return False
        waited_s = (clock.now() - queued_at).total_seconds()
        if waited_s < settings.HOLD_BACK_AFTER_S:
            return False
        nodes = alive_nodes(Node.objects.filter(target=self.node.target_id, intake=Intake.OPEN))
        loads = [
            NodeLoad(node.pk, capacity_of(node), node.busy)
            for node in nodes.annotate(busy=Count("jobs", filter=Q(jobs__status__in=ACTIVE)))
        ]
        holding = holding_nodes(head.request, loads, waited_s=waited_s, after_s=settings.HOLD_BACK_AFTER_S)
        return self.node.pk in holding


def capacity_of(node: Node) -> Capacity:
    return Capacity(node.cpus, node.memory_bytes, len(node.devices))


def request_of(job: Job) -> Resources:
    """What a job asks for, from its columns."""
    return Resources.model_construct(cpus=job.cpus, memory_bytes=job.memory_bytes, gpus=job.gpus)


def _lock(node: Node, *, whole_machine: bool) -> None:
    if connection.features.has_select_for_update:
        same = Q(pk=node.pk) | Q(machine=node.machine) if whole_machine and node.machine else Q(pk=node.pk)
        list(Node.objects.filter(same).order_by("pk").select_for_update().values_list("pk"))


def _stays_open(node: Node) -> bool:
    """Whether nobody closes the node until the commit: a pool that drains it waits for this claim, and sees its job.

    Where there is one writer at a time, nobody could meanwhile.
    """
    if not connection.features.has_select_for_update:
        return True
    condition = "id = %s AND incarnation = %s AND draining_at IS NULL FOR SHARE"
    return bool(read_rows(Node, ["id"], condition, [node.pk, _incarnation_of(node)]))


def _incarnation_of(node: Node) -> Any:
    """A process whose place was taken, or given away, claims nothing, even before it has heard of that."""
    return Node._meta.get_field("incarnation").get_db_prep_value(node.incarnation, connection)  # noqa: SLF001


def _running_on(node: Node) -> list[Job]:
    condition = "lease_node_id = %s AND status IN (%s, %s)"
    return read_rows(Job, ("id", "cpus", "memory_bytes", "gpus", "apart"), condition, [node.pk, *ACTIVE])


def _gpus_given(node: Node) -> set[str]:
    """Keys of the devices that jobs have now, of this node and of any other on its machine."""
    on_machine = Q(lease_node__machine=node.machine) if node.machine else Q(lease_node=node.pk)
    rows = Job.objects.filter(on_machine, status__in=ACTIVE).exclude(lease_gpus="")
    return {key for keys in rows.values_list("lease_gpus", flat=True) for key in keys.split(",")}


def _oldest_of(target_id: int, head: Head) -> Job | None:
    skip = " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update else ""
    condition = f"{_IN_LANE.format(due=_due())} ORDER BY queued_at, id LIMIT 1{skip}"
    job = next(iter(read_rows(Job, CLAIM_FIELDS, condition, [target_id, head.lane])), None)
    return job if job is not None and request_of(job) == head.request else None


def _due() -> str:
    return _DUE.format(now=now_sql())


def _serve(target_id: int, person: int) -> None:
    served_at = Turn._meta.get_field("served_at").get_db_prep_save(clock.now(), connection)  # noqa: SLF001
    with connection.cursor() as cursor:
        cursor.execute(_SERVE, [target_id, person, served_at])

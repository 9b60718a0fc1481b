"""What the compute pages read. A number of queries that does not grow with what they show."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import Count, Q, QuerySet
from django.http import Http404
from django.utils import timezone

from compute.alive import alive_nodes
from compute.models import ComputeTarget, Job, Node
from compute.node_use import capacities, with_use
from compute.pool_queries import pools_in_trouble, pools_starting
from compute.protocol import PROTOCOL
from compute.resources import Capacity, given_in_words, in_words
from compute.services.queue import request_of
from compute.sharing import targets_seen_by
from compute.states import ACTIVE, TERMINAL, Intake, JobStatus, KeptBy, NodeIsolation
from compute.waiting_queries import Explaining, in_line
from studio.workspaces.models import Workspace

NodeState = Literal["alive", "silent", "stopped"]

QUEUE_PAGE = 50
MOST_MARKS = 16
FINISHED_SHOWN = 20
# Finished jobs are looked for among so many of the newest: an order by finishing time would read all of them.
FINISHED_WINDOW = 200
# A node that has been gone for longer is not worth a line on the page.
NODE_SHOWN_FOR = timedelta(days=2)
# The supervisor starts the node of a new local target within seconds.
STARTING_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as a page shows it.

    Stopped: it said goodbye. Silent: its heartbeat is older than its lease, and its jobs are being taken over.
    """

    id: int
    name: str
    state: NodeState
    intake: Intake
    heartbeat_at: datetime
    slots: int
    slots_in_use: int
    whole: Capacity
    free: Capacity
    hostname: str
    pid: int
    started_at: datetime
    stopped_at: datetime | None
    is_draining: bool = False  # its pool has no more work for it
    version: str = ""  # of the studio that it was started from
    is_of_another_version: bool = False
    kept_by: str = KeptBy.HAND
    stop_requested_at: datetime | None = None
    isolation: str = ""
    isolation_note: str = ""

    @property
    def is_sandboxing(self) -> bool:
        return self.isolation == NodeIsolation.SANDBOX

    @property
    def is_stopping(self) -> bool:
        """Somebody asked it to stop, and it has not said goodbye yet."""
        return self.stop_requested_at is not None and self.state != "stopped"

    @property
    def may_stop(self) -> bool:
        return self.state != "stopped" and self.stop_requested_at is None

    @property
    def may_start(self) -> bool:
        """A supervisor waits for somebody to say so."""
        return self.kept_by == KeptBy.SUPERVISOR and self.stop_requested_at is not None and not self.is_alive

    @property
    def is_alive(self) -> bool:
        return self.state == "alive"

    @property
    def meter(self) -> "Meter":
        return Meter(self.slots_in_use, self.slots if self.is_alive else 0)

    @property
    def resources(self) -> list[str]:
        """What of it is given away, as in “1.5 of 4 CPUs”."""
        return given_in_words(self.whole, self.free)


@dataclass(frozen=True, slots=True)
class Meter:
    """Slots in use of those that there are: a mark for each while they can be counted by eye, else a bar."""

    in_use: int
    total: int

    @property
    def marks(self) -> list[bool] | None:
        """True for a slot in use. A slot may be in use on a node that went silent: then there are more marks."""
        count = max(self.in_use, self.total)
        return [position < self.in_use for position in range(count)] if count <= MOST_MARKS else None

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.in_use / self.total)) if self.total else 0


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target with what happens on it, over all workspaces that use it."""

    target: ComputeTarget
    nodes: list[NodeRow]
    slots_in_use: int
    queue_length: int
    is_shared: bool  # with the workspace that looks at it, whose own it is not
    is_in_trouble: bool = False  # a pool, of which the last that is known is something that it could not do
    is_starting: bool = False  # a pool that has a node on its way

    @property
    def nodes_alive(self) -> int:
        return sum(node.is_alive for node in self.nodes)

    @property
    def slots_total(self) -> int:
        """Of the nodes that are alive: what could run now."""
        return sum(node.slots for node in self.nodes if node.is_alive)

    @property
    def heartbeat_at(self) -> datetime | None:
        return max((node.heartbeat_at for node in self.nodes), default=None)

    @property
    def state(self) -> NodeState | Literal["starting", "none", "idle", "stuck"]:
        """Of the target as a whole: its best node's. A pool that has none alive is idle where it starts none.

        What waits may need none: a quota holds it back, or no node would be large enough.
        """
        if self.target.pool is not None and not self.nodes_alive:
            if self.is_in_trouble and (self.queue_length or self.target.pool.min_nodes):
                return "stuck"
            return "starting" if self.is_starting or self.target.pool.min_nodes else "idle"
        if not self.nodes:
            return "starting" if timezone.now() - self.target.created_at < STARTING_FOR else "none"
        return min((node.state for node in self.nodes), key=("alive", "silent", "stopped").index)

    @property
    def meter(self) -> "Meter":
        return Meter(self.slots_in_use, self.slots_total)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as a page of one workspace shows it. Of another workspace's job nothing is known but that it is there."""

    id: int | None
    title: str | None
    is_own: bool
    status: str
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    node: str
    attempt: int
    reason: str
    position: int = 0  # in the queue, from 1
    requested_by: str = ""
    priority: int = 0
    asks_for: str = ""  # in words; empty: a slot alone
    waits_for: str = ""  # why it has not started, of the workspace's own jobs


@dataclass(frozen=True, slots=True)
class Queue:
    """One page of the jobs that wait, in the order in which they will be claimed."""

    jobs: list[JobRow]
    length: int
    page: int
    pages: int

    @property
    def previous_page(self) -> int:
        return self.page - 1

    @property
    def next_page(self) -> int:
        return self.page + 1

    @property
    def has_previous(self) -> bool:
        return self.page > 1

    @property
    def has_next(self) -> bool:
        return self.page < self.pages


def targets_of(workspace: Workspace) -> QuerySet[ComputeTarget]:
    """The workspace's own targets and those that an administrator shares with it."""
    return targets_seen_by(workspace)


def target_of(workspace: Workspace, target_id: int) -> ComputeTarget:
    """One of `targets_of`. Raises Http404 for any other."""
    target = targets_of(workspace).select_related("created_by").filter(pk=target_id).first()
    if target is None:
        raise Http404("There is no such compute target in this workspace.")
    return target


def node_of(target: ComputeTarget, node_id: int) -> Node:
    """A node of the target. Raises Http404 for any other."""
    node = Node.objects.select_related("target__workspace").filter(target=target, pk=node_id).first()
    if node is None:
        raise Http404("This target has no such node.")
    return node


def node_row(node: Node) -> NodeRow:
    """One node, as its page shows it. Two queries."""
    nodes = Node.objects.filter(pk=node.pk)
    return _node_row(with_use(nodes).get(), is_alive=alive_nodes(nodes).exists())


def target_rows(targets: Iterable[ComputeTarget], workspace: Workspace) -> list[TargetRow]:
    """As a page of `workspace` shows them, with their nodes and counts: as many queries for one as for hundreds."""
    listed = list(targets)
    ids = [target.pk for target in listed]
    nodes: dict[int, list[NodeRow]] = {pk: [] for pk in ids}
    recent = Q(heartbeat_at__gte=timezone.now() - NODE_SHOWN_FOR)
    listed_nodes = Node.objects.filter(recent, target__in=ids)
    alive = set(alive_nodes(listed_nodes).values_list("pk", flat=True))
    for node in with_use(listed_nodes):
        nodes[node.target_id].append(_node_row(node, is_alive=node.pk in alive))
    active = _counts(Job.objects.filter(target__in=ids, status__in=ACTIVE))
    queued = _counts(Job.objects.filter(target__in=ids, status=JobStatus.QUEUED))
    pools = [target.pk for target in listed if target.kind == "pool"]
    in_trouble, starting = pools_in_trouble(pools), pools_starting(pools)
    return [
        TargetRow(
            target=target,
            nodes=sorted(nodes[target.pk], key=lambda row: (not row.is_alive, row.name)),
            slots_in_use=active.get(target.pk, 0),
            queue_length=queued.get(target.pk, 0),
            is_shared=target.workspace_id != workspace.pk,
            is_in_trouble=target.pk in in_trouble,
            is_starting=target.pk in starting,
        )
        for target in listed
    ]


def running_jobs(target: ComputeTarget, workspace: Workspace) -> list[JobRow]:
    """The jobs that hold a slot, the longest first."""
    jobs = _for_rows(Job.objects.filter(target=target, status__in=ACTIVE)).order_by("started_at", "id")
    return [_job_row(job, workspace) for job in jobs]


def queue(target: ComputeTarget, workspace: Workspace, *, page: int = 1) -> Queue:
    """The jobs that wait for a slot, those that will be claimed first at the head."""
    jobs = Job.objects.filter(target=target, status=JobStatus.QUEUED)
    length = jobs.count()
    pages = max(1, -(-length // QUEUE_PAGE))
    page = min(max(1, page), pages)
    first = (page - 1) * QUEUE_PAGE
    ordered = list(_for_rows(in_line(target.pk))[first : first + QUEUE_PAGE])
    explain = Explaining(target.pk, workspace, ordered if page == 1 else [])
    rows = [
        _job_row(job, workspace, position=position, waits_for=explain(job, position))
        for position, job in enumerate(ordered, first + 1)
    ]
    return Queue(jobs=rows, length=length, page=page, pages=pages)


def finished_jobs(target: ComputeTarget, workspace: Workspace) -> list[JobRow]:
    """The workspace's own jobs that finished last."""
    jobs = _for_rows(Job.objects.filter(target=target, workspace=workspace, status__in=TERMINAL)).order_by("-id")
    rows = [_job_row(job, workspace) for job in jobs[:FINISHED_WINDOW]]
    return sorted(rows, key=lambda row: row.finished_at or row.queued_at, reverse=True)[:FINISHED_SHOWN]


def _counts(jobs: QuerySet[Job]) -> dict[int, int]:
    return dict(jobs.order_by().values_list("target").annotate(count=Count("id")).values_list("target", "count"))


def _for_rows(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("lease_node", "requested_by").defer("spec", "result")


def _node_row(node: Any, *, is_alive: bool) -> NodeRow:
    whole, free = capacities(node)
    state: NodeState = "stopped" if node.stopped_at else "alive" if is_alive else "silent"
    return NodeRow(
        id=node.pk,
        name=node.name,
        state=state,
        intake=Intake(node.intake),
        heartbeat_at=node.heartbeat_at,
        slots=node.slots,
        slots_in_use=node.busy,
        whole=whole,
        free=free,
        hostname=node.hostname,
        pid=node.pid,
        started_at=node.started_at,
        stopped_at=node.stopped_at,
        is_draining=node.draining_at is not None and is_alive,
        version=node.version,
        is_of_another_version=is_alive and node.protocol != PROTOCOL,
        kept_by=node.kept_by,
        stop_requested_at=node.stop_requested_at,
        isolation=node.isolation,
        isolation_note=node.isolation_note,
    )


def _job_row(job: Job, workspace: Workspace, *, position: int = 0, waits_for: str = "") -> JobRow:
    is_own = job.workspace_id == workspace.pk
    return JobRow(
        id=job.pk if is_own else None,
        title=job.title if is_own else None,
        is_own=is_own,
        status=job.status,
        queued_at=job.queued_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        node=job.lease_node.name if job.lease_node else "",
        attempt=job.attempt_number,
        reason=job.reason if is_own else "",
        position=position,
        requested_by=str(job.requested_by or "") if is_own else "",
        priority=job.priority,
        asks_for=in_words(request_of(job)) if is_own else "",
        waits_for=waits_for if is_own else "",
    )

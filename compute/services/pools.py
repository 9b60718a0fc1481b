"""Pools follow their work: what there is, is read again every few seconds, and one step towards what should be is made.

Whatever is done here may be done twice, and by two at once: a pool's row is held while it is looked at, and every
change of a node is guarded by the status in which it was seen.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from compute.alive import alive_nodes
from compute.models import ComputeTarget, Job, Node, PoolNode, Quota
from compute.pools.load import nodes_filled
from compute.pools.plan import NodeView, Plan, PoolView, plan_for
from compute.pools.quotas import Asked, within_limits
from compute.pools.spec import PoolSpec
from compute.providers import PROVIDERS, QUICK, Provider, get_provider
from compute.queueing import NOBODY
from compute.quotas import limits_by_workspace
from compute.resources import Capacity, fits
from compute.services import pool_nodes
from compute.services.queue import capacity_of, running_by_person
from compute.spec import Resources
from compute.states import ACTIVE, POOL_NODE_LIVE, Intake, JobStatus, PoolNodeStatus

logger = logging.getLogger(__name__)


class _Heard(NamedTuple):
    """What is known of a row's node."""

    is_alive: bool
    said_goodbye: bool
    jobs: int
    idle_for_s: float
    is_drained_by_hand: bool


_Nodes = dict[int | None, _Heard]


def reconcile_pools() -> None:
    """One step for every pool. One that breaks keeps no other waiting."""
    for target_id in _pools().values_list("pk", flat=True):
        try:
            reconcile(target_id)
        except Exception:
            logger.exception("pool %s could not be looked after, the next round tries again", target_id)


def reconcile(target_id: int) -> Plan | None:
    """One step for one pool. None where somebody else is at it, or it is no pool any more."""
    with transaction.atomic():
        rows = _pools().filter(pk=target_id)
        if connection.features.has_select_for_no_key_update:
            rows = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
        target = rows.first()
        if target is None or target.pool is None:
            return None
        provider = get_provider(target.pool.provider)
        live = list(PoolNode.objects.filter(target=target, status__in=POOL_NODE_LIVE).order_by("id"))
        heard = _heard(live)
        size = _size_of_a_node(target)
        work = _work(target, size)
        asked = [(each.request, each.count) for each in work]
        filled, apart = nodes_filled(asked, slots=target.slots, node=size), _most_apart(work, size)
        load = max(filled, Fraction(apart))
        view = _view(target, provider, live, heard, load)
        plan = plan_for(view, lease_s=settings.NODE_LEASE_S)
        jobs = sum(each.count for each in work)
        told_apart = apart if apart > 1 and apart > filled else 0
        _Round(target, provider, view, {row.pk: row for row in live}, heard, jobs, told_apart).carry_out(plan)
        return plan


def work_to_do(*, quick: bool) -> list[PoolNode]:
    """Rows whose provider is to start, stop or clear something, and that nobody is working on."""
    due = Q(status__in=[PoolNodeStatus.STARTING, PoolNodeStatus.STOPPING]) | Q(must_clear=True)
    rows = PoolNode.objects.filter(due).filter(Q(worked_on_until=None) | Q(worked_on_until__lt=Now()))
    names = [name for name in PROVIDERS if (name in QUICK) == quick]
    # The target's base manager: a pool that was deleted still clears up.
    return list(rows.filter(provider__in=names).select_related("target").order_by("id")[:100])


def work_on_quick_ones() -> None:
    """What needs no machine but the database."""
    for row in work_to_do(quick=True):
        provider = get_provider(row.provider)
        if row.status == PoolNodeStatus.STARTING:
            pool_nodes.say_phase(row, provider.start(row))
        elif row.status == PoolNodeStatus.STOPPING and provider.stop(row):
            pool_nodes.went(row)


def _pools() -> QuerySet[ComputeTarget]:
    """Those that there are, and deleted ones of which nodes are left."""
    left = PoolNode.objects.filter(target=OuterRef("pk"), status__in=POOL_NODE_LIVE)
    every = ComputeTarget._base_manager.filter(kind="pool")  # noqa: SLF001 (documented)
    return every.filter(Q(deleted_at=None) | Exists(left)).order_by("pk")


def _view(
    target: ComputeTarget, provider: Provider, live: Sequence[PoolNode], heard: _Nodes, load: Fraction
) -> PoolView:
    assert target.pool is not None, "a pool has its settings"
    spec: PoolSpec = target.pool
    own = [row.node_id for row in live if row.node_id is not None]
    now = timezone.now()
    return PoolView(
        min_nodes=spec.min_nodes,
        max_nodes=spec.max_nodes,
        idle_s=spec.idle_s,
        start_s=provider.start_s,
        load=load,
        by_hand=alive_nodes(Node.objects.filter(target=target)).exclude(pk__in=own).count(),
        is_closed=target.deleted_at is not None or target.intake == Intake.DRAINING,
        is_paused=target.intake == Intake.PAUSED,
        nodes=[
            NodeView(
                id=row.pk,
                status=PoolNodeStatus(row.status),
                age_s=(now - row.created_at).total_seconds(),
                is_to_go=bool(_why_it_goes(row, target, provider, heard.get(row.node_id))),
                **_seen(heard.get(row.node_id)),
            )
            for row in live
        ],
    )


def _work(target: ComputeTarget, node: Capacity | None) -> list[Asked]:
    """What running jobs ask for, and those that wait and may run, and how many of them do.

    What no node can hold, as far as one of them is known, takes nobody's place.
    """
    due = Q(not_before=None) | Q(not_before__lte=Now())
    waiting = _asked(Job.objects.filter(due, target=target, status=JobStatus.QUEUED, cancel_requested_at=None))
    waiting = [each for each in waiting if node is None or fits(each.request, node)]
    limits = limits_by_workspace(Quota.objects.filter(running_steps__isnull=False), "running_steps")
    if limits:
        waiting = within_limits(waiting, limits, running_by_person(limits))
    return [*_asked(Job.objects.filter(target=target, status__in=ACTIVE)), *waiting]


def _asked(jobs: QuerySet[Job]) -> list[Asked]:
    groups = jobs.order_by().values_list("workspace", "requested_by", "cpus", "memory_bytes", "gpus", "apart")
    return [
        Asked(
            workspace=workspace,
            person=person or NOBODY,
            request=Resources.model_construct(cpus=cpus, memory_bytes=memory_bytes, gpus=gpus),
            count=count,
            apart=apart,
        )
        for workspace, person, cpus, memory_bytes, gpus, apart, count in groups.annotate(Count("pk"))
    ]


def _most_apart(work: Sequence[Asked], node: Capacity | None) -> int:
    """How many nodes the jobs fill that are to have one each, as far as `node`, the size of one, can hold them."""
    counts: Counter[str] = Counter()
    for asked in work:
        if asked.apart and (node is None or fits(asked.request, node)):
            counts[asked.apart] += asked.count
    return max(counts.values(), default=0)


def _size_of_a_node(target: ComputeTarget) -> Capacity | None:
    """The most that any of its nodes has or had: a job that fits on the largest is worth another node."""
    sizes = [capacity_of(node) for node in Node.objects.filter(target=target).only("cpus", "memory_bytes", "gpus")]
    if not sizes:
        return None
    return Capacity(
        cpus=max((size.cpus for size in sizes if size.cpus is not None), default=None),
        memory_bytes=max((size.memory_bytes for size in sizes if size.memory_bytes is not None), default=None),
        gpus=max(size.gpus for size in sizes),
    )


def _why_it_goes(row: PoolNode, target: ComputeTarget, provider: Provider, heard: _Heard | None) -> str:
    """Why a node has to leave whatever the work is; empty where it may stay."""
    if row.source != provider.source:
        return "it is of another version of the studio than this one."
    if row.place is not None and target.pool is not None and target.pool.host_at(row.host) is None:
        return f"“{target.name}” no longer has {row.host}."
    if heard is not None and heard.is_drained_by_hand:
        return "it was drained by hand."
    return ""


def _seen(heard: _Heard | None) -> dict[str, Any]:
    if heard is None:
        return {}
    return {name: value for name, value in heard._asdict().items() if name != "is_drained_by_hand"}


def _heard(live: Sequence[PoolNode]) -> _Nodes:
    ids = [row.node_id for row in live if row.node_id is not None]
    nodes = Node.objects.filter(pk__in=ids)
    alive = set(alive_nodes(nodes).values_list("pk", flat=True))
    counted = nodes.annotate(active=Count("jobs", filter=Q(jobs__status__in=ACTIVE)), now=Now())
    return {
        node.pk: _Heard(
            is_alive=node.pk in alive,
            said_goodbye=node.stopped_at is not None,
            jobs=node.active,
            # Both by the database's clock.
            is_drained_by_hand=node.intake == Intake.DRAINING,
            idle_for_s=0.0 if node.active else (node.now - (node.busy_at or node.started_at)).total_seconds(),
        )
        for node in counted
    }


@dataclass(frozen=True, slots=True)
class _Round:
    """One look at one pool, and what is done about it."""

    target: ComputeTarget
    provider: Provider
    view: PoolView
    rows: dict[int, PoolNode]
    heard: _Nodes
    jobs: int  # that run, or wait and may run
    apart: int  # of these, where that is why so many nodes are needed: so many that are to have one each

    def carry_out(self, plan: Plan) -> None:
        for row_id, reason in plan.failed:
            pool_nodes.failed(self.rows[row_id], reason)
        for row_id in plan.gone:
            pool_nodes.went(self.rows[row_id], "it was stopped on its machine.")
        for row_id in plan.keep:
            pool_nodes.keep_after_all(self.rows[row_id])
        for row_id in plan.stop_drained:
            pool_nodes.stop_if_idle(self.rows[row_id], self.rows[row_id].reason or "it was drained.")
        for row_id in plan.stop_if_idle:
            pool_nodes.stop_if_idle(self.rows[row_id], f"it had no work for {self.view.idle_s:g} s.")
        for row_id in dict.fromkeys(plan.drain):
            self._drain(self.rows[row_id])
        if plan.add:
            ended = {*plan.gone, *(row_id for row_id, _ in plan.failed)}
            self._add(plan.add, [row for row in self.rows.values() if row.pk not in ended])

    def _drain(self, row: PoolNode) -> None:
        reason = self._why_drained(row)
        if not pool_nodes.stop_if_idle(row, reason) and row.status == PoolNodeStatus.UP:
            pool_nodes.drain(row, reason)

    def _why_drained(self, row: PoolNode) -> str:
        if why := _why_it_goes(row, self.target, self.provider, self.heard.get(row.node_id)):
            return why
        if self.target.deleted_at is not None:
            return f"“{self.target.name}” was deleted."
        if self.view.is_closed:
            return f"“{self.target.name}” is being drained."
        most = "1 node" if self.view.max_nodes == 1 else f"{self.view.max_nodes} nodes"
        return f"“{self.target.name}” has at most {most} now."

    def _add(self, count: int, live: Sequence[PoolNode]) -> None:
        target, jobs = self.target, self.jobs
        places, why_fewer = self.provider.places(target, live, count)
        if places:
            what = "its least number"
            if jobs:
                how = f"at most {target.slots} on a node"
                if self.apart:
                    how = f"{'each' if self.apart == jobs else f'{self.apart:,} of them each'} on a node of its own"
                what = f"waiting or running: {jobs:,} job{'' if jobs == 1 else 's'}, {how}"
            nodes = "a node" if len(places) == 1 else f"{len(places)} nodes"
            pool_nodes.note_event(target.pk, f"Starts {nodes} ({what}).")
        if why_fewer:
            pool_nodes.note_event(target.pk, why_fewer, is_problem=True)
        for host in places:
            row = pool_nodes.add_pool_node(target, provider=self.provider.name, host=host, source=self.provider.source)
            logger.info("pool %s wants node %s", target.name, row.name)

"""What pages read of pools."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import OuterRef, Subquery

from compute.models import ComputeTarget, PoolEvent, PoolNode
from compute.pools.spec import PoolSpec
from compute.states import POOL_NODE_LIVE, PoolNodeStatus

EVENTS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool as its page shows it: nodes on their way in or out (those that are up stand among the nodes), events."""

    spec: PoolSpec
    rows: list[PoolNode]
    events: list[PoolEvent]

    @property
    def under_way(self) -> list[PoolNode]:
        return [row for row in self.rows if row.status != PoolNodeStatus.UP]

    @property
    def min_nodes(self) -> int:
        return self.spec.min_nodes

    @property
    def words(self) -> str:
        """What it is, in one line."""
        spec = self.spec
        where = "as processes of the studio's machines"
        if spec.provider == "ssh":
            where = "on 1 SSH host" if len(spec.hosts) == 1 else f"on {len(spec.hosts)} SSH hosts"
        return f"{spec.min_nodes} to {spec.max_nodes} nodes {where}; a node goes after {spec.idle_s:g} s without work"


def pools_in_trouble(target_ids: Collection[int]) -> set[int]:
    """Those of which the newest event is something that they could not do. One query, or none."""
    if not target_ids:
        return set()
    newest = PoolEvent.objects.filter(target=OuterRef("pk")).values("is_problem")[:1]
    pools = ComputeTarget.objects.filter(pk__in=target_ids).annotate(is_in_trouble=Subquery(newest))
    return set(pools.filter(is_in_trouble=True).values_list("pk", flat=True))


def pools_starting(target_ids: Collection[int]) -> set[int]:
    """Those that have a node on its way. One query, or none."""
    if not target_ids:
        return set()
    rows = PoolNode.objects.filter(target__in=target_ids, status=PoolNodeStatus.STARTING)
    return set(rows.values_list("target", flat=True))


def pool_state(target: ComputeTarget) -> PoolState | None:
    """None of a target that is no pool. Two queries."""
    if target.kind != "pool" or target.pool is None:
        return None
    rows = PoolNode.objects.filter(target=target, status__in=POOL_NODE_LIVE).order_by("name")
    return PoolState(target.pool, list(rows), list(PoolEvent.objects.filter(target=target)[:EVENTS_SHOWN]))

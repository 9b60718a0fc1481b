"""What the page of a pool reads, in two queries."""

from dataclasses import dataclass

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


def pool_state(target: ComputeTarget) -> PoolState | None:
    """None of a target that is no pool."""
    if target.kind != "pool" or target.pool is None:
        return None
    rows = PoolNode.objects.filter(target=target, status__in=POOL_NODE_LIVE).order_by("name")
    return PoolState(target.pool, list(rows), list(PoolEvent.objects.filter(target=target)[:EVENTS_SHOWN]))

"""What a pool has to do now. Pure: it is told what there is, and says what should change.

Whoever carries it out checks again, row by row: between the look and the deed a node may have taken work.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from compute.states import PoolNodeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A live row of the pool. `is_alive`: its node is heard of. `idle_for_s`: since it ran something last."""

    id: int
    status: PoolNodeStatus
    age_s: float = 0.0
    is_alive: bool = False
    said_goodbye: bool = False
    jobs: int = 0
    idle_for_s: float = 0.0
    is_to_go: bool = False  # of another version of the studio, in a place that the pool lost, drained by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """A pool at one moment. `by_hand`: living nodes that somebody else started."""

    min_nodes: int
    max_nodes: int
    idle_s: float
    start_s: float  # so long a node may take to come up
    load: Fraction  # so many nodes its waiting and running jobs would fill
    nodes: Sequence[NodeView] = ()
    by_hand: int = 0
    is_closed: bool = False  # deleted or drained: nothing is wanted any more
    is_paused: bool = False  # nothing new starts on it: nodes stay, none is added


@dataclass(frozen=True, slots=True)
class Plan:
    """Keys of rows, and how many nodes to add. An order: what failed first, then what goes, then what comes."""

    wanted: int
    failed: list[tuple[int, str]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    stop_if_idle: list[int] = field(default_factory=list)
    drain: list[int] = field(default_factory=list)
    stop_drained: list[int] = field(default_factory=list)
    keep: list[int] = field(default_factory=list)  # were draining, and are needed after all
    add: int = 0


def plan_for(pool: PoolView, *, lease_s: float) -> Plan:
    """The next step towards as many nodes as the work needs, within the pool's bounds.

    A node that works is never ended: it drains. Nodes that are on their way out still count against the maximum.
    """
    wanted = wanted_nodes(pool)
    failed, gone = _ended(pool, lease_s)
    over = {*(row for row, _ in failed), *gone}
    live = [node for node in pool.nodes if node.id not in over]
    serving = [node for node in live if _serves(node)]
    draining = [node for node in live if node.status == PoolNodeStatus.DRAINING]

    leaving = [node.id for node in live if node.is_to_go and node.status == PoolNodeStatus.UP]
    keep = [node.id for node in draining if not node.is_to_go][: max(0, wanted - len(serving))]
    most = max(0, pool.max_nodes - pool.by_hand) if not pool.is_closed else 0
    surplus = _leave_first(serving)[: max(0, len(serving) - most)]
    forced = {node.id for node in surplus}
    idle = [
        node.id
        for node in _leave_first(serving)
        if node.status == PoolNodeStatus.UP and not node.jobs and node.idle_for_s >= pool.idle_s
    ]
    idle = [row for row in idle if row not in forced and not pool.is_paused][
        : max(0, len(serving) - len(forced) - wanted)
    ]
    gap = wanted - len(serving) - len(keep) if not pool.is_paused else 0
    return Plan(
        wanted=wanted,
        failed=failed,
        gone=gone,
        stop_if_idle=idle,
        drain=[*leaving, *(node.id for node in surplus)],
        stop_drained=[node.id for node in draining if node.id not in keep],
        keep=keep,
        add=max(0, min(gap, most - len(live))),
    )


def wanted_nodes(pool: PoolView) -> int:
    """How many nodes of its own the pool should have."""
    if pool.is_closed:
        return 0
    return max(0, min(max(math.ceil(pool.load), pool.min_nodes), pool.max_nodes) - pool.by_hand)


def _serves(node: NodeView) -> bool:
    return node.status == PoolNodeStatus.STARTING or (node.status == PoolNodeStatus.UP and not node.is_to_go)


def _ended(pool: PoolView, lease_s: float) -> tuple[list[tuple[int, str]], list[int]]:
    failed: list[tuple[int, str]] = []
    gone: list[int] = []
    for node in pool.nodes:
        match node.status:
            case PoolNodeStatus.UP | PoolNodeStatus.DRAINING if node.said_goodbye:
                gone.append(node.id)
            case PoolNodeStatus.UP | PoolNodeStatus.DRAINING if not node.is_alive:
                failed.append(
                    (
                        node.id,
                        f"It was not heard of for {lease_s:g} s: its process or its machine died, or was cut off.",
                    )
                )
            case PoolNodeStatus.STARTING if node.age_s > pool.start_s:
                failed.append((node.id, f"It did not come up within {pool.start_s / 60:g} minutes."))
    return failed, gone


def _leave_first(nodes: Sequence[NodeView]) -> list[NodeView]:
    """Those that are missed least: not yet up, then with the least work, then idle for longest, then the newest."""
    return sorted(
        nodes, key=lambda node: (node.status != PoolNodeStatus.STARTING, node.jobs, -node.idle_for_s, -node.id)
    )

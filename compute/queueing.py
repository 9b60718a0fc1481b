"""Which of the waiting jobs is next on a node. Pure: `services.queue` reads what it decides from.

Jobs of one target that are alike in all but their age (workspace, person, priority, what they ask for) stand in one
*lane*, the oldest at its head. Only heads are compared, so a choice costs as much as there are lanes, however many
jobs wait.

The order of heads: the higher priority; then the person who has fewer jobs running on the target; then the person
whose last turn is longest ago; then the job that waits longest. The first one that fits into what the node has free
is next, but for those that are to be apart from a job which runs there. One exception keeps a large job from starving
behind small ones: where the best job that does not fit has waited for long and would fit the emptied node, what it
asks for is set aside there, and only those go before it that leave as much (`spares`). One node of the target does so
at first and, should that not help, one more for each further period, those with the fewest jobs first: not all of them
stand idle for one job (`holding_nodes`).
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.resources import Capacity, fits, spares
from compute.spec import Resources

NOBODY = 0  # the person of a job that nobody asked for


_LANES_APART = 64


@dataclass(frozen=True, slots=True)
class Head:
    """The oldest job of a lane. `age` only orders: smaller is older."""

    job_id: int
    lane: int
    workspace_id: int
    person: int
    priority: int
    age: Any
    request: Resources
    apart: str = ""  # a node starts none while another one with this word runs there


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """Another node of the target, or this one: what it has in all, and how many jobs it runs."""

    node_id: int
    whole: Capacity
    running: int


def lane_of(*, workspace_id: int, person: int, priority: int, request: Resources, apart: str = "") -> int:
    """A number of 63 bits. Should two lanes ever share one, their jobs merely wait for each other.

    Those that are to be `apart` from others are of few lanes, however many such words there are: each claim looks at
    all lanes.
    """
    parts: tuple[Any, ...] = (workspace_id, person, priority, request.cpus, request.memory_bytes, request.gpus)
    parts += (zlib.crc32(apart.encode()) % _LANES_APART,) if apart else ()
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 1


def in_order(heads: Sequence[Head], running: Mapping[int, int], served: Mapping[int, Any]) -> list[Head]:
    """The best first. By person: how many jobs run, and when the last turn was (who has had none goes first)."""
    return sorted(
        heads,
        key=lambda head: (
            -head.priority,
            running.get(head.person, 0),
            head.person in served,
            served.get(head.person, 0),
            head.age,
            head.job_id,
        ),
    )


def to_try(
    ordered: Sequence[Head], *, free: Capacity, whole: Capacity, holds_back_for: Callable[[Head], bool]
) -> Iterator[Head]:
    """Those of `ordered` that may start on a node now. It is asked at most once whether it `holds_back_for` a job."""
    reserved: Resources | None = None
    asked = False
    for head in ordered:
        if not fits(head.request, free):
            if not asked and fits(head.request, whole):
                asked = True
                reserved = head.request if holds_back_for(head) else None
        elif reserved is None or spares(head.request, reserved, free):
            yield head


def holding_nodes(request: Resources, nodes: Sequence[NodeLoad], *, waited_s: float, after_s: float) -> set[int]:
    """The nodes that keep room for a job which has waited for so long: none before `after_s`, then one more by one."""
    if waited_s < after_s:
        return set()
    able = sorted((node for node in nodes if fits(request, node.whole)), key=lambda node: (node.running, node.node_id))
    return {node.node_id for node in able[: int(waited_s // after_s)]}

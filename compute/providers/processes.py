"""Nodes as processes of a machine on which a supervisor runs: `manage.py up`, or `manage.py nodes` without the rest.

The supervisor owns them. It follows the rows, takes those that no machine has yet, starts again what dies, and ends
what is no longer wanted; so nothing is started here, and a row is all that there is to get lost.
"""

from collections.abc import Sequence
from typing import ClassVar

from django.utils import timezone

from compute.alive import alive_nodes
from compute.models import ComputeTarget, Node, PoolNode
from compute.providers.interface import Provider

# A process that never registered has so long to end after the supervisor let go of it.
UNHEARD_END_S = 10.0


class Processes(Provider):
    name: ClassVar[str] = "processes"
    start_s: ClassVar[float] = 180.0

    def places(
        self,
        target: ComputeTarget,  # noqa: ARG002 (for those that have hosts)
        live: Sequence[PoolNode],  # noqa: ARG002
        count: int,
    ) -> tuple[list[str], str]:
        return [""] * count, ""

    def start(self, row: PoolNode) -> str:
        if row.host:
            return f"Its process starts on {row.host}."
        return "It waits for a supervisor of nodes: “manage.py up”, or “manage.py nodes” where that does not run."

    def stop(self, row: PoolNode) -> bool:
        if not row.host:
            return True
        if row.node_id is not None:
            return not alive_nodes(Node.objects.filter(pk=row.node_id)).exists()
        since = row.stopping_at or row.created_at
        return (timezone.now() - since).total_seconds() > UNHEARD_END_S

"""What of a node is given to jobs, read with the node."""

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from compute.models import Node
from compute.resources import Capacity
from compute.spec import Resources
from compute.states import ACTIVE


def with_use(nodes: QuerySet[Node]) -> QuerySet[Any]:
    """With what their jobs have of them: `busy` slots, `cpus_given`, `memory_given` and `gpus_given`."""
    active = Q(jobs__status__in=ACTIVE)
    return nodes.annotate(
        busy=Count("jobs", filter=active),
        cpus_given=Sum("jobs__cpus", filter=active),
        memory_given=Sum("jobs__memory_bytes", filter=active),
        gpus_given=Sum("jobs__gpus", filter=active),
    )


def capacities(node: Any) -> tuple[Capacity, Capacity]:
    """Of a node that was read `with_use`: what it has, and what of it is free."""
    whole = Capacity(node.cpus, node.memory_bytes, len(node.devices))
    given = Resources(cpus=node.cpus_given or 0, memory_bytes=node.memory_given or 0, gpus=node.gpus_given or 0)
    return whole, whole.less(given)

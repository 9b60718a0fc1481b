"""Keep what nodes say of themselves: an hour of figures, and the last lines of their logs. Nothing of it grows."""

from datetime import timedelta

from django.db.models.functions import Now

from compute.models import Node, NodeLog, NodeSample
from compute.node_records import KEPT_S, ROW_S, NodeLines, NodePoints

LOG_LINES_KEPT = 1000  # of a node, over all its starts
LOG_BYTES_KEPT = 1024**2


def write_points(node: Node, row_id: int | None, points: NodePoints, *, age_s: float) -> int:
    """Put the points into their row, whose first one is `age_s` old. Returns the row's id: of a new one, if need be.

    Times are the database's: clocks of machines differ, and jump.
    """
    if row_id is not None and NodeSample.objects.filter(pk=row_id).update(points=points):
        return row_id
    return NodeSample.objects.create(node=node, began_at=Now() - timedelta(seconds=age_s), points=points).pk


def write_lines(node: Node, lines: NodeLines, *, forget: bool) -> None:
    """Append to the node's log; with `forget`, let go of its oldest lines where there are too many."""
    NodeLog.objects.create(
        node=node,
        incarnation=node.incarnation,
        lines=lines,
        line_count=len(lines.lines),
        size_bytes=sum(len(line.text) for line in lines.lines),
    )
    if forget:
        _forget_old_lines(node)


def forget_old_samples() -> None:
    """For the sweep: figures that are not shown any more, of nodes that live no longer too."""
    old = NodeSample.objects.filter(began_at__lt=Now() - timedelta(seconds=KEPT_S + ROW_S))
    if old.exists():  # most rounds only read
        old.delete()


def _forget_old_lines(node: Node) -> None:
    lines = size_bytes = 0
    for row in NodeLog.objects.filter(node=node).order_by("-pk").values_list("pk", "line_count", "size_bytes"):
        lines, size_bytes = lines + row[1], size_bytes + row[2]
        if lines > LOG_LINES_KEPT or size_bytes > LOG_BYTES_KEPT:
            NodeLog.objects.filter(node=node, pk__lt=row[0]).delete()
            return

"""What pages and API show of single nodes: an hour of figures, and the node's own log."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from compute.models import Node, NodeLog, NodeSample
from compute.node_records import KEPT_S, ROW_S, GpuPoint, NodeLine, NodePoint
from compute.queries import NodeRow, node_row
from compute.resources import bytes_in_words

MOST_NODES = 50  # whose figures come with one answer
LOG_LINES = 200
MOST_LOG_LINES = 1000


@dataclass
class GpuFigures:
    """One device, moment by moment as `NodeFigures.at`. None where it did not tell."""

    key: str
    name: str
    busy: list[float | None] = field(default_factory=list)  # percent
    memory_used: list[int | None] = field(default_factory=list)
    memory_total: int | None = None


@dataclass
class NodeFigures:
    """How a node's machine was used: lists of equal length, oldest first."""

    id: int
    name: str
    at: list[float] = field(default_factory=list)  # seconds since 1970
    cpu: list[float | None] = field(default_factory=list)
    memory_used: list[int | None] = field(default_factory=list)
    memory_total: int | None = None
    disk_used: list[int | None] = field(default_factory=list)
    disk_total: int | None = None
    disk_read: list[float | None] = field(default_factory=list)
    disk_written: list[float | None] = field(default_factory=list)
    gpus: list[GpuFigures] = field(default_factory=list)

    def add(self, at: float, point: NodePoint) -> None:
        self.at.append(at)
        self.cpu.append(point.cpu)
        self.memory_used.append(point.memory_used)
        self.memory_total = point.memory_total
        self.disk_used.append(point.disk_used)
        self.disk_total = point.disk_total
        self.disk_read.append(point.disk_read)
        self.disk_written.append(point.disk_written)
        known = {gpu.key: gpu for gpu in self.gpus}
        for gpu in point.gpus:
            if gpu.key not in known:
                before = len(self.at) - 1
                new = GpuFigures(gpu.key, gpu.name, busy=[None] * before, memory_used=[None] * before)
                self.gpus.append(new)
        told = {gpu.key: gpu for gpu in point.gpus}
        for figures in self.gpus:
            now = told.get(figures.key, GpuPoint(key=figures.key))
            figures.busy.append(now.busy)
            figures.memory_used.append(now.memory_used)
            figures.memory_total = now.memory_total or figures.memory_total


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that a node has, as words for now; `kind` is what its chart is called."""

    kind: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class NodeCard:
    """A node as the pages show it, with how it is used now."""

    node: NodeRow
    uses: list[Use]  # empty where nothing is known of the last hour

    @property
    def by_kind(self) -> dict[str, Use]:
        return {use.kind: use for use in self.uses}


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a node's own log, for people."""

    at: datetime
    level: str
    logger: str
    text: str
    is_first: bool  # of a start of the node


def figures_of(nodes: Sequence[Node], *, since_s: float = 0.0) -> tuple[list[NodeFigures], datetime]:
    """The last hour of each, what came after `since_s` (seconds since 1970) only, and the time now."""
    figures = {node.pk: NodeFigures(node.pk, node.name) for node in nodes}
    now = timezone.now()
    oldest_s = now.timestamp() - KEPT_S
    if since_s > oldest_s:
        oldest_s = min(since_s, now.timestamp())
    began_after = datetime.fromtimestamp(oldest_s - ROW_S - 60, UTC)
    rows = NodeSample.objects.filter(node__in=list(figures), began_at__gt=began_after).order_by("began_at", "id")
    for row in rows:
        for at_s, point in _timed(row):
            if at_s > oldest_s:
                figures[row.node_id].add(at_s, point)
    return list(figures.values()), now


def cards(nodes: Collection[NodeRow]) -> list[NodeCard]:
    """Each with what it uses now, as far as it is known. Two queries at most."""
    ids = [node.id for node in nodes]
    recent = NodeSample.objects.filter(node__in=ids, began_at__gt=Now() - timedelta(seconds=KEPT_S))
    newest = recent.order_by().values_list("node").annotate(newest=Max("pk")).values_list("newest", flat=True)
    points = {row.node_id: row.points.points[-1] for row in NodeSample.objects.filter(pk__in=list(newest)) if _any(row)}
    return [NodeCard(node, uses_in_words(points[node.id]) if node.id in points else []) for node in nodes]


def card_of(node: Node) -> NodeCard:
    return cards([node_row(node)])[0]


def uses_in_words(point: NodePoint) -> list[Use]:
    uses = [
        Use("cpu", "CPU", _percent(point.cpu)),
        Use("memory", "Memory", _part(point.memory_used, point.memory_total)),
        Use("disk", "Disk", _part(point.disk_used, point.disk_total)),
    ]
    if point.gpus:
        busy = [gpu.busy for gpu in point.gpus if gpu.busy is not None]
        words = _percent(sum(busy) / len(busy)) if busy else "–"
        uses.append(Use("gpu", "GPU" if len(point.gpus) == 1 else f"{len(point.gpus)} GPUs", words))
    return uses


def log_of(node: Node, *, lines: int = LOG_LINES) -> list[LogLine]:
    """The last lines that the node itself said, oldest first."""
    lines = min(max(1, lines), MOST_LOG_LINES)
    newest: list[NodeLog] = []
    count = 0
    for row in NodeLog.objects.filter(node=node).order_by("-id").iterator(chunk_size=100):
        newest.append(row)
        count += row.line_count
        if count >= lines:
            break
    return list(_lines(reversed(newest)))[-lines:]


def _lines(rows: Iterator[NodeLog]) -> Iterator[LogLine]:
    for _, group in itertools.groupby(rows, key=lambda row: row.incarnation):
        said: Iterator[NodeLine] = (line for row in group for line in row.lines.lines)
        for number, line in enumerate(said):
            at = datetime.fromtimestamp(line.at, UTC)
            yield LogLine(at, line.level, line.logger, line.text, is_first=number == 0)


def _timed(row: NodeSample) -> Iterator[tuple[float, NodePoint]]:
    began_s = row.began_at.timestamp()
    return ((round(began_s + point.at_s, 3), point) for point in row.points.points)


def _any(row: NodeSample) -> bool:
    return bool(row.points.points)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


def _part(used: int | None, whole: int | None) -> str:
    if used is None or whole is None:
        return "–"
    return f"{bytes_in_words(used)} of {bytes_in_words(whole)}"

"""What an attempt has said so far, as rows that are to be stored. Pure, and bounded: it keeps what is not stored yet.

The last chunk of each metric is kept, too: it is written again as long as it grows.
"""

import json
import math
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from compute.metrics import points as packing
from compute.metrics.points import CHUNK_POINTS, Points
from compute.metrics.said import NO_SENSE, Dropped, Entries, Image, Label, MetricKind, Said, Scalar

MAX_METRICS = 1000
MAX_POINTS = 2_000_000
MAX_REST_BYTES = 64 * 1024**2  # of all that are no series: lists, tables, pictures
MAX_LABELS = 100
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a metric: to be stored in place of what has this number."""

    seq: int
    start: int  # number of its first point or entry
    count: int
    data: bytes
    summary: bytes | None = None
    step_min: int | None = None
    step_max: int | None = None


@dataclass(slots=True)
class Metric:
    """`last`, `low` and `high` are None until there is a value; the latter two leave out what is not finite."""

    name: str
    kind: MetricKind
    position: int
    count: int = 0
    last: float | None = None
    low: float | None = None
    high: float | None = None
    last_step: int | None = None
    not_finite: int = 0
    full: list[Chunk] = field(default_factory=list)  # to be stored
    seq: int = 0  # of the open chunk
    points: Points = field(default_factory=Points)  # of the open chunk
    entries: list[Any] = field(default_factory=list)  # of the open chunk
    entry_bytes: int = 0
    image: bytes | None = None  # of the open chunk

    def add_point(self, step: int | None, value: float) -> None:
        if step is None:
            step = 0 if self.last_step is None else self.last_step + 1
        self.points.add(step, value)
        self.count += 1
        self.last, self.last_step = value, step
        if math.isfinite(value):
            if self.low is None or value < self.low:
                self.low = value
            if self.high is None or value > self.high:
                self.high = value
        else:
            self.not_finite += 1
        if len(self.points) >= CHUNK_POINTS:
            self._close_chunk()

    def add_entries(self, said: Entries) -> None:
        self.entries += said.entries
        self.entry_bytes += said.size_bytes
        self.count += len(said.entries)
        if self.entry_bytes >= _CHUNK_BYTES:
            self._close_chunk()

    def add_image(self, content: bytes) -> None:
        self.image = content
        self.count += 1
        self._close_chunk()

    def chunks(self) -> list[Chunk]:
        """Those that are to be stored, the open one among them; they are forgotten with `stored`."""
        return [*self.full, *self._open_chunk()]

    def _close_chunk(self) -> None:
        self.full += self._open_chunk()
        self.seq += 1
        self.points, self.entries, self.entry_bytes, self.image = Points(), [], 0, None

    def _open_chunk(self) -> list[Chunk]:
        if self.points:
            steps = self.points.steps
            count = len(self.points)
            return [
                Chunk(
                    self.seq,
                    self.count - count,
                    count,
                    packing.pack(self.points),
                    packing.summary(self.points),
                    min(steps),
                    max(steps),
                )
            ]
        if self.image is not None:
            return [Chunk(self.seq, self.count - 1, 1, self.image)]
        if self.entries:
            packed = zlib.compress(json.dumps(self.entries, separators=(",", ":")).encode(), 1)
            return [Chunk(self.seq, self.count - len(self.entries), len(self.entries), packed)]
        return []


class Book:
    """`add` what was read; `changed` and `labels` are to be stored, and `stored` says that they were."""

    def __init__(self) -> None:
        self.metrics: dict[str, Metric] = {}
        self.point_count = 0
        self.dropped: Counter[Dropped] = Counter()
        self.changed: dict[str, Metric] = {}
        self.labels: dict[tuple[str, bool], Label] = {}  # to be stored
        self._known_labels: set[tuple[str, bool]] = set()
        self._rest_bytes = 0

    @property
    def has_news(self) -> bool:
        return bool(self.changed or self.labels)

    @property
    def waiting_chunks(self) -> int:
        return sum(len(metric.full) for metric in self.changed.values())

    def add(self, said: Said) -> Dropped | None:
        """What was dropped, the first time for that reason."""
        why = self._put(said)
        if why is None:
            return None
        self.dropped[why] += 1
        return why if self.dropped[why] == 1 and len(self.dropped) <= MAX_LABELS else None

    @property
    def nonsense(self) -> int:
        """How many lines were none."""
        return self.dropped[NO_SENSE]

    def stored(self) -> None:
        for metric in self.changed.values():
            metric.full = []
        self.changed, self.labels = {}, {}

    def _put(self, said: Said) -> Dropped | None:
        match said:
            case Scalar():
                return self._put_point(said)
            case Entries():
                return self._put_rest(said.name, said.kind, said.size_bytes, said)
            case Image():
                return self._put_rest(said.name, "image", len(said.content), said)
            case Label():
                return self._put_label(said)
            case Dropped():
                return said if len(self.dropped) < MAX_LABELS else Dropped(said.why)

    def _put_point(self, said: Scalar) -> Dropped | None:
        metric = self.metrics.get(said.name)
        if metric is None or metric.kind != "scalar":
            found = self._metric(said.name, "scalar")
            if isinstance(found, Dropped):
                return found
            metric = found
        if self.point_count >= MAX_POINTS:
            return Dropped(f"a step may log {MAX_POINTS:,} points")
        self.point_count += 1
        metric.add_point(said.step, said.value)
        self.changed[said.name] = metric
        return None

    def _put_rest(self, name: str, kind: MetricKind, size_bytes: int, said: Entries | Image) -> Dropped | None:
        metric = self._metric(name, kind)
        if isinstance(metric, Dropped):
            return metric
        if self._rest_bytes + size_bytes > MAX_REST_BYTES:
            return Dropped("the lists, tables and pictures of a step may have at most 64 MB together")
        self._rest_bytes += size_bytes
        if isinstance(said, Image):
            metric.add_image(said.content)
        else:
            metric.add_entries(said)
        self.changed[name] = metric
        return None

    def _put_label(self, said: Label) -> Dropped | None:
        key = (said.name, said.is_property)
        if key not in self._known_labels and len(self._known_labels) >= MAX_LABELS:
            return Dropped(f"a step may have at most {MAX_LABELS} tags and properties")
        if said.is_property and key in self._known_labels:
            return Dropped("a property is said once, and stays", said.name)
        self._known_labels.add(key)
        self.labels[key] = said
        return None

    def _metric(self, name: str, kind: MetricKind) -> Metric | Dropped:
        metric = self.metrics.get(name)
        if metric is None:
            if len(self.metrics) >= MAX_METRICS:
                return Dropped(f"a step may have at most {MAX_METRICS:,} metrics")
            metric = self.metrics[name] = Metric(name, kind, len(self.metrics))
        if metric.kind != kind:
            return Dropped(f"it is a {metric.kind.replace('_', ' ')} already, and no {kind.replace('_', ' ')}", name)
        return metric


def dropped_words(dropped: Dropped) -> str:
    """A sentence for the step's log."""
    name = f"“{dropped.name[:80]}”" if dropped.name else "Something that the step logged"
    return f"{name} was not kept as a metric, tag or property: {dropped.why}."

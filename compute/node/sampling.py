"""A thread that looks at the machine every few seconds. What it saw is written with the next heartbeat."""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from compute.models import Node
from compute.node.machine import Machine
from compute.node_records import KEPT_S, ROW_S, NodePoint, NodePoints
from compute.services.node_records import write_points

logger = logging.getLogger(__name__)


@dataclass
class _Row:
    """Points that stand in one row of the database."""

    began_s: float  # by the monotonic clock
    id: int | None = None
    points: list[NodePoint] = field(default_factory=list)
    written: int = 0  # so many of them are in the database


class Sampler(threading.Thread):
    """Touches no database: the keeper calls `write` within its transaction, and `wrote` once that is done."""

    def __init__(self, node: Node) -> None:
        super().__init__(name="machine", daemon=True)
        self.node = node
        self.over = threading.Event()
        self._machine = Machine(Path(settings.NODE_HOME), with_gpus=bool(node.devices))
        # A database that is away for long costs the oldest points.
        self._rows: deque[_Row] = deque(maxlen=int(KEPT_S / ROW_S) + 1)
        self._writing: list[tuple[_Row, int, int]] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        while not self.over.wait(settings.NODE_SAMPLE_S):
            try:
                self.look()
            except Exception:
                logger.exception("the machine could not be looked at, trying again")

    def look(self) -> None:
        now_s = time.monotonic()
        with self._lock:
            if not self._rows or now_s - self._rows[-1].began_s >= ROW_S:
                self._rows.append(_Row(now_s))
            row = self._rows[-1]
        point = self._machine.look(now_s - row.began_s)
        with self._lock:
            row.points.append(point)

    def write(self) -> None:
        """Within a transaction: the rows that have new points."""
        with self._lock:
            dirty = [(row, list(row.points)) for row in self._rows if len(row.points) > row.written]
        self._writing = []
        for row, points in dirty:
            age_s = time.monotonic() - row.began_s
            row_id = write_points(self.node, row.id, NodePoints(points=points), age_s=age_s)
            self._writing.append((row, row_id, len(points)))

    def wrote(self) -> None:
        """The transaction is done."""
        with self._lock:
            for row, row_id, count in self._writing:
                row.id, row.written = row_id, count
            while len(self._rows) > 1 and self._rows[0].written == len(self._rows[0].points):
                self._rows.popleft()
        self._writing = []

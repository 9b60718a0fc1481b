"""What the node's process itself logs, kept in memory until a heartbeat takes it to the database.

Whoever logs waits for nothing but a short lock. Of a flood the oldest lines go, and how many is said.
"""

import itertools
import logging
import threading
from collections import deque

from compute.models import Node
from compute.node_records import Level, NodeLine, NodeLines
from compute.services.node_records import write_lines
from studio.lib.redaction import redacted

WAITING_LINES = 1000
LINES_AT_ONCE = 200
LINE_CHARACTERS = 4000
_FORGET_EVERY = 8  # what is kept is counted once in so many writes, and at the first one
_LEVELS: tuple[tuple[int, Level], ...] = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
)


class OwnLog(logging.Handler):
    """A handler of the root logger. The keeper calls `write` within its transaction, and `wrote` once that is done."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._lines: deque[NodeLine] = deque()
        self._left_out = 0
        self._writing = self._telling = 0
        self._writes = 0
        self._own = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = redacted(self.format(record))
        except Exception:  # noqa: BLE001 (a record that can't be formatted)
            self.handleError(record)
            return
        if len(text) > LINE_CHARACTERS:
            half = LINE_CHARACTERS // 2
            text = f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
        line = NodeLine(at=round(record.created, 3), level=_level(record.levelno), logger=record.name, text=text)
        with self._own:
            self._lines.append(line)
            if len(self._lines) > WAITING_LINES:
                self._lines.popleft()
                self._left_out += 1
                self._writing = max(0, self._writing - 1)

    def write(self, node: Node) -> None:
        """Within a transaction: the next lines, if there are any."""
        with self._own:
            lines = list(itertools.islice(self._lines, LINES_AT_ONCE))
            self._writing, self._telling = len(lines), self._left_out
            left_out = self._left_out
        if not lines:
            return
        if left_out:
            note = f"{left_out:,} lines were left out here: there were too many at once."
            lines.insert(0, NodeLine(at=lines[0].at, level="WARNING", logger=__name__, text=note))
        write_lines(node, NodeLines(lines=lines), forget=self._writes % _FORGET_EVERY == 0)

    def wrote(self) -> None:
        """The transaction is done."""
        with self._own:
            for _ in range(self._writing):
                self._lines.popleft()
            self._left_out -= self._telling
            self._writes += bool(self._writing)
            self._writing = self._telling = 0


def _level(number: int) -> Level:
    return next((name for level, name in _LEVELS if number >= level), "DEBUG")

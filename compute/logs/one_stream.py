"""One stream of a log apart from the others: what the step printed, what it complained of, what the studio said.

A log is kept in the order in which things were said, so a stream's lines are looked for, chunk by chunk and for two
seconds at most; chunks that hold nothing of it are not even unpacked.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compute.logs import reading
from compute.logs.lines import Stream
from compute.logs.reading import LogLine
from compute.models import Attempt, LogChunk

STREAMS: tuple[Stream, ...] = ("o", "e", "s")
MAX_LINES = 1000
_HELPING = 16


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Lines of one stream in their order, with their numbers in the whole log. `earlier`: ask for what is before it."""

    attempt: int
    complete: bool
    lines: list[LogLine]
    earlier: int | None  # None: there is nothing before these

    def as_json(self) -> dict[str, Any]:
        return {
            "attempt": self.attempt,
            "complete": self.complete,
            "lines": [line.as_json() for line in self.lines],
            "earlier": self.earlier,
        }


def read_stream(
    attempt: Attempt,
    stream: Stream,
    *,
    before: int | None = None,
    count: int = MAX_LINES,
    patience_s: float | None = None,
) -> StreamPage:
    """The last `count` lines of `stream` before line `before`, or of all.

    Fewer where it took too long: `earlier` says where to go on.
    """
    count = max(1, min(count, MAX_LINES))
    deadline = time.monotonic() + (reading.SEARCH_PATIENCE_S if patience_s is None else patience_s)
    end = reading.total_lines(attempt) if before is None else max(0, before)
    found: list[LogLine] = []  # the last one first
    for chunk in _backwards(attempt, end):
        if any(run[1] == stream for run in chunk.streams):
            here = reading.lines_between(attempt, chunk.line_start, end)
            for line in reversed([line for line in here if line.stream == stream]):
                found.append(line)
                if len(found) == count:
                    return StreamPage(attempt.number, attempt.log_complete, found[::-1], line.number or None)
        end = min(end, chunk.line_start)
        if end and time.monotonic() > deadline:
            return StreamPage(attempt.number, attempt.log_complete, found[::-1], end)
    return StreamPage(attempt.number, attempt.log_complete, found[::-1], None)


def stream_bytes(attempt: Attempt, stream: Stream) -> Iterator[bytes]:
    """All of one stream as it was written, a chunk's at a time."""
    for chunk in reading.chunks_of(attempt):
        if not any(run[1] == stream for run in chunk.streams):
            continue
        data, start, pieces = reading.content(attempt, chunk), 0, []
        for size_bytes, whose in chunk.streams:
            if whose == stream:
                pieces.append(data[start : start + size_bytes])
            start += size_bytes
        yield b"".join(pieces)


def _backwards(attempt: Attempt, end: int) -> Iterator[LogChunk]:
    """Without their bytes, a few at a time."""
    rows = LogChunk.objects.filter(attempt_id=attempt.pk, line_start__lt=max(end, 1)).defer("data").order_by("-seq")
    while helping := list(rows[:_HELPING]):
        yield from helping
        rows = rows.filter(seq__lt=helping[-1].seq)

"""Writes an attempt's log as it comes: soon, in order, and in bounded memory.

The first bytes are stored at once; after that a commit follows when a tenth of a second has passed or a mebibyte has
come together. Whoever feeds the writer waits while it stores, so a slow database slows the step down (its pipe fills)
and never fills the node's memory. What was not stored when a node is killed is lost: at most that tenth of a second.
"""

import gzip
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from compute import doorbell
from compute.database import patiently
from compute.logs.lines import Interleaver, Stream
from compute.models import Attempt, LogChunk
from studio.lib.clock import clock
from studio.lib.statements import update_where

CHUNK_BYTES = 1024 * 1024
COMMIT_EVERY_S = 0.1
LINE_PATIENCE_S = 0.2  # how long an unfinished line is waited for
NEWS_EVERY_S = 0.1

Runs = list[tuple[int, Stream]]


class LeaseLostError(Exception):
    """Somebody else speaks for the job now: whatever this attempt still says counts for nothing."""


class LogFullError(Exception):
    """The log has reached its limit."""


class LogWriter:
    """The log of one attempt, written by one thread."""

    def __init__(
        self,
        *,
        job_id: int,
        attempt_id: int,
        attempt: int,
        go_on: Callable[[], bool] = lambda: True,
        limit_bytes: int | None = None,
    ) -> None:
        """`go_on` says whether a database that is away is still worth waiting for."""
        self.job_id, self.attempt_id, self.attempt, self.go_on = job_id, attempt_id, attempt, go_on
        self._limit_bytes = limit_bytes
        self.size_bytes = 0  # stored
        self.fed_bytes = 0  # ever taken in, stored or not
        self.lines = 0  # newlines stored
        self._seq = 0
        self._lines = Interleaver()
        self._heard_at = 0.0
        self._stored_at = -60.0
        self._news_at = -60.0
        self._news_held = False
        self._is_mute = False

    @property
    def limit_bytes(self) -> int:
        return self._limit_bytes or settings.LOG_LIMIT_BYTES

    def feed(self, stream: Stream, data: bytes) -> None:
        """Take in what `stream` said, storing it where it is time to. Raises LogFullError and LeaseLostError."""
        self.fed_bytes += len(data)
        if self._is_mute:
            return
        self._lines.feed(stream, data)
        self._heard_at = time.monotonic()
        if self.size_bytes + self._lines.size_bytes > self.limit_bytes:
            self._is_mute = True
            raise LogFullError
        if self._lines.size_bytes >= CHUNK_BYTES:
            self.store()

    def say(self, text: str) -> None:
        """A line of the studio's own, with the time."""
        stamp = clock.now().strftime("%H:%M:%S")
        self.feed("s", f"{stamp} {text}\n".encode(errors="replace"))

    def end_lines(self) -> None:
        """The process is gone: lines that it did not finish are all there will be of them."""
        self._lines.release()

    def mute(self) -> None:
        """Drop what still comes, the pieces in hand included: there is no room for them."""
        self._is_mute = True
        self._lines = Interleaver()

    def due_in_s(self) -> float | None:
        """Seconds until `store_if_due` has something to do; None while nothing waits."""
        dues = []
        if self._lines.has_passed_on:
            dues.append(self._stored_at + COMMIT_EVERY_S)
        if self._lines.has_held:
            dues.append(self._heard_at + LINE_PATIENCE_S)
        if self._news_held:
            dues.append(self._news_at + NEWS_EVERY_S)
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def store_if_due(self) -> None:
        now = time.monotonic()
        if self._lines.has_held and now >= self._heard_at + LINE_PATIENCE_S:
            self._lines.release()
        if self._lines.has_passed_on and now >= self._stored_at + COMMIT_EVERY_S:
            self.store()
        if self._news_held and now >= self._news_at + NEWS_EVERY_S:
            self._tell(complete=False)

    def store(self) -> None:
        """Store what is complete, in one transaction. Raises LeaseLostError."""
        if not self._lines.has_passed_on:
            return
        rows, columns = self._rows(*self._lines.take())
        patiently(partial(self._commit, rows, columns), go_on=self.go_on)
        self._stored_at = time.monotonic()
        self._tell(complete=False)

    def _commit(self, rows: list[LogChunk], columns: dict[str, Any]) -> None:
        with transaction.atomic():
            if not update_where(Attempt, columns, {"id": self.attempt_id, "log_complete": False}):
                raise LeaseLostError
            LogChunk.objects.bulk_create(rows)

    def last_rows(self) -> tuple[list[LogChunk], dict[str, Any]]:
        """Close the log: the chunks still to be stored and the attempt's columns, for the transaction that ends it."""
        self._lines.close()
        rows, columns = self._rows(*self._lines.take())
        return rows, {**columns, "log_complete": True}

    def tell_end(self) -> None:
        """After the commit of `last_rows`."""
        self._tell(complete=True)

    def _rows(self, data: bytes, runs: Runs, newlines: int) -> tuple[list[LogChunk], dict[str, Any]]:
        rows = []
        for piece, piece_runs in _pieces(data, runs):
            count = newlines if len(piece) == len(data) else piece.count(b"\n")
            rows.append(
                LogChunk(
                    attempt_id=self.attempt_id,
                    seq=self._seq,
                    byte_start=self.size_bytes,
                    byte_count=len(piece),
                    line_start=self.lines,
                    newline_count=count,
                    streams=piece_runs,
                    data=gzip.compress(piece, 1, mtime=0),
                )
            )
            self._seq += 1
            self.size_bytes += len(piece)
            self.lines += count
        return rows, {"log_bytes": self.size_bytes, "log_lines": self.lines, "log_open": self._lines.is_open}

    def _tell(self, *, complete: bool) -> None:
        now = time.monotonic()
        self._news_held = not complete and now - self._news_at < NEWS_EVERY_S
        if self._news_held:
            return
        self._news_at = now
        doorbell.log_grew(self.job_id, self.attempt, lines=self.lines, size_bytes=self.size_bytes, complete=complete)


def _pieces(data: bytes, runs: Runs) -> Iterator[tuple[bytes, Runs]]:
    """`data` in pieces of at most a chunk's size, each with its own runs."""
    if len(data) <= CHUNK_BYTES:
        if data:
            yield data, runs
        return
    left = list(reversed(runs))
    for start in range(0, len(data), CHUNK_BYTES):
        piece = data[start : start + CHUNK_BYTES]
        room, mine = len(piece), []
        while room:
            count, stream = left.pop()
            taken = min(count, room)
            mine.append((taken, stream))
            room -= taken
            if taken < count:
                left.append((count - taken, stream))
        yield piece, mine

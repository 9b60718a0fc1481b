"""Reads an attempt's spool while it runs, and stores what it says: soon, in order, and in bounded memory.

It runs on the thread that reads the step's log, in pieces, so that neither holds up the other. Everything is stored
under the attempt's guard: once the lease is lost, nothing of it counts.
"""

import contextlib
import time
from collections.abc import Callable

from django.db import transaction

from compute.database import patiently
from compute.listener import JobRecords, tell_records
from compute.logs.writer import LeaseLostError, LogFullError
from compute.metrics.book import Book, dropped_words
from compute.metrics.said import Dropped, Said, read
from compute.metrics.spool import MAX_SPOOL_BYTES, SpoolFile
from compute.models import Attempt, Metric, MetricChunk
from compute.sizes import size_words
from studio.lib.statements import update_where

_LOOK_EVERY_S = 0.25  # while something comes
_REST_S = 2.0  # between two looks at a step that has been silent for long
_STORE_EVERY_S = 1.0
_WAITING_CHUNKS = 64  # so many are stored at once
_MOST_NONSENSE = 10_000  # lines that make none; no more are read then


class MetricWriter:
    """The metrics, tags and properties of one attempt, written by one thread."""

    def __init__(
        self,
        spool: SpoolFile,
        *,
        job_id: int,
        owner: str,
        attempt_id: int,
        attempt: int,
        say: Callable[[str], None],
        go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """`say` writes a line of the step's log; `go_on` says whether a database that is away is worth waiting for."""
        self.spool, self.job_id, self.owner, self.attempt_id, self.attempt = spool, job_id, owner, attempt_id, attempt
        self.say, self.go_on = say, go_on
        self.book = Book()
        self._stored_names: set[str] = set()
        self._told_of: set[str] = set()
        self._patience_s = _LOOK_EVERY_S
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        self._stored_at = -60.0
        self._has_given_up = False

    def due_in_s(self) -> float:
        """Seconds until `look_if_due` has something to do."""
        return max(0.0, self._look_at - time.monotonic())

    def look_if_due(self) -> None:
        """Read a piece of what has come, and store it where it is time to. Raises LeaseLostError, DatabaseError."""
        now = time.monotonic()
        if now < self._look_at:
            return
        has_read = self._read()
        if self.book.has_news and (
            self.book.waiting_chunks >= _WAITING_CHUNKS or now >= self._stored_at + _STORE_EVERY_S
        ):
            self.store()
        self._patience_s = _LOOK_EVERY_S if has_read or self.book.has_news else min(self._patience_s * 1.5, _REST_S)
        self._look_at = time.monotonic() + (0.0 if self._has_more else self._patience_s)

    def read_rest(self) -> None:
        """The step is gone: read all that it left, store it, and say what was dropped."""
        while self._read():
            if self.book.waiting_chunks >= _WAITING_CHUNKS:
                self.store()
        if not self._has_given_up:
            self._take(self.spool.last_line())
        if self.book.has_news:
            self.store()
        dropped = sum(self.book.dropped.values())
        if dropped > 1:
            self._tell(f"{dropped:,} things that the step logged were not kept; the lines above say why.")

    def store(self) -> None:
        """Store what is new, in one transaction. Raises LeaseLostError."""
        theirs = patiently(self._commit, go_on=self.go_on)
        self._stored_names |= self.book.changed.keys() - theirs
        self.book.stored()
        for name in theirs - self._told_of:
            self._told_of.add(name)
            self._tell(dropped_words(Dropped("a client of the tracking API logs a metric of this name", name)))
        self._stored_at = time.monotonic()

    def close(self) -> None:
        self.spool.close()

    @property
    def _has_more(self) -> bool:
        return not self._has_given_up and self.spool.has_more

    def _read(self) -> bool:
        """A piece. False: there was nothing."""
        if not self._has_more:
            if self.spool.is_full and not self._has_given_up:
                self._give_up(f"it wrote more than {size_words(MAX_SPOOL_BYTES)}")
            return False
        overlong = self.spool.overlong
        self._take(self.spool.read())
        if self.spool.overlong > overlong:
            self._add(Dropped("one line of it was longer than 5 MB"))
        return True

    def _take(self, lines: list[bytes]) -> None:
        for said in read(lines):
            self._add(said)
        if self.book.nonsense > _MOST_NONSENSE and not self._has_given_up:
            self._give_up("most of it makes no sense here")

    def _add(self, said: Said) -> None:
        news = self.book.add(said)
        if news is not None:
            self._tell(dropped_words(news))

    def _give_up(self, why: str) -> None:
        self._has_given_up = True
        self._tell(f"Metrics, tags and properties of this attempt are not read any more: {why}.")

    def _tell(self, words: str) -> None:
        with contextlib.suppress(LogFullError):
            self.say(words)

    def _commit(self) -> set[str]:
        """Returns the names of metrics that a client writes: what the spool says of these is not stored."""
        labels = list(self.book.labels.values())
        with transaction.atomic():
            guard = {"id": self.attempt_id, "log_complete": False}
            if not update_where(Attempt, {"metric_points": self.book.point_count}, guard):
                raise LeaseLostError
            # The attempt's row is held, as `from_clients` holds it: whoever has a name first keeps it.
            new = self.book.changed.keys() - self._stored_names
            theirs: set[str] = set()
            if new:
                rows_of_clients = Metric.objects.filter(attempt=self.attempt_id, name__in=new, by_client=True)
                theirs = set(rows_of_clients.values_list("name", flat=True))
            changed = [metric for name, metric in self.book.changed.items() if name not in theirs]
            rows = Metric.objects.bulk_create(
                [
                    Metric(
                        attempt_id=self.attempt_id,
                        name=metric.name,
                        kind=metric.kind,
                        position=metric.position,
                        count=metric.count,
                        last=number_text(metric.last),
                        low=number_text(metric.low),
                        high=number_text(metric.high),
                        last_step=metric.last_step,
                        not_finite=metric.not_finite,
                    )
                    for metric in changed
                ],
                update_conflicts=True,
                unique_fields=["attempt", "name"],
                update_fields=["count", "last", "low", "high", "last_step", "not_finite"],
            )
            MetricChunk.objects.bulk_create(
                [
                    MetricChunk(
                        metric_id=row.pk,
                        seq=chunk.seq,
                        start=chunk.start,
                        count=chunk.count,
                        step_min=chunk.step_min,
                        step_max=chunk.step_max,
                        summary=chunk.summary,
                        data=chunk.data,
                    )
                    for row, metric in zip(rows, changed, strict=True)
                    for chunk in metric.chunks()
                ],
                update_conflicts=True,
                unique_fields=["metric", "seq"],
                update_fields=["start", "count", "step_min", "step_max", "summary", "data"],
            )
            tell_records(JobRecords(self.job_id, self.owner, self.attempt, labels))
        return theirs


def number_text(number: float | None) -> str:
    """As Python writes it: not every database knows what is not a number."""
    return "" if number is None else repr(number)

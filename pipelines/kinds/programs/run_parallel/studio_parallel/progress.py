"""How far it is, for the studio: lines in the file by which a step logs metrics, and for people a line in the log."""

import json
import os
import time

SPOOL = "STUDIO_SPOOL"
_NAMED = "studio.batches."  # no name that a script would choose
_SLOWEST, _FAILURES, _WHY_CHARS = 20, 50, 500
_SECONDS_APART = 1.0, 5.0  # two reports, at the beginning and after some minutes


class Progress:
    """Counts, and tells them now and then. `of_all` is how many batches there are where these are a part of them."""

    def __init__(self, total, of_all=None):
        self.total = total
        self.of_all = of_all
        self.done = self.failed = self.retried = self.items = self.items_failed = 0
        self._began_at = time.monotonic()
        self._due_at = self._began_at
        self._told_at = self._began_at
        self.last_why = ""  # of the batches that failed
        self._slowest, self._failures = [], []

    @property
    def seconds(self):
        return time.monotonic() - self._began_at

    @property
    def is_over(self):
        return self.done + self.failed >= self.total

    def due_in_s(self):
        return max(0.0, self._due_at - time.monotonic())

    def tell_if_due(self):
        if not self.due_in_s():
            self.tell()

    def ended(self, batch, tries, seconds, items_failed, why):
        """A batch is over: `why` says why it came to nothing, and is empty where it didn't."""
        if why:
            self.failed += 1
            self.last_why = why
        else:
            self.done += 1
        self.items += batch.items
        self.items_failed += items_failed
        row = {
            "batch": batch.number,
            "what": batch.label[:200],
            "items": batch.items,
            "items_failed": items_failed,
            "tries": tries,
            "seconds": round(seconds, 3),
            "why": why[:_WHY_CHARS],
        }
        if why and len(self._failures) < _FAILURES:
            self._failures.append(row)
        elif not why:
            self._slowest.append(row)
            self._slowest.sort(key=lambda each: -each["seconds"])
            del self._slowest[_SLOWEST:]

    def tell(self):
        now = time.monotonic()
        soonest, latest = _SECONDS_APART
        self._due_at = now + min(latest, max(soonest, self.seconds / 60))
        numbers = {
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "retried": self.retried,
            "items_failed": self.items_failed,
            "seconds": round(self.seconds, 3),
        }
        if self.of_all is not None:
            numbers["of_all"] = self.of_all
        spool(*(["s", _NAMED + name, value, None] for name, value in numbers.items()))

    def tell_end(self):
        """The totals, and the batches that are worth a look."""
        self.tell()
        rows = self._failures + self._slowest
        if rows:
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            spool(["t", _NAMED + "looked_at", columns])

    def words(self):
        return "{:,} of {:,} batches done, {:,} failed, {:,} tried again, in {:.1f} s.".format(
            self.done, self.total, self.failed, self.retried, self.seconds
        )


def spool(*entries):
    """Never fails: what nobody hears of stops no work."""
    path = os.environ.get(SPOOL)
    if not path:
        return
    data = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    try:
        with open(path, "ab", buffering=0) as file:
            file.write(data)
    except OSError:
        pass

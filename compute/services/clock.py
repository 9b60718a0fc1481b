"""The clock that decides over leases is the database's, and a clock can be set: an hour on, and every lease is over.

So whoever takes jobs from silent nodes watches that clock beside one that nobody sets. After a jump it waits for the
length of a lease, in which every node that lives has renewed its own, by the new time.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from compute.execution.processes import now_s
from compute.models import Job, Node
from compute.states import ACTIVE
from studio.lib.clock import clock

logger = logging.getLogger(__name__)

# A step of the clock that is smaller than this share of a lease falls into the room that heartbeats leave.
_SHARE = 0.25


@dataclass
class ClockWatch:
    """One for each process that sweeps."""

    # From the steady clock to the database's: as it was at the last look, between these two.
    offset_s: tuple[float, float] | None = None
    trusted_from_s: float = 0.0  # on the steady clock

    def look(self, database_now: datetime, *, before_s: float, after_s: float, lease_s: float) -> bool:
        """Whether leases may be believed. `before_s` and `after_s`: the steady clock around the question."""
        least, most = database_now.timestamp() - after_s, database_now.timestamp() - before_s
        if self.offset_s is not None:
            jumped_s = max(least - self.offset_s[1], self.offset_s[0] - most)
            if jumped_s > _SHARE * lease_s:
                logger.warning("the database's clock jumped by %.0f s: nodes have time to renew their leases", jumped_s)
                self.trusted_from_s = after_s + lease_s
        self.offset_s = (least, most)
        return after_s >= self.trusted_from_s


_watch = ClockWatch()


def trusted_now() -> datetime | None:
    """The database's time, to judge leases by; None where they can't be believed yet.

    Whoever asks the database again for its time may be told another one: its clock can be set in between.
    """
    before_s = now_s()
    now = _database_now()
    believable = _watch.look(now, before_s=before_s, after_s=now_s(), lease_s=settings.NODE_LEASE_S)
    return now if believable else None


def follow_the_database() -> None:
    """What this process writes bears the database's time from now on, whatever becomes of its machine's clock.

    A file of SQLite has none of its own: whoever opens it is on the same machine.
    """
    if connection.vendor == "sqlite":
        return
    before_s = now_s()
    now = _database_now()
    clock.follow(now, before_s=before_s, after_s=now_s())


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_NOW[connection.vendor]}")
        (answer,) = cursor.fetchone()
    return _as_instant(answer)


_NOW = {"sqlite": "STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')", "postgresql": "STATEMENT_TIMESTAMP()"}


def _as_instant(answer: datetime | str) -> datetime:
    found = datetime.fromisoformat(answer) if isinstance(answer, str) else answer
    return timezone.make_aware(found, timezone.get_default_timezone()) if timezone.is_naive(found) else found


def shorten_impossible_leases() -> int:
    """Leases and heartbeats from the future: the clock was set back since. Returns how many.

    Where its node lives, it renews them by the new time anyway; where it doesn't, nobody would notice for long.
    """
    lease = timedelta(seconds=settings.NODE_LEASE_S)
    leases = Job.objects.filter(status__in=ACTIVE, lease_expires_at__gt=Now() + 2 * lease)
    nodes = Node.objects.filter(stopped_at=None, heartbeat_at__gt=Now() + lease)
    return leases.update(lease_expires_at=Now() + lease) + nodes.update(heartbeat_at=Now())

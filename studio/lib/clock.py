"""The time that rows are written with, on machines whose clock may be wrong or jump.

A process that follows the database's clock tells its time by one that nobody sets, so that what nodes of many machines
write stands in one order and no step takes an hour because a clock was set. Any other process trusts its own clock.
"""

import time
from datetime import UTC, datetime

from django.utils import timezone


class Clock:
    """One for each process."""

    def __init__(self) -> None:
        self._offset_s: float | None = None  # from the steady clock to the one that is followed

    def follow(self, instant: datetime, *, before_s: float, after_s: float) -> None:
        """It was `instant` at some moment between these two of the steady clock."""
        self._offset_s = instant.timestamp() - (before_s + after_s) / 2

    def now(self) -> datetime:
        """As `timezone.now()`, by the clock that is followed."""
        if self._offset_s is None:
            return timezone.now()
        return datetime.fromtimestamp(steady_s() + self._offset_s, UTC)


def steady_s() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


clock = Clock()

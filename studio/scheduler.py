"""The scheduler of periodic tasks, for machines whose clock may jump."""

import logging
import time
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry, SchedulingError

logger = logging.getLogger(__name__)

_JUMP_S = 2.0


class SteadyScheduler(PersistentScheduler):
    """Celery's reckons by the clock on the wall: set back by an hour, it would let nothing happen for an hour."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._offset_s = _offset_s()
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        offset_s = _offset_s()
        if abs(offset_s - self._offset_s) > _JUMP_S:
            logger.warning("the clock jumped by %.0f s: the schedule begins anew", offset_s - self._offset_s)
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None  # where Celery keeps when each of them is due
        self._offset_s = offset_s
        return super().tick(*args, **kwargs)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """A broker that is away is one line for each message: Celery's two hundred hide whatever else is said."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            logger.error("the broker did not take a message, and is asked again when the next one is due: %s", error)


def _offset_s() -> float:
    """Between the clock on the wall and one that nobody sets."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

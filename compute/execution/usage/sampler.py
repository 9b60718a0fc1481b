"""Looks at all attempts of a node: one thread for processes, one for folders, which lie on disks that may hang."""

import logging
import threading
import time

from compute.execution.usage.census import Census
from compute.execution.usage.folders import Scales
from compute.execution.usage.gpus import Gpus
from compute.execution.usage.meter import Meter
from compute.execution.usage.series import UsageSeries

logger = logging.getLogger(__name__)

# At most so much of one CPU goes into looking.
_SHARE = 0.03
_LONGEST_REST_S = 0.3
_FOLDERS_FROM_S = 2.0  # a step that is over sooner is weighed at its end
_FOLDERS_EVERY_S = 2.0
_GPUS_EVERY_S = 5.0
_IDLE_S = 60.0


class Sampler:
    """`begin` and `end` are called by the attempts' threads."""

    def __init__(self) -> None:
        self._meters: set[Meter] = set()
        self._changed = threading.Condition()
        self._census = Census()
        self._gpus = Gpus()
        self._not_before_s = 0.0  # looks at whole trees
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._look_for_ever, name="sampler", daemon=True),
            threading.Thread(target=self._weigh_for_ever, name="scales", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()

    def begin(self, meter: Meter) -> None:
        with self._changed:
            self._meters.add(meter)
            self._changed.notify_all()

    def end(self, meter: Meter) -> None:
        with self._changed:
            self._meters.discard(meter)

    def unsaved(self) -> dict[int, UsageSeries]:
        """By attempt, what was used, of those of which there is something new."""
        with self._changed:
            meters = list(self._meters)
        return {meter.attempt_id: series for meter in meters if (series := meter.unsaved()) is not None}

    def _look_for_ever(self) -> None:
        wait_s = _IDLE_S
        while not self._ended.is_set():
            with self._changed:
                self._changed.wait(wait_s)
                meters = list(self._meters)
            try:
                wait_s = self._look(meters) if meters else _IDLE_S
            except Exception:
                logger.exception("a look at the running steps failed, the next one tries again")
                wait_s = 1.0

    def _weigh_for_ever(self) -> None:
        """Woken by nobody: most steps are over before there is anything to weigh."""
        while not self._ended.wait(_FOLDERS_EVERY_S):
            with self._changed:
                meters = [meter for meter in self._meters if meter.age_s >= _FOLDERS_FROM_S]
            try:
                self._gpus.look(meters, every_s=_GPUS_EVERY_S)
                for meter in meters:
                    Scales(meter).weigh()
            except Exception:
                logger.exception("the folders of the running steps could not be weighed, the next round tries again")

    def _look(self, meters: list[Meter]) -> float:
        now = time.monotonic()
        for meter in meters:
            if meter.is_short and meter.look_at_s <= now:
                meter.glance()
        due = [meter for meter in meters if not meter.is_short and meter.look_at_s <= now]
        if due and now >= self._not_before_s:
            # All of them at once: the table of processes is read once for all.
            began_s = time.thread_time()
            found = self._census.look({meter.handle.marker: meter.root for meter in meters})
            for meter in due:
                meter.take(found[meter.handle.marker])
            rest_s = (time.thread_time() - began_s) / _SHARE
            if any(meter.is_watched for meter in meters):
                rest_s = min(rest_s, _LONGEST_REST_S)  # memory fills quickly
            self._not_before_s = time.monotonic() + rest_s
        following = min(
            (meter.look_at_s if meter.is_short else max(meter.look_at_s, self._not_before_s)) for meter in meters
        )
        return max(0.002, following - time.monotonic())

"""What the data worker does when it is told to look: list versions, compute profiles, until nothing waits.

A version waits for its listing as long as it has none: whoever lists it twice finds the same. A profile is held by
token and heartbeat.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection
from django.utils import timezone

from datastores.models import DatasetVersion
from datastores.services import profiles
from datastores.services.profiles import Held
from studio.lib.problems import UserError

logger = logging.getLogger(__name__)

# One thread fewer than the worker has: a long profile never keeps a version waiting for its listing.
PROFILES_AT_ONCE = 2
CONCURRENCY = PROFILES_AT_ONCE + 1
LOOK_EVERY_S = 0.4  # for a wish to end it
HEARTBEAT_EVERY_S = 2.0
SAY_EVERY_S = 0.5
LISTING_ATTEMPTS = 3
LISTING_PAUSE_S = 30.0

stopping = threading.Event()  # the worker is being stopped: whatever runs is handed back
_room = threading.Semaphore(PROFILES_AT_ONCE)
_lock = threading.Lock()
_listed_now: set[int] = set()
_failed_listings: dict[int, tuple[int, float]] = {}  # version: how often, and when it may be tried again


class EndedError(Exception):
    """The work is to end before it is done."""


class CancelledError(EndedError):
    """Somebody asked for it."""


class LostError(EndedError):
    """It belongs to somebody else by now."""


class StoppedError(EndedError):
    """The worker is being stopped."""


def look() -> None:
    """Do what waits, until nothing does."""
    while not stopping.is_set():
        if not (_list_next() or _profile_next()):
            return


def _list_next() -> bool:
    """Whether there was a version to list."""
    with _lock:
        now = time.monotonic()
        later = [pk for pk, (_, not_before) in _failed_listings.items() if not_before > now]
        waiting = DatasetVersion.objects.filter(listed_at=None).exclude(pk__in=[*_listed_now, *later])
        version_id = waiting.order_by("pk").values_list("pk", flat=True).first()
        if version_id is None:
            return False
        _listed_now.add(version_id)
    try:
        _list(version_id)
    finally:
        with _lock:
            _listed_now.discard(version_id)
    return True


def _list(version_id: int) -> None:
    from datastores.services.listing import list_version

    try:
        list_version(version_id, check=_check_stop)
    except StoppedError:
        return
    except Exception as error:
        logger.exception("version %s could not be listed", version_id)
        reason = str(error) if isinstance(error, UserError) else "The studio failed at it; its log says more."
    else:
        reason = "It can't be listed."
    with _lock:
        if not DatasetVersion.objects.filter(pk=version_id, listed_at=None).exists():
            _failed_listings.pop(version_id, None)
            return
        times = _failed_listings.get(version_id, (0, 0.0))[0] + 1
        _failed_listings[version_id] = (times, time.monotonic() + LISTING_PAUSE_S)
    if times >= LISTING_ATTEMPTS:
        DatasetVersion.objects.filter(pk=version_id, listed_at=None).update(
            listed_at=timezone.now(), listing_error=reason
        )


def _profile_next() -> bool:
    """Whether there was a profile to compute, and room for it."""
    if not _room.acquire(blocking=False):
        return False
    try:
        held = profiles.claim()
        if held is None:
            return False
        _compute(held)
        return True
    finally:
        _room.release()


def _compute(held: Held) -> None:
    with keeping(held) as keeper:
        end = _outcome(held, keeper)
    if not end():
        logger.warning("profile %s had ended or was somebody else's: what was found is dropped", held.profile_id)


def _outcome(held: Held, keeper: "Keeper") -> Callable[[], bool]:
    """Compute it; gives what ends the row accordingly."""
    from datastores.tabular.profiling import profile  # late: only a worker that profiles needs it

    try:
        result = profile(held.definition, workspace_id=held.workspace_id, check=keeper.check, progress=keeper.progress)
    except CancelledError:
        return partial(profiles.end_cancelled, held)
    except StoppedError:
        return partial(profiles.hand_back, held)
    except LostError:
        return lambda: False
    except UserError as error:
        return partial(profiles.fail, held, str(error))
    except Exception:
        logger.exception("profile %s failed", held.profile_id)
        return partial(profiles.fail, held, "The studio failed at it; the data worker's log says more. Try again.")
    return partial(profiles.complete, held, result)


class Keeper:
    """Says that the worker lives, writes how far it is, and hears whether the end was asked for."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._done = threading.Event()
        self._news: tuple[float, str] | None = None
        self._fraction = 0.0
        self._cancelled = self._lost = False
        self._thread = threading.Thread(target=self._keep, name=f"profile-{held.profile_id}", daemon=True)

    def check(self) -> None:
        """Raises EndedError where the work is to end."""
        if self._lost:
            raise LostError
        if self._cancelled:
            raise CancelledError
        _check_stop()

    def progress(self, fraction: float | None, stage: str) -> None:
        """Costs nothing: what came last is written now and then. None: how far it is can't be known."""
        self._fraction = self._fraction if fraction is None else fraction
        self._news = (self._fraction, stage)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        try:
            last = time.monotonic()
            while not self._done.wait(LOOK_EVERY_S):
                try:
                    last = self._tell(last)
                except Exception as error:  # noqa: BLE001 (a database that is away comes back, or the lease ends)
                    logger.warning("profile %s: the keeper could not write: %s", self._held.profile_id, error)
                    connection.close()
        finally:
            connection.close()

    def _tell(self, last: float) -> float:
        news, now = self._news, time.monotonic()
        if news is not None and now - last >= SAY_EVERY_S:
            self._news = None if self._news is news else self._news
            self._lost = not profiles.say_progress(self._held, fraction=news[0], stage=news[1])
            last = now
        elif now - last >= HEARTBEAT_EVERY_S:
            self._lost = not profiles.heartbeat(self._held)
            last = now
        self._cancelled = profiles.is_cancelled(self._held)
        return last


@contextmanager
def keeping(held: Held) -> Iterator[Keeper]:
    keeper = Keeper(held)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def _check_stop() -> None:
    if stopping.is_set():
        raise StoppedError

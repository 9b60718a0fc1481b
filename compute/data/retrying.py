"""Broken connections: tried again, ever more seldom, as long as that makes sense."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from compute.execution.reasons import StepFailure
from datastores.backends import Backend, ChangedMeanwhile, Entry, Unreachable
from studio.lib.problems import UserError

T = TypeVar("T")

PATIENCE_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
_SETTINGS = ("config", "credentials")  # where a problem lies that a datastore's form mends
BROKEN = (Unreachable, ConnectionError, TimeoutError)


class StoppedError(Exception):
    """Nobody waits for this work any more."""


class Patience:
    """Shared by the threads of one transfer: it ends when nothing has come for so long, however often it was tried."""

    def __init__(self, stop: threading.Event, patience_s: float = PATIENCE_S) -> None:
        self.stop, self.patience_s = stop, patience_s
        self.trouble: str | None = None  # of the last broken connection, until somebody tells it
        self.breaks = 0
        self._came_at = time.monotonic()

    def came(self) -> None:
        self._came_at = time.monotonic()

    def take_trouble(self) -> str | None:
        """The last broken connection that was not told yet."""
        trouble, self.trouble = self.trouble, None
        return trouble

    def call(self, work: Callable[[], T]) -> T:
        """Raises StoppedError, or what `work` raised in the end."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = work()
            except BROKEN as error:
                self._after(error, pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                if self.stop.is_set():
                    raise StoppedError
                self.came()
                return answer

    def listed(self, backend: Backend, path: str) -> Iterator[Entry]:
        """The files that `path` means. A listing that broke goes on behind what was seen of it."""
        seen, pause_s = 0, _FIRST_PAUSE_S
        while True:
            try:
                for entry in islice(backend.glob(path), seen, None):
                    seen, pause_s = seen + 1, _FIRST_PAUSE_S
                    self.came()
                    yield entry
            except BROKEN as error:
                self._after(error, pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return

    def _after(self, error: Exception, pause_s: float) -> None:
        """Wait a little. Raises `error` where that has been done for long enough."""
        self.breaks += 1
        self.trouble = str(error) or type(error).__name__
        if time.monotonic() - self._came_at > self.patience_s:
            raise error
        if self.stop.wait(pause_s):
            raise StoppedError


def as_failure(error: Exception, label: str, *, datastores: Iterable[str] = ()) -> StepFailure | None:
    """What a store's error means for the step; None where it is no sentence for people.

    `datastores` are the names of those in question: where the error is one of their settings, it says where they are.
    """
    if isinstance(error, StepFailure):
        return error
    if isinstance(error, UserError):
        where = _where_it_stands(error, datastores)
        return StepFailure(f"{label}: {error}{where}", may_retry=isinstance(error, (Unreachable, ChangedMeanwhile)))
    if isinstance(error, BROKEN):
        return StepFailure(f"{label}: the connection broke ({error or type(error).__name__}).", may_retry=True)
    return None


def _where_it_stands(error: UserError, datastores: Iterable[str]) -> str:
    names = [f"“{name}”" for name in sorted(set(datastores))]
    if not names or not any(problem.loc and problem.loc[0] in _SETTINGS for problem in error.problems):
        return ""
    if len(names) == 1:
        return f" It stands in the settings of the datastore {names[0]}."
    return f" It stands in the settings of one of the datastores {', '.join(names[:-1])} and {names[-1]}."

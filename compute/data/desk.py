"""Where an attempt's thread sits while data comes or goes: it hears wishes, keeps the log, and waits for others."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from compute.data.retrying import Patience
from compute.database import patiently
from compute.execution.handle import Handle, InterruptedByWish
from compute.execution.reasons import StepFailure
from compute.logs.writer import LogFullError, LogWriter

T = TypeVar("T")

SAY_EVERY_S = 3.0
LAST_S = 30.0  # for what is kept of an attempt that came to nothing: somebody waits for its end
_AWAY_S = 300.0  # long before that the leases are lost, unless what is wrong is something else
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.1


@dataclass
class Desk:
    """Only the attempt's own thread uses it: the log is written by one."""

    handle: Handle
    log: LogWriter

    def say(self, text: str) -> None:
        self.log.say(text)
        self.log.store_if_due()

    def check(self) -> None:
        """Raises InterruptedByWish."""
        self.handle.check()

    def from_database(self, read: Callable[[], T]) -> T:
        """What `read` answers, waited for while the database is away: a step does not fail for that.

        Raises the last error once the leases were lost, or where it stays away.
        """
        return patiently(read, give_up_s=_AWAY_S, go_on=lambda: self.handle.wish != "fence")

    def wait_until(self, is_over: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Raises InterruptedByWish within a moment, whatever others are stuck in."""
        pause_s = _FIRST_PAUSE_S
        while not is_over():
            self.handle.wait(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
            meanwhile()
            self.log.store_if_due()

    def call(self, work: Callable[[], T]) -> T:
        """`work` on a thread of its own: a server that does not answer must not hold up a wish."""
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:  # noqa: BLE001 (raised again by `result`)
                answer.set_exception(error)

        threading.Thread(target=run, name="data", daemon=True).start()
        self.wait_until(answer.done)
        return answer.result()

    def ask(self, work: Callable[[], T]) -> T:
        """`call`, tried again for a while where the connection breaks."""
        stop = threading.Event()
        patience = Patience(stop)
        try:
            return self.call(lambda: patience.call(work))
        finally:
            stop.set()


@dataclass
class LastDesk(Desk):
    """Of an attempt whose command is over: whoever asked for that end has it, and must not wait for long any more.

    Where nobody asked for it, `patience_s` may be longer: it lasts until somebody does.
    """

    patience_s: float = LAST_S

    def __post_init__(self) -> None:
        self._ends_at = time.monotonic() + self.patience_s

    def say(self, text: str) -> None:
        with contextlib.suppress(LogFullError):
            super().say(text)

    def check(self) -> None:
        """Raises InterruptedByWish where the lease is lost, StepFailure where it takes too long."""
        if self.handle.wish == "fence":
            raise InterruptedByWish("fence")
        now = time.monotonic()
        if self.handle.wish is not None and self.patience_s > LAST_S:
            self.patience_s, self._ends_at = LAST_S, min(self._ends_at, now + LAST_S)
        if now > self._ends_at:
            raise StepFailure(f"it took longer than {self.patience_s:g} s.")

    def wait_until(self, is_over: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        while not is_over():
            self.check()
            time.sleep(_LONGEST_PAUSE_S)
            meanwhile()


class Rhythm:
    """Says yes every few seconds, and not at once."""

    def __init__(self, every_s: float = SAY_EVERY_S) -> None:
        self.every_s = every_s
        self._at = time.monotonic()

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self._at < self.every_s:
            return False
        self._at = now
        return True

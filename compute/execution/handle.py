"""The string by which a running attempt can be pulled: from the heartbeat, a nudge, a signal."""

import contextlib
import os
import select
import threading
from dataclasses import dataclass
from typing import Literal

Wish = Literal["cancel", "stop", "fence"]
# A stronger wish replaces a weaker one. Fenced: nobody may believe any more that this attempt is alive.
_STRENGTH: dict[Wish, int] = {"stop": 1, "cancel": 2, "fence": 3}


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that the step went beyond, in words for its author."""

    limit: Literal["memory", "output"]
    reason: str


class InterruptedByWish(Exception):  # noqa: N818 (not an error)
    """The attempt is to end before its process began."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(wish)
        self.wish = wish


class Handle:
    """Tells the thread that runs an attempt what is wanted of it. `fd` becomes readable with a wish or a breach."""

    def __init__(self, marker: str) -> None:
        self.marker = marker  # in the environment of all its processes
        self.root: int | None = None  # the process that runs now: a build of the environment, or the command
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.breach: Breach | None = None  # the first one
        self._wish: Wish | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def wish(self) -> Wish | None:
        return self._wish

    def ask(self, wish: Wish) -> None:
        """May be called by any thread, any number of times."""
        with self._lock:
            if self._closed or (self._wish is not None and _STRENGTH[wish] <= _STRENGTH[self._wish]):
                return
            self._wish = wish
            os.eventfd_write(self.fd, 1)

    def breached(self, breach: Breach) -> None:
        """Tell that a limit was passed. May be called by any thread, any number of times: the first one counts."""
        with self._lock:
            if self._closed or self.breach is not None:
                return
            self.breach = breach
            os.eventfd_write(self.fd, 1)

    def heard(self) -> None:
        """Let `fd` become readable again only by the next wish or breach."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def check(self) -> None:
        """Raise InterruptedByWish if there is a wish."""
        if self._wish is not None:
            raise InterruptedByWish(self._wish)

    def wait(self, seconds: float) -> None:
        """Sleep, but wake for a wish, which is raised."""
        self.check()
        select.select([self.fd], [], [], seconds)
        self.check()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self.fd)

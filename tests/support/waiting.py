"""Wait for something to become true: no fixed sleeps in tests."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(look: Callable[[], T], *, what: str, timeout_s: float = 30.0, every_s: float = 0.03) -> T:
    """The first true answer of `look`. Fails with `what` and the last answer where none comes in time."""
    give_up_at = time.monotonic() + timeout_s
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what}: not within {timeout_s:g} s (last seen: {answer!r})")
        time.sleep(every_s)

"""A database that is busy or briefly away is waited for, by processes that have nobody to answer to meanwhile."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connection

logger = logging.getLogger(__name__)
T = TypeVar("T")
# idle_in_transaction_session_timeout: this process stood still, and what it had done is undone.
_WAS_SILENT = "25P03"


def patiently(
    action: Callable[[], T],
    *,
    give_up_s: float = 60.0,
    go_on: Callable[[], bool] = lambda: True,
    even_if_full: bool = False,
) -> T:
    """What `action`, one whole transaction, returns; after a lock, deadlock or lost connection it is run again.

    Raises the last error after `give_up_s`, as soon as `go_on` says no, and at once where the disk is full, unless
    `even_if_full`: somebody may make room.
    """
    deadline = time.monotonic() + give_up_s
    pause_s = 0.02
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError, InternalError) as error:
            hopeless = ("full" in str(error) and not even_if_full) or (
                isinstance(error, InternalError) and getattr(error.__cause__, "sqlstate", "") != _WAS_SILENT
            )
            if hopeless or connection.in_atomic_block or time.monotonic() > deadline or not go_on():
                raise
            logger.warning("the database is busy or away, trying again: %s", error)
            connection.close_if_unusable_or_obsolete()
        time.sleep(pause_s * (1 + random.random()))  # noqa: S311 (only spreads them out)
        pause_s = min(pause_s * 2, 1.0)

"""What leaves the process leaves after the commit: Celery messages and socket nudges.

Both may be lost at any moment without losing work, so a broker that is away is logged, never raised.
"""

import asyncio
import logging
import threading
from functools import cache, partial
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

from studio.celery import app

logger = logging.getLogger(__name__)

# A commit nudges several groups, and waking the loop's thread costs the sender more than a nudge: gather them so long.
GATHER_S = 0.003

_lock = threading.Lock()
_outbox: list[tuple[str, dict[str, Any]]] = []
_sending: set[asyncio.Task[None]] = set()


def enqueue_on_commit(
    task: str, *args: Any, queue: str = "control", expires_s: float | None = None, countdown_s: float | None = None
) -> None:
    """Send one Celery message by the task's name once the current transaction commits (at once outside of one).

    With `countdown_s` its worker heeds it only then. Seconds, not hours: until then the worker keeps it in mind.
    """
    transaction.on_commit(partial(_enqueue, task, args, queue, expires_s, countdown_s), robust=True)


def publish_on_commit(group: str, message: dict[str, Any]) -> None:
    """Send one nudge to a channel group once the current transaction commits. `message` needs a `type`."""
    transaction.on_commit(partial(publish, group, message), robust=True)


def publish(group: str, message: dict[str, Any]) -> None:
    """Send one nudge to a channel group within milliseconds, without waiting for it."""
    with _lock:
        _outbox.append((group, message))
        if len(_outbox) > 1:
            return  # the loop is about to look
    try:
        loop = _loop()
        loop.call_soon_threadsafe(loop.call_later, GATHER_S, _send_outbox)
    except RuntimeError as error:  # the process is ending: there is no new thread, or no loop any more
        with _lock:
            _outbox.clear()
        logger.warning("could not nudge %s (watchers catch up by themselves): %s", group, error)


def _send_outbox() -> None:
    with _lock:
        nudges = list(_outbox)
        _outbox.clear()
    for group, message in nudges:
        task = asyncio.get_running_loop().create_task(_group_send(group, message))
        _sending.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(_sending.discard)


def _enqueue(task: str, args: tuple[Any, ...], queue: str, expires_s: float | None, countdown_s: float | None) -> None:
    try:
        app.send_task(task, args=args, queue=queue, retry=False, expires=expires_s, countdown=countdown_s)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with the broker)
        logger.warning("could not send %s to %s (the sweep will make it good): %s", task, queue, error)


async def _group_send(group: str, message: dict[str, Any]) -> None:
    try:
        layer = get_channel_layer()
        assert layer is not None, "CHANNEL_LAYERS is set in settings"
        await layer.group_send(group, message)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with the broker)
        logger.warning("could not nudge %s (watchers catch up by themselves): %s", group, error)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop on one daemon thread for all nudges of this process: a loop per message costs milliseconds."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="nudges", daemon=True).start()
    return loop

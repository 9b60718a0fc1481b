"""Messages that say "look": to nodes that there is work or a wish to end it, to pages that a target changed.

None of them carries work. A lost one is made good by the sweep or by the node's heartbeat, a doubled one finds nothing.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from django.db import transaction
from django.db.models import QuerySet, Sum

from compute.alive import alive_nodes
from compute.models import Node
from compute.states import Intake
from studio.celery import app
from studio.lib.on_commit import publish

logger = logging.getLogger(__name__)

RING = "compute.ring"
RING_EXPIRES_S = 30
_TARGET_NEWS_EVERY_S = 1.0

_own = threading.local()
_news_lock = threading.Lock()
_news_sent: dict[int, float] = {}
_news_held: set[int] = set()


@contextmanager
def claiming_next(target_id: int) -> Iterator[None]:
    """Within it, one job fewer is rung for: the slot that runs this block looks into the queue right after it."""
    _own.target_id = target_id
    try:
        yield
    finally:
        _own.target_id = 0


def ring_on_commit(queued: Mapping[int, int]) -> None:
    """Wake slots for newly queued jobs, given as `{target id: how many}`, once the transaction commits."""
    counts = dict(queued)
    own: int = getattr(_own, "target_id", 0)
    if counts.get(own, 0):
        counts[own] -= 1
        _own.target_id = 0
    if any(counts.values()):
        transaction.on_commit(partial(ring, counts), robust=True)
    target_changed_on_commit(queued.keys())


def ring(queued: Mapping[int, int]) -> None:
    """Send one message per job or per slot of the target's living nodes that take jobs, whichever is fewer."""
    slots = dict(alive_nodes(open_nodes(list(queued))).values_list("target_id").annotate(Sum("slots")).order_by())
    for target_id, count in queued.items():
        for _ in range(min(count, slots.get(target_id, 0))):
            if not _send_ring(target_id):
                return  # a broker that is away may cost its time-out for each


def open_nodes(target_ids: Collection[int]) -> QuerySet[Node]:
    """Nodes of these targets that take new jobs, alive or not."""
    takes_jobs = {"intake": Intake.OPEN, "target__intake": Intake.OPEN, "draining_at": None}
    return Node.objects.filter(target_id__in=target_ids, **takes_jobs)


def _send_ring(target_id: int) -> bool:
    try:
        app.send_task(RING, queue=f"compute.{target_id}", retry=False, expires=RING_EXPIRES_S)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with the broker)
        logger.warning("could not ring target %s (the sweep will make it good): %s", target_id, error)
        return False
    return True


def worker_hostname(node_id: int) -> str:
    """The name of a node's Celery worker."""
    return f"node-{node_id}@studio"


def nudge_cancel_on_commit(by_node: Mapping[int, Collection[int]]) -> None:
    """Tell nodes at once that jobs, given as `{node id: job ids}`, are to end. They look for themselves as well."""
    if by_node:
        transaction.on_commit(partial(_nudge_cancel, by_node), robust=True)


def _nudge_cancel(by_node: Mapping[int, Collection[int]]) -> None:
    for node_id, job_ids in by_node.items():
        try:
            app.control.broadcast(
                "studio_cancel", arguments={"job_ids": sorted(job_ids)}, destination=[worker_hostname(node_id)]
            )
        except Exception as error:  # noqa: BLE001 (whatever is wrong with the broker)
            logger.warning("could not nudge node %s (its next heartbeat will see the request): %s", node_id, error)


def nudge_checks_on_commit(target_id: int) -> None:
    """Tell the nodes of a target at once that a connection is to be checked. They look for themselves as well."""
    transaction.on_commit(partial(_nudge_checks, target_id), robust=True)


def _nudge_checks(target_id: int) -> None:
    try:
        nodes = alive_nodes(Node.objects.filter(target_id=target_id)).values_list("pk", flat=True)
        if names := [worker_hostname(node_id) for node_id in nodes]:
            app.control.broadcast("studio_check", destination=names)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with the broker)
        logger.warning("could not nudge target %s (its nodes' next heartbeat will see the check): %s", target_id, error)


def nudge_builds_on_commit(node_ids: Collection[int]) -> None:
    """Tell nodes at once that they are to build an environment. They look for themselves as well."""
    if node_ids:
        transaction.on_commit(partial(_nudge_builds, list(node_ids)), robust=True)


def _nudge_builds(node_ids: Collection[int]) -> None:
    try:
        app.control.broadcast("studio_build", destination=[worker_hostname(node_id) for node_id in node_ids])
    except Exception as error:  # noqa: BLE001 (whatever is wrong with the broker)
        logger.warning("could not nudge nodes %s (their next heartbeat will see the wish): %s", node_ids, error)


def target_changed_on_commit(target_ids: Collection[int]) -> None:
    """Tell the pages of these targets once the transaction commits; at most about once a second each."""
    if target_ids:
        transaction.on_commit(partial(_target_changed, frozenset(target_ids)), robust=True)


def _target_changed(target_ids: Collection[int]) -> None:
    now = time.monotonic()
    with _news_lock:
        due = {id_ for id_ in target_ids if now - _news_sent.get(id_, -60.0) >= _TARGET_NEWS_EVERY_S}
        _news_held.update(set(target_ids) - due)
        _news_held.difference_update(due)
        _news_sent.update(dict.fromkeys(due, now))
    for target_id in due:
        publish(f"compute.{target_id}", {"type": "compute.changed", "target_id": target_id})


def send_held_news() -> None:
    """Send what the throttle held back. A node's keeper calls it now and then."""
    with _news_lock:
        held = frozenset(_news_held)
    if held:
        _target_changed(held)


def log_grew(job_id: int, attempt: int, *, lines: int, size_bytes: int, complete: bool) -> None:
    """Tell watchers how long an attempt's log is now. Only after the commit that made it so."""
    publish(
        f"log.{job_id}",
        {
            "type": "log.grew",
            "job_id": job_id,
            "attempt": attempt,
            "lines": lines,
            "bytes": size_bytes,
            "complete": complete,
        },
    )

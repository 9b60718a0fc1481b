"""Jobs that nodes of ours run: they claim from the database, and a message only tells them to look."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from compute import doorbell
from compute.drivers.interface import Driver, LogPiece, Sighting
from compute.logs.reading import read_bytes
from compute.models import Attempt, Job
from compute.states import ACTIVE, TERMINAL
from studio.lib.on_commit import enqueue_on_commit

WAKE_EVERY_S = 1.0

_lock = threading.Lock()
_woken: dict[int, float] = {}


class NodesThatClaim(Driver):
    """What the kinds share whose nodes speak to our database."""

    def submit(self, jobs: Sequence[Job]) -> None:
        doorbell.ring_on_commit(Counter(job.target_id for job in jobs))

    def poll(self, jobs: Sequence[Job]) -> list[Sighting]:
        keys = [job.pk for job in jobs]
        rows = Job.objects.filter(pk__in=keys).only("pk", "status", "exit_code", "reason").in_bulk()
        # By the database's clock, as leases are given.
        late = set(
            Job.objects.filter(pk__in=keys, status__in=ACTIVE, lease_expires_at__lt=Now()).values_list("pk", flat=True)
        )
        return [_sighting(rows[key], is_late=key in late) for key in keys if key in rows]

    def cancel(self, jobs: Sequence[Job]) -> None:
        by_node: dict[int, list[int]] = {}
        for job in jobs:
            if job.lease_node_id is not None:
                by_node.setdefault(job.lease_node_id, []).append(job.pk)
        doorbell.nudge_cancel_on_commit(by_node)

    def read_log(self, attempt: Attempt, *, offset: int, limit: int) -> LogPiece:
        # Asked before the bytes are: what was the end then may not be while they are read, never the other way round.
        complete, size = Attempt.objects.values_list("log_complete", "log_bytes").get(pk=attempt.pk)
        data = read_bytes(attempt, offset, limit) if offset < size else b""
        return LogPiece(offset, data, is_whole=complete and offset + len(data) >= size)


class LocalNodes(NodesThatClaim):
    """Nodes that a supervisor keeps running, or that somebody started by hand."""

    kind: ClassVar[str] = "local"


class PoolOfNodes(NodesThatClaim):
    """Nodes that come when jobs wait: whoever submits wakes the pool as well, which may have none."""

    kind: ClassVar[str] = "pool"

    def submit(self, jobs: Sequence[Job]) -> None:
        super().submit(jobs)
        for target_id in {job.target_id for job in jobs}:
            transaction.on_commit(partial(_wake, target_id), robust=True)


def _sighting(job: Job, *, is_late: bool) -> Sighting:
    if job.status in TERMINAL:
        return Sighting(job.pk, "over", job.exit_code, job.reason)
    if is_late:
        return Sighting(
            job.pk, "lost", None, f"it was not heard of for {settings.NODE_LEASE_S:g} s (killed, stopped or cut off)"
        )
    return Sighting(job.pk, "working" if job.status in ACTIVE else "waiting")


def _wake(target_id: int) -> None:
    """The pool looks at once, about once a second at most; the sweep looks in any case."""
    now = time.monotonic()
    with _lock:
        if now - _woken.get(target_id, -60.0) < WAKE_EVERY_S:
            return
        _woken[target_id] = now
    enqueue_on_commit("compute.reconcile_pool", target_id, expires_s=30)

"""The life of a job on a node: claimed, started, finished or handed back, each by one guarded UPDATE.

Whoever holds the lease's token speaks for the job. Once the lease was lost (expired and swept) every call here answers
no, and nothing of the attempt counts any more.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from compute import doorbell
from compute.listener import JobChange, tell
from compute.models import LOG_ARCHIVE_BYTES, Attempt, Job, Node
from compute.queueing import NOBODY
from compute.retrying import Failure, may_follow, wait_s
from compute.services.client_files import with_client_files
from compute.services.queue import choose, may_start, request_of
from compute.services.use import Spent, note_use
from compute.spec import JobResult, JobSpec, Resources
from compute.states import ACTIVE, TRANSITIONS, JobStatus
from studio.lib.clock import clock
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.statements import update_where
from studio.lib.transitions import sources_of, transition

NO_LEASE: dict[str, Any] = {
    "lease_token": None,
    "lease_node": None,
    "lease_expires_at": None,
    "lease_gpus": "",
}
_MOST_RINGS = 8  # for what one job frees; the sweep rings for the rest


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one attempt of one job."""

    job_id: int
    token: uuid.UUID
    attempt_id: int
    attempt: int
    workspace_id: int
    target_id: int
    node_id: int
    node_name: str
    owner: str
    title: str
    spec: JobSpec
    failures: int
    max_attempts: int
    person: int  # who waits for it; NOBODY where nobody asked
    claimed_at: datetime
    gpus: tuple[str, ...] = ()  # ids of the devices that are its own until it ends


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. QUEUED means that the node gives the job back unharmed."""

    status: JobStatus
    exit_code: int | None = None
    reason: str = ""
    result: JobResult | None = None
    failure: Failure | None = None  # by which another attempt may do better; None: by nothing of that kind


def claim(node: Node) -> Lease | None:
    """Take the best queued job of the node's target that fits into what the node has free, or None."""
    if not may_start(node):
        return None  # looked up without the write lock: most rings find nothing
    with transaction.atomic():
        return _claim(node)


def _claim(node: Node) -> Lease | None:
    chosen = choose(node)
    if chosen is None:
        return None
    job = chosen.job
    now, token, number = clock.now(), uuid.uuid4(), job.attempt_number + 1
    moved = transition(
        Job.objects.filter(pk=job.pk, status=JobStatus.QUEUED, cancel_requested_at=None),
        TRANSITIONS,
        to=JobStatus.PREPARING,
        attempt_number=number,
        started_at=job.started_at or now,
        lease_token=token,
        lease_node_id=node.pk,
        lease_expires_at=Now() + timedelta(seconds=settings.NODE_LEASE_S),
        lease_gpus=",".join(gpu.key for gpu in chosen.gpus),
        not_before=None,
        exit_code=None,
        reason="",
    )
    if not moved:
        return None
    gpus = tuple(gpu.id for gpu in chosen.gpus)
    attempt = Attempt.objects.create(
        job_id=job.pk, number=number, node_name=node.name, gpus=",".join(gpus), claimed_at=now
    )
    tell([JobChange(job.pk, job.owner, JobStatus.PREPARING, now, number)])
    doorbell.target_changed_on_commit([node.target_id])
    return Lease(
        job_id=job.pk,
        token=token,
        attempt_id=attempt.pk,
        attempt=number,
        workspace_id=job.workspace_id,
        target_id=job.target_id,
        node_id=node.pk,
        node_name=node.name,
        owner=job.owner,
        title=job.title,
        spec=job.spec,
        failures=job.failures,
        max_attempts=job.max_attempts,
        person=job.requested_by_id or NOBODY,
        claimed_at=now,
        gpus=gpus,
    )


def start(lease: Lease, at: datetime) -> bool:
    """The process lives since `at`. False: the lease is lost."""
    with transaction.atomic():
        if not _move(lease, JobStatus.RUNNING):
            return False
        update_where(Attempt, {"started_at": at}, {"id": lease.attempt_id})
        tell([JobChange(lease.job_id, lease.owner, JobStatus.RUNNING, at, lease.attempt)])
    return True


def finish(
    lease: Lease, outcome: Outcome, *, log: dict[str, Any], log_bytes: int, claim_for: Node | None = None
) -> tuple[bool, Lease | None]:
    """End an attempt, in a transaction of its own or the caller's.

    `log` are the last columns of the attempt's log, and of what it used. Returns whether the lease still held, and the
    next job's lease where `claim_for` asked for one and the database lets it be claimed in the same commit.
    """
    with transaction.atomic():
        now = clock.now()
        left = outcome.result  # by itself
        if outcome.status != JobStatus.QUEUED and lease.spec.artifacts is not None:
            outcome = replace(outcome, result=with_client_files(lease.attempt_id, left))
        last = {"finished_at": now, "exit_code": outcome.exit_code, "reason": outcome.reason, **log}
        if outcome.status != JobStatus.COMPLETED and outcome.result:
            last["kept"] = outcome.result
        held = update_where(Attempt, last, {"id": lease.attempt_id, "log_complete": False})
        if not held or not _close(lease, outcome, left, now):
            return False, None
        if log_bytes > LOG_ARCHIVE_BYTES:
            enqueue_on_commit("compute.archive_log", lease.attempt_id)
        doorbell.target_changed_on_commit([lease.target_id])
        # One commit for two jobs where there is one writer anyway. Elsewhere it would hold the locks of two runs.
        merge = claim_for is not None and not connection.features.has_select_for_update
        return True, _claim(claim_for) if merge and claim_for else None


def _close(lease: Lease, outcome: Outcome, left: JobResult | None, now: datetime) -> bool:
    status, reason = outcome.status, outcome.reason
    changes: dict[str, Any] = {**NO_LEASE, "exit_code": outcome.exit_code}
    waits_s = 0.0
    if outcome.failure is not None:
        failures = changes["failures"] = lease.failures + 1
        retry = lease.spec.retry
        if failures < lease.max_attempts and may_follow(retry, outcome.failure, exit_code=outcome.exit_code):
            status, waits_s = JobStatus.QUEUED, wait_s(retry, failures)
            # With the numbers that attempts have: lost nodes, and earlier jobs of the same owner, count in those.
            last = lease.attempt + lease.max_attempts - failures
            reason = f"{reason} {_of_another_attempt(lease.attempt + 1, last, waits_s)}"
    rings = _rings_for_what_is_freed(lease.target_id, lease.spec.resources)
    if status == JobStatus.QUEUED:
        # Somebody may have asked for its end meanwhile: it must not start again.
        if Job.objects.filter(pk=lease.job_id, cancel_requested_at__isnull=False).exists():
            status, reason = JobStatus.CANCELLED, "Cancelled."
        else:
            changes["queued_at"] = now
            # The later it may begin, the further back it stands; what is due now is rung for, the rest by the sweep.
            changes["queued_at"] = now + timedelta(seconds=waits_s)
            rings += 0 if waits_s else 1
    if status != JobStatus.QUEUED:
        changes |= {"finished_at": now, "result": outcome.result}
    if not _move(lease, status, reason=reason, **changes):
        return False
    if rings:
        doorbell.ring_on_commit({lease.target_id: rings})
    if status == JobStatus.QUEUED and waits_s:
        Job.objects.filter(pk=lease.job_id).update(not_before=Now() + timedelta(seconds=waits_s))
    tell([JobChange(lease.job_id, lease.owner, status, now, lease.attempt, outcome.exit_code, reason, outcome.result)])
    spent = Spent(lease.workspace_id, lease.person, lease.spec.resources.cpus, lease.claimed_at, now)
    note_use(spent, left)  # what an attempt leaves stays, whether another one follows or not
    return True


def _of_another_attempt(number: int, of: int, waits_s: float) -> str:
    when = f"in {waits_s:g} s" if waits_s else "at once"
    return f"It is tried again {when}: attempt {number} of {of}."


def _rings_for_what_is_freed(target_id: int, resources: Resources) -> int:
    """Where one large job ends, several small ones may begin, on slots that had nothing to do."""
    if resources.is_empty:
        return 0
    return Job.objects.filter(target=target_id, status=JobStatus.QUEUED)[:_MOST_RINGS].count()


def _move(lease: Lease, to: JobStatus, **changes: Any) -> bool:
    """A guarded transition of the lease's job; False where the lease is lost."""
    where = {"id": lease.job_id, "lease_token": lease.token, "status": sources_of(TRANSITIONS, to)}
    return bool(update_where(Job, {"status": to, **changes}, where))


def expired(now: datetime) -> list[Job]:
    """Jobs whose node had not renewed their lease by `now`, of the database, the longest silent first."""
    return list(
        Job.objects.filter(status__in=ACTIVE, lease_expires_at__lt=now)
        .select_related("lease_node")
        .order_by("lease_expires_at")[:200]
    )


def lose(job: Job, what: str) -> bool:
    """The node that ran `job` is gone: run it again, or fail it where that happened too often.

    `what` says what happened, as in "it was not heard of for 15 s". `job` must be as it was when that was seen: its
    token guards the change. False: somebody else was faster.
    """
    node = job.lease_node.name if job.lease_node else "that ran it"
    reason = f"Node “{node}” was lost: {what}."
    with transaction.atomic():
        now = clock.now()
        rows = Job.objects.filter(pk=job.pk, lease_token=job.lease_token)
        job_now = rows.filter(status__in=ACTIVE).select_for_update().first()
        if job_now is None:
            return False
        losses = job_now.node_losses + 1
        changes: dict[str, Any] = {**NO_LEASE, "node_losses": losses}
        if job_now.cancel_requested_at is not None:
            status, reason = JobStatus.CANCELLED, f"Cancelled. {reason}"
        elif losses <= job_now.max_node_losses:
            status = JobStatus.QUEUED
            changes["queued_at"] = now
        else:
            status = JobStatus.FAILED
            reason = f"{reason} It was tried {losses} times, each time its node was lost." if losses > 1 else reason
        if status != JobStatus.QUEUED:
            changes["finished_at"] = now
        if not transition(rows, TRANSITIONS, to=status, reason=reason, **changes):
            return False
        attempt = Attempt.objects.filter(job_id=job.pk, number=job_now.attempt_number)
        attempt.update(finished_at=now, reason=reason, log_complete=True)
        tell([JobChange(job.pk, job_now.owner, status, now, job_now.attempt_number, None, reason)])
        claimed_at = attempt.values_list("claimed_at", flat=True).get()
        note_use(Spent(job_now.workspace_id, job_now.requested_by_id or NOBODY, job_now.cpus, claimed_at, now))
        rings = _rings_for_what_is_freed(job_now.target_id, request_of(job_now))
        if status == JobStatus.QUEUED:
            rings += 1
        if rings:
            doorbell.ring_on_commit({job_now.target_id: rings})
        doorbell.target_changed_on_commit([job_now.target_id])
        transaction.on_commit(partial(_log_ended, job.pk, job_now.attempt_number), robust=True)
    return True


def _log_ended(job_id: int, number: int) -> None:
    attempt = Attempt.objects.filter(job_id=job_id, number=number).first()
    if attempt is not None:
        doorbell.log_grew(job_id, number, lines=attempt.log_lines, size_bytes=attempt.log_bytes, complete=True)

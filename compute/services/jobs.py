"""Ask for work, and ask for its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from compute import doorbell
from compute.drivers import by_driver
from compute.listener import JobChange, tell
from compute.models import Job
from compute.queueing import NOBODY, lane_of
from compute.spec import JobSpec
from compute.states import ACTIVE, TERMINAL, TRANSITIONS, UNCLAIMED, JobStatus
from studio.lib.clock import clock
from studio.lib.statements import insert_alike
from studio.lib.transitions import transition

# In all else the jobs that are queued together are alike.
_OF_A_JOB = (
    *("workspace", "target", "owner", "title", "spec", "priority", "requested_by", "cpus", "memory_bytes", "gpus"),
    *("lane", "apart", "max_attempts", "max_node_losses", "attempt_number"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be queued. `owner` comes back with every change of it.

    `requested_by_id` is the person who waits for it: the queue is fair between people. Of jobs of a target that say the
    same in `apart` no node runs two at once.
    """

    workspace_id: int
    target_id: int
    owner: str
    title: str
    spec: JobSpec
    requested_by_id: int | None = None
    priority: int = 0
    apart: str = ""
    attempts_before: int = 0  # of earlier jobs of the same owner: its own are numbered on from there


def create_jobs(new_jobs: Sequence[NewJob], *, kinds: Mapping[int, str] | None = None) -> list[Job]:
    """Queue jobs, in the order given, with one INSERT; nodes hear of them once the transaction commits.

    The listener is not told: whoever asks knows. Who has read the `kinds` of the targets, by id, spares a query.
    """
    if not new_jobs:
        return []
    now = clock.now()
    jobs = [
        Job(
            workspace_id=new.workspace_id,
            target_id=new.target_id,
            owner=new.owner,
            title=new.title[:200],
            spec=new.spec,
            priority=new.priority,
            requested_by_id=new.requested_by_id,
            cpus=new.spec.resources.cpus,
            memory_bytes=new.spec.resources.memory_bytes,
            gpus=new.spec.resources.gpus,
            lane=_lane(new),
            apart=new.apart,
            max_attempts=new.spec.retry.max_attempts,
            max_node_losses=new.spec.retry.max_node_losses,
            queued_at=now,
            attempt_number=new.attempts_before,
        )
        for new in new_jobs
    ]
    insert_alike(jobs, _OF_A_JOB)
    for driver, own in by_driver(jobs, kinds=kinds):
        driver.submit(own)
    return jobs


def _lane(new: NewJob) -> int:
    return lane_of(
        workspace_id=new.workspace_id,
        person=new.requested_by_id or NOBODY,
        priority=new.priority,
        request=new.spec.resources,
        apart=new.apart,
    )


def request_cancel(job_ids: Sequence[int]) -> int:
    """Ask for the end of jobs. Returns how many were not over yet.

    Queued ones are cancelled here and now (the listener is told); a node ends the others. On PostgreSQL rows that a
    node is changing at this moment are asked again after the commit: waiting for them while the caller holds locks of
    its own could be a deadlock.
    """
    with transaction.atomic():
        rows = list(
            Job.objects.filter(pk__in=job_ids)
            .exclude(status__in=TERMINAL)
            .order_by("pk")
            .select_for_update(skip_locked=True)
            .only("pk", "owner", "status", "target_id", "attempt_number", "lease_node_id")
        )
        cancelled = _cancel_queued([job for job in rows if job.status in UNCLAIMED])
        _ask_nodes([job for job in rows if job.status in ACTIVE])
        busy = set(job_ids) - {job.pk for job in rows}
        if busy and transaction.get_connection().features.has_select_for_update:
            transaction.on_commit(partial(_cancel_busy, sorted(busy)), robust=True)
        doorbell.target_changed_on_commit({job.target_id for job in rows})
    return cancelled + len([job for job in rows if job.status in ACTIVE])


def _cancel_queued(jobs: list[Job], reason: str = "Cancelled while it waited for a slot.") -> int:
    """Of jobs that are held: nobody else moves them meanwhile."""
    if not jobs:
        return 0
    now = clock.now()
    unclaimed = Job.objects.filter(pk__in=[job.pk for job in jobs], status__in=UNCLAIMED)
    end: dict[str, Any] = {"cancel_requested_at": now, "finished_at": now, "reason": reason}
    moved = transition(unclaimed, TRANSITIONS, to=JobStatus.CANCELLED, **end)
    assert moved == len(jobs), "nobody moves what is held"
    tell([JobChange(job.pk, job.owner, JobStatus.CANCELLED, now, job.attempt_number, reason=reason) for job in jobs])
    return len(jobs)


def _ask_nodes(jobs: list[Job]) -> None:
    if not jobs:
        return
    Job.objects.filter(pk__in=[job.pk for job in jobs], cancel_requested_at=None).update(
        cancel_requested_at=clock.now()
    )
    for driver, own in by_driver(jobs):
        driver.cancel(own)


def _cancel_busy(job_ids: list[int]) -> None:
    """One row at a time and one lock at a time: first the job's, then (in `tell`) its owner's, as a node does."""
    for job_id in job_ids:
        with transaction.atomic():
            job = Job.objects.filter(pk=job_id).exclude(status__in=TERMINAL).select_for_update().first()
            if job is None:
                continue
            if job.status in UNCLAIMED:
                _cancel_queued([job])
            else:
                _ask_nodes([job])


def cancel_asked_but_queued() -> int:
    """Cancel jobs that went back to the queue after somebody had asked for their end. Returns how many."""
    with transaction.atomic():
        jobs = Job.objects.filter(status=JobStatus.QUEUED, cancel_requested_at__isnull=False).select_for_update(
            skip_locked=True
        )
        return _cancel_queued(list(jobs.only("pk", "owner", "target_id", "attempt_number")[:500]))

"""Jobs that no node has claimed: held back, let go again, or taken away by whoever asked for them.

The listener is not told: whoever asks knows. The caller may hold rows of its own (its run), so a job that somebody
changes at this moment is passed over rather than waited for, which could be a deadlock: a node that is claiming it, or
gives it back, tells its owner in the same transaction, and a canceller ends it.
"""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from compute import doorbell
from compute.drivers import by_driver
from compute.models import Job
from compute.states import TRANSITIONS, UNCLAIMED, JobStatus
from studio.lib.clock import clock
from studio.lib.transitions import transition

Keys = Collection[int] | QuerySet[Any, Any]


def hold_jobs(job_ids: Keys) -> int:
    """Keep those that are queued from being claimed, without a trace in the claim's own query. Returns how many."""
    with transaction.atomic():
        jobs = _locked(job_ids, {JobStatus.QUEUED})
        transition(_rows(jobs), TRANSITIONS, to=JobStatus.HELD)
        doorbell.target_changed_on_commit({job.target_id for job in jobs})
    return len(jobs)


def let_go(job_ids: Keys) -> int:
    """Let nodes claim those that are held, as old as they are. Returns how many."""
    with transaction.atomic():
        jobs = _locked(job_ids, {JobStatus.HELD})
        transition(_rows(jobs), TRANSITIONS, to=JobStatus.QUEUED)
        for driver, own in by_driver(jobs):
            driver.submit(own)
        doorbell.target_changed_on_commit({job.target_id for job in jobs})
    return len(jobs)


def withdraw_jobs(job_ids: Keys, *, reason: str) -> list[int]:
    """Take away those that no node has claimed: they end cancelled. Returns which."""
    with transaction.atomic():
        jobs = _locked(job_ids, UNCLAIMED)
        now = clock.now()
        ended: dict[str, Any] = {"finished_at": now, "cancel_requested_at": now, "reason": reason}
        transition(_rows(jobs), TRANSITIONS, to=JobStatus.CANCELLED, **ended)
        doorbell.target_changed_on_commit({job.target_id for job in jobs})
    return [job.pk for job in jobs]


def _locked(job_ids: Keys, statuses: Collection[str]) -> list[Job]:
    rows = Job.objects.filter(pk__in=job_ids, status__in=statuses, cancel_requested_at=None).order_by("pk")
    return list(rows.select_for_update(skip_locked=True, of=("self",)).only("pk", "target_id"))


def _rows(jobs: list[Job]) -> QuerySet[Job]:
    return Job.objects.filter(pk__in=[job.pk for job in jobs])

"""Re-read reality and make good what was lost; the cost grows with what is queued or running, not with the past."""

import logging
from datetime import timedelta

from django.db.models import Count, Min, Sum
from django.db.models.functions import Now
from django.utils import timezone

from compute import doorbell
from compute.alive import alive_nodes
from compute.drivers import by_driver
from compute.models import LOG_ARCHIVE_BYTES, Attempt, Job
from compute.protocol import announce_protocol
from compute.services.builds import end_lost_builds
from compute.services.checks import end_unheard
from compute.services.clock import shorten_impossible_leases, trusted_now
from compute.services.jobs import cancel_asked_but_queued
from compute.services.leases import expired, lose
from compute.services.node_records import forget_old_samples
from compute.services.pools import reconcile_pools, work_on_quick_ones
from compute.states import ACTIVE, JobStatus
from studio.lib.on_commit import enqueue_on_commit

logger = logging.getLogger(__name__)

# A job that has been queued for so long while a slot was free was not heard of.
UNHEARD_S = 1.0


def sweep() -> None:
    """One round. Whatever breaks on one job is logged and tried again in the next round."""
    for part in (
        announce_protocol,
        shorten_impossible_leases,
        requeue_lost_jobs,
        cancel_asked_but_queued,
        ring_again,
        reconcile_pools,
        work_on_quick_ones,
        archive_left_logs,
        end_unheard,
        end_lost_builds,
        forget_old_samples,
    ):
        try:
            part()
        except Exception:
            logger.exception("a part of the sweep failed, the next round tries again")


def requeue_lost_jobs() -> int:
    """Take the jobs from nodes that are silent. Returns how many."""
    now = trusted_now()
    if now is None:
        return 0
    count = 0
    for driver, jobs in by_driver(expired(now)):
        seen = {sighting.job_id: sighting for sighting in driver.poll(jobs)}
        for job in jobs:
            if job.pk in seen and seen[job.pk].state == "lost":
                count += _lose(job, seen[job.pk].reason)
    return count


def _lose(job: Job, what: str) -> bool:
    try:
        return lose(job, what)
    except Exception:
        logger.exception("could not take job %s from its silent node, the next round tries again", job.pk)
        return False


def ring_again() -> None:
    """Ring for jobs that wait although a slot of their target is free, those whose time has come among them."""
    waiting = {
        row["target_id"]: row["count"]
        for row in Job.objects.filter(status=JobStatus.QUEUED)
        .exclude(not_before__gt=Now())
        .values("target_id")
        .annotate(count=Count("pk"), oldest=Min("queued_at"))
        .order_by()
        # Queued in the future: the clock was set back since.
        if not timedelta(0) <= timezone.now() - row["oldest"] <= timedelta(seconds=UNHEARD_S)
    }
    if not waiting:
        return
    slots = dict(
        alive_nodes(doorbell.open_nodes(list(waiting))).values_list("target_id").annotate(Sum("slots")).order_by()
    )
    busy = dict(
        Job.objects.filter(status__in=ACTIVE, target_id__in=waiting)
        .values_list("target_id")
        .annotate(Count("pk"))
        .order_by()
    )
    free = {target_id: slots.get(target_id, 0) - busy.get(target_id, 0) for target_id in waiting}
    doorbell.ring({target_id: min(waiting[target_id], room) for target_id, room in free.items() if room > 0})


def archive_left_logs() -> None:
    """Ask again for the move of long logs whose message was lost. The partial index makes this a look at nothing."""
    left = Attempt.objects.filter(
        log_complete=True,
        log_archive="",
        log_bytes__gt=LOG_ARCHIVE_BYTES,
        finished_at__lt=Now() - timedelta(seconds=60),
    )
    for attempt_id in left.order_by("id").values_list("pk", flat=True)[:20]:
        enqueue_on_commit("compute.archive_log", attempt_id)

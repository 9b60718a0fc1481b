"""Cancelling: a request beside the status. What waits ends at once, what runs as soon as its process is gone."""

from django.db import transaction
from django.utils import timezone

from compute.services import request_cancel
from pipelines.events import CancelRequested
from pipelines.models import Run, StepRun
from pipelines.services.journal import Journal, held_run
from pipelines.states import RUN_TERMINAL, StepStatus
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

_REASON = "The run was cancelled before this step began."


def cancel_run(access: Access, run: Run) -> bool:
    """Ask for the run's end. False: it is over, or somebody asked already, and nothing was changed.

    The jobs are asked in a transaction of their own: one that finishes holds its job and wants the run, so holding
    the run and wanting the job would be a deadlock. A process that dies between the two leaves it to the sweep.
    """
    access.require(Permission.RUN)
    with transaction.atomic():
        held = held_run(run.pk)
        if held.status in RUN_TERMINAL or held.cancel_requested_at is not None:
            return False
        now = timezone.now()
        held.cancel_requested_at = now
        journal = Journal(held, now)
        journal.changes |= {"cancel_requested_at": now, "cancel_requested_by_id": access.user.pk}
        journal.tell(CancelRequested(by=access.user.username))
        waiting = StepRun.objects.filter(run_id=held.pk, status=StepStatus.WAITING)
        journal.move_steps(waiting, StepStatus.CANCELLED, finished_at=now, reason=_REASON)
        journal.write()
        audit.record(access.workspace, access.user, "run.cancel", f"run {run.pk}")
    cancel_jobs(run.pk)
    return True


def cancel_jobs(run_id: int) -> int:
    """Ask for the end of what is queued or runs. Doing it twice is harmless. Returns how many there were."""
    active = [StepStatus.QUEUED, StepStatus.PREPARING, StepStatus.RUNNING]
    job_ids = StepRun.objects.filter(run_id=run_id, status__in=active).exclude(job=None)
    return request_cancel(list(job_ids.order_by("job_id").values_list("job_id", flat=True)))


def finish_cancelling() -> int:
    """For the sweep: ask again where a run's end was asked for and a job of it was not. Returns how many runs."""
    asked = Run.objects.filter(cancel_requested_at__isnull=False).exclude(status__in=RUN_TERMINAL)
    left = asked.filter(steps__job__isnull=False, steps__job__finished_at=None, steps__job__cancel_requested_at=None)
    run_ids = list(left.values_list("pk", flat=True).distinct()[:100])
    for run_id in run_ids:
        cancel_jobs(run_id)
    return len(run_ids)

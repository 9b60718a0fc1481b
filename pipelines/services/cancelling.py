"""Cancelling: a request beside the status. What waits ends at once, what runs as soon as its process is gone."""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from compute.services import request_cancel
from pipelines.events import CancelRequested
from pipelines.models import Run, StepRun
from pipelines.services.journal import TEND_TASK, Journal, held_run
from pipelines.states import RUN_OPEN, RUN_TERMINAL, StepStatus
from studio.lib.on_commit import enqueue_on_commit
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import User, Workspace
from studio.workspaces.permissions import Permission

_AT_ONCE = 500  # jobs in a transaction: nobody should wait for the end of thousands
_REASON = "The run was cancelled before this step began."
_REASON_WITHOUT_JOB = "The run was cancelled before it ended."


def cancel_run(access: Access, run: Run) -> bool:
    """Ask for the run's end. False: it is over, or somebody asked already, and nothing was changed.

    The jobs are asked in a transaction of their own: one that finishes holds its job and wants the run, so holding
    the run and wanting the job would be a deadlock. A process that dies between the two leaves it to the sweep.
    """
    access.require(Permission.RUN)
    with transaction.atomic():
        if not _ask(run.pk, access.user):
            return False
        audit.record(access.workspace, access.user, "run.cancel", f"run {run.pk}")
    cancel_jobs(run.pk)
    return True


def ask_for_end(run_id: int, *, by: User | None, reason: str = "") -> None:
    """As `cancel_run`, of a run that a step had made: `by` asked for the end of that, None where nobody did.

    `reason` is what the run says of it, where it is another one than that somebody asked.
    """
    with transaction.atomic():
        asked = _ask(run_id, by, reason)
    if asked:
        cancel_jobs(run_id)


def _ask(run_id: int, user: User | None, reason: str = "") -> bool:
    """Within a transaction. False: it is over, or somebody asked already."""
    held = held_run(run_id)
    if held.status in RUN_TERMINAL or held.cancel_requested_at is not None:
        return False
    now = timezone.now()
    held.cancel_requested_at = now
    journal = Journal(held, now)
    journal.changes |= {"cancel_requested_at": now, "cancel_requested_by_id": user.pk if user else None}
    if reason:
        held.reason = journal.changes["reason"] = reason
    journal.tell(CancelRequested(by=user.username if user else ""))
    waiting = StepRun.objects.filter(run_id=held.pk, status=StepStatus.WAITING)
    journal.move_steps(waiting, StepStatus.CANCELLED, finished_at=now, reason=_REASON)
    # The job of what a client does itself was over from the beginning.
    nobody_runs = Q(job=None) | Q(job__finished_at__isnull=False)
    going = StepRun.objects.filter(nobody_runs, run_id=held.pk, status=StepStatus.RUNNING)
    journal.move_steps(
        going.filter(makes_runs=False), StepStatus.CANCELLED, finished_at=now, reason=_REASON_WITHOUT_JOB
    )
    for step_id in going.filter(makes_runs=True).values_list("pk", flat=True):  # it ends when its runs have
        enqueue_on_commit(TEND_TASK, step_id)
    journal.write()
    return True


def cancel_jobs(run_id: int) -> int:
    """Ask for the end of what is queued or runs. Doing it twice is harmless. Returns how many there were.

    Somebody may have continued the run since its end was asked for: then there is nothing to ask.
    """
    active = [StepStatus.QUEUED, StepStatus.PREPARING, StepStatus.RUNNING]
    asked = StepRun.objects.filter(run_id=run_id, run__cancel_requested_at__isnull=False)
    job_ids = asked.filter(status__in=active).exclude(job=None)
    found = list(job_ids.order_by("job_id").values_list("job_id", flat=True))
    return sum(request_cancel(found[start : start + _AT_ONCE]) for start in range(0, len(found), _AT_ONCE))


def finish_cancelling() -> int:
    """For the sweep: ask again where a run's end was asked for and a job of it was not. Returns how many runs."""
    asked = runs_not_over().filter(cancel_requested_at__isnull=False).order_by().values("pk")
    left = StepRun.objects.filter(
        run__in=asked, job__isnull=False, job__finished_at=None, job__cancel_requested_at=None
    )
    run_ids = list(left.order_by("run_id").values_list("run_id", flat=True).distinct()[:100])
    for run_id in run_ids:
        cancel_jobs(run_id)
    return len(run_ids)


def runs_not_over() -> QuerySet[Run]:
    """In these words the database begins with the few that are (`run_by_status`), and not with all runs or steps."""
    return Run.objects.filter(workspace__in=Workspace.objects.values("pk"), status__in=RUN_OPEN)

"""Cancelling one step: it ends, what depends on it is skipped, and the rest of its run goes on."""

from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from compute.services import request_cancel
from pipelines.events import StepCancelRequested
from pipelines.models import Run, StepRun
from pipelines.services.advancing import skip_later_steps
from pipelines.services.journal import TEND_TASK, Journal, held_run
from pipelines.states import STEP_TERMINAL, StepStatus
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import ConflictError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission


def cancel_step(access: Access, run: Run, name: str) -> None:
    """Ask for the end of one step. One that waits ends at once, one that runs as soon as its process is gone. So do its
    parts, where it works on several nodes: also those that still run once one has failed and the step was skipped.

    Raises ConflictError where all of it is over, or the whole run is being cancelled.
    """
    access.require(Permission.RUN)
    refused: ConflictError | None = None
    try:
        _cancel(access, run, name)
    except ConflictError as error:
        refused = error
    for part in StepRun.objects.filter(run=run, part_of__name=name).values_list("name", flat=True):
        with suppress(ConflictError):  # it is over by now
            _cancel(access, run, part)
            refused = None
    if refused is not None:
        raise refused


def _cancel(access: Access, run: Run, name: str) -> None:
    if not _cancel_waiting(access, run, name):
        _cancel_job(access, run, name)


def _cancel_waiting(access: Access, run: Run, name: str) -> bool:
    """False: it waits no longer, or has a job, and nothing was changed."""
    with transaction.atomic():
        journal = Journal(held_run(run.pk), timezone.now())
        step = StepRun.objects.get(run_id=run.pk, name=name)
        _refuse(journal.run, step)
        goes_without_job = step.status == StepStatus.RUNNING and step.job_id is None
        if goes_without_job and step.makes_runs:
            _cancel_with_runs(access, journal, step)
            return True
        if step.status != StepStatus.WAITING and not goes_without_job:
            return False
        _note(access, journal, step)
        reason = f"{access.user} cancelled it before it {'ended' if goes_without_job else 'began'}."
        journal.move_step(step, StepStatus.CANCELLED, finished_at=journal.at, reason=reason)
        skip_later_steps(journal, step, "was cancelled")
        journal.write()
    return True


def _cancel_with_runs(access: Access, journal: Journal, step: StepRun) -> None:
    """It ends when its runs have."""
    StepRun.objects.filter(pk=step.pk, cancel_requested_at=None).update(cancel_requested_at=journal.at)
    _note(access, journal, step)
    enqueue_on_commit(TEND_TASK, step.pk)
    journal.write()


def _cancel_job(access: Access, run: Run, name: str) -> None:
    """First the job is held and then the run, as by a node that ends it: the other way round could be a deadlock."""
    with transaction.atomic():
        job_id = StepRun.objects.values_list("job_id", flat=True).get(run_id=run.pk, name=name)
        request_cancel([job_id] if job_id else [])
        journal = Journal(held_run(run.pk), timezone.now())
        step = StepRun.objects.get(run_id=run.pk, name=name)
        if step.status != StepStatus.CANCELLED:
            _refuse(journal.run, step)
        _note(access, journal, step)
        journal.write()


def _refuse(run: Run, step: StepRun) -> None:
    if step.status in STEP_TERMINAL:
        raise ConflictError(f"“{step.name}” is over: it {_HOW[StepStatus(step.status)]}.", status=step.status)
    if run.cancel_requested_at:
        raise ConflictError(f"Run {run.pk} is being cancelled, and “{step.name}” with it.", status=step.status)


_HOW = {
    StepStatus.COMPLETED: "completed",
    StepStatus.FAILED: "failed",
    StepStatus.SKIPPED: "was skipped",
    StepStatus.CANCELLED: "was cancelled",
    StepStatus.NOT_TAKEN: "is on a branch that was not taken",
}


def _note(access: Access, journal: Journal, step: StepRun) -> None:
    journal.tell(StepCancelRequested(step=step.name, by=access.user.username))
    audit.record(access.workspace, access.user, "run.cancel_step", f"run {step.run_id}, {step.name}")

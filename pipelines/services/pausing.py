"""Pausing: a request beside the status. What runs goes on to its end; nothing further begins until it is resumed."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from compute.models import Job
from compute.services import hold_jobs, let_go
from compute.states import JobStatus
from pipelines.events import Paused, Resumed
from pipelines.models import Run, StepRun
from pipelines.services.advancing import READY_FIELDS, release
from pipelines.services.journal import TEND_TASK, Journal, held_run
from pipelines.states import RUN_TERMINAL, StepStatus
from studio.lib.on_commit import enqueue_on_commit, publish_on_commit
from studio.lib.problems import ConflictError
from studio.lib.statements import read_rows
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import User
from studio.workspaces.permissions import Permission


def pause_run(access: Access, run: Run) -> bool:
    """Let nothing further of the run begin: no step, and no further attempt of one. False: it is paused already.

    A node that is claiming a job of it at this moment may still win. Raises ConflictError where the run is over or is
    being cancelled.
    """
    access.require(Permission.RUN)
    with transaction.atomic():
        journal = _journal(run, "pause")
        if journal.run.paused_at:
            return False
        _pause(journal, access.user)
        journal.write()
        _note(access, run, "run.pause")
    return True


def follow_pause(child: Run, outer: Run) -> None:
    """Let a run that a step of `outer` had made be paused as that is, or go on as that does."""
    if child.status in RUN_TERMINAL or not _differ(child, outer.paused_at):
        return
    with transaction.atomic():
        held = held_run(child.pk)
        paused_at, paused_by = Run.objects.values_list("paused_at", "paused_by").get(pk=outer.pk)
        now = Run.objects.only("paused_at", "paused_with_outer").get(pk=child.pk)
        if held.status in RUN_TERMINAL or held.cancel_requested_at or not _differ(now, paused_at):
            return
        journal = Journal(held, timezone.now())
        if paused_at:
            _pause(journal, User.objects.filter(pk=paused_by).first())
            journal.changes |= {"paused_with_outer": True}
        else:
            _resume(journal, None)
        journal.write()


def _differ(child: Run, outer_paused_at: datetime | None) -> bool:
    """One that somebody paused by itself stays so, whatever the outer one does."""
    return child.paused_at is None if outer_paused_at else child.paused_with_outer


def _pause(journal: Journal, user: User | None) -> None:
    journal.run.paused_at = journal.at
    journal.changes |= {"paused_at": journal.at, "paused_by_id": user.pk if user else None}
    journal.tell(Paused(by=user.username if user else ""))
    hold_jobs(_jobs_of(journal.run.pk))
    _tend_on_commit(journal.run.pk)


def _resume(journal: Journal, user: User | None) -> None:
    run_id = journal.run.pk
    journal.run.paused_at = None
    journal.changes |= {"paused_at": None, "paused_by_id": None, "paused_with_outer": False}
    journal.tell(Resumed(by=user.username if user else ""))
    let_go(_jobs_of(run_id))
    condition = "run_id = %s AND status = %s AND waiting_for = 0 ORDER BY position"
    release(journal, read_rows(StepRun, READY_FIELDS, condition, [run_id, StepStatus.WAITING]))
    _tend_on_commit(run_id)


def _tend_on_commit(run_id: int) -> None:
    """The runs that its steps had made follow."""
    under_way = StepRun.objects.filter(run=run_id, status=StepStatus.RUNNING, makes_runs=True)
    for step_id in under_way.values_list("pk", flat=True):
        enqueue_on_commit(TEND_TASK, step_id)


def resume_run(access: Access, run: Run) -> bool:
    """Let a paused run go on with all that is ready. False: it is not paused (any more).

    Raises ConflictError where the run is over or is being cancelled.
    """
    access.require(Permission.RUN)
    with transaction.atomic():
        journal = _journal(run, "resume")
        if not journal.run.paused_at:
            return False
        _resume(journal, access.user)
        journal.write()
        _note(access, run, "run.resume")
    return True


def mend_pauses() -> int:
    """For the sweep: hold and let go what somebody was changing when its run was paused or resumed, and gave up on.

    Returns how many jobs.
    """
    paused = StepRun.objects.filter(job=OuterRef("pk"), run__paused_at__isnull=False)
    # In this order the database reads the index of what is held, and no other job.
    held = Job.objects.filter(status=JobStatus.HELD).order_by("pk")
    stray = held.exclude(Exists(paused)).values_list("pk", flat=True)[:500]
    count = 0
    for run_id in _runs_of(list(stray)):
        with transaction.atomic():
            if not held_run(run_id).paused_at:
                count += let_go(_jobs_of(run_id))
    # None of them is in the trash; asked about that, SQLite would read through another index.
    are_paused = Run.everything.filter(paused_at__isnull=False).order_by().values("pk")
    loose = StepRun.objects.filter(run__in=are_paused, status=StepStatus.QUEUED, job__status=JobStatus.QUEUED)
    for run_id in loose.order_by("run_id").values_list("run_id", flat=True).distinct()[:500]:
        with transaction.atomic():
            if held_run(run_id).paused_at:
                count += hold_jobs(_jobs_of(run_id))
    return count


def _runs_of(job_ids: list[int]) -> list[int]:
    return sorted(set(StepRun.objects.filter(job__in=job_ids).values_list("run_id", flat=True))) if job_ids else []


def _jobs_of(run_id: int) -> QuerySet[Any, Any]:
    queued = StepRun.objects.filter(run_id=run_id, status=StepStatus.QUEUED, job__isnull=False)
    return queued.values("job_id")


def _journal(run: Run, verb: str) -> Journal:
    held = held_run(run.pk)
    if held.status in RUN_TERMINAL:
        raise ConflictError(f"Run {run.pk} is over: there is nothing to {verb}. Reload the page.", status=held.status)
    if held.cancel_requested_at:
        raise ConflictError(f"Run {run.pk} is being cancelled: there is nothing to {verb}.", status=held.status)
    return Journal(held, timezone.now())


def _note(access: Access, run: Run, event: str) -> None:
    audit.record(access.workspace, access.user, event, f"run {run.pk}")
    publish_on_commit(f"workspace.{run.workspace_id}", {"type": "workspace.changed", "what": "runs"})

"""Continuing a run: what failed, was cancelled or never ran is tried again in the same run; what completed stays."""

from django.db import connection, transaction
from django.utils import timezone

from compute.services import admit_run, hold_quotas
from pipelines.events import Continued
from pipelines.kinds.interface import kind_name
from pipelines.kinds.tracked import TrackedStep
from pipelines.models import Run, StepOutput, StepRun
from pipelines.services.advancing import READY_FIELDS, release
from pipelines.services.journal import Journal, held_run
from pipelines.services.trashing import refuse_in_trash
from pipelines.states import RUN_TERMINAL, STEP_SETTLED, STEP_UNDONE, RunStatus, StepStatus
from studio.lib.problems import ConflictError
from studio.lib.statements import read_rows
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

# As if they had never been tried: only the number of the last attempt stays, for the next one is numbered on.
_UNTRIED = {
    "job_id": None,
    "queued_at": None,
    "started_at": None,
    "finished_at": None,
    "exit_code": None,
    "reason": "",
    "outputs": None,
    "ingredients": None,
    "fingerprint": "",
    "reused_from_id": None,
    "reuse_note": "",
    "due_at": None,
    "asks": "",
    "asks_others": False,
    "decision": None,
    "shares_with_id": None,
    "cancel_requested_at": None,
}

# While a step was over nobody counted down for it. For those that wait anyway this comes to what they have.
_COUNT_ANEW = """
    UPDATE pipelines_steprun SET waiting_for = (
        SELECT COUNT(*) FROM pipelines_stepedge edge JOIN pipelines_steprun upstream ON upstream.id = edge.upstream_id
        WHERE edge.downstream_id = pipelines_steprun.id AND upstream.status NOT IN (%s, %s)
    )
    WHERE run_id = %s AND status = %s
"""


def continue_run(access: Access, run: Run) -> int:
    """Try again whatever of a run came to nothing, each step by a new attempt. Returns how many steps that are.

    The run may be over, or still at work on steps that don't depend on the failed one. Raises ConflictError where it
    is being cancelled, or nothing of it came to nothing (any more: of two who ask at once, the second hears that), and
    UserError where a quota does not allow it.
    """
    access.require(Permission.RUN)
    with transaction.atomic():
        hold_quotas(run.workspace_id)
        journal = Journal(held_run(run.pk), timezone.now())
        refuse_in_trash(journal.run)
        refuse_while_cancelling(journal.run)
        count = try_again(access, journal)
        journal.write()
    return count


def refuse_while_cancelling(run: Run) -> None:
    """Raises ConflictError for a held run whose end was asked for and has not come."""
    if run.cancel_requested_at and run.status not in RUN_TERMINAL:
        raise ConflictError(
            f"Run {run.pk} is being cancelled. Continue it once what still runs of it has ended.", status=run.status
        )


def try_again(access: Access, journal: Journal) -> int:
    """Put the undone steps of the journal's run back to their beginning, and queue those that wait for nothing.

    The quotas are held since before the run was: a node that claims one of its jobs holds them in this order.
    """
    run = journal.run
    undone = StepRun.objects.filter(run_id=run.pk, status__in=STEP_UNDONE)
    count = undone.count()
    if not count:
        raise ConflictError(_nothing_to_do(run), status=run.status)
    if undone.filter(frozen__step__kind=kind_name(TrackedStep)).exists():
        raise ConflictError(
            "A program elsewhere did this run and only told of it, so it can't be tried again here. Start that again.",
            status=run.status,
        )
    # The steps wait in the name of who submitted the run, so it is their share.
    admit_run(run.workspace_id, run.submitted_by_id or access.user.pk, steps=count)
    StepOutput.objects.filter(step_run__in=undone).delete()
    journal.tell(Continued(by=access.user.username, steps=count))
    journal.reopen_run()
    if run.parent_step_id and not _is_under_way(run.parent_step_id):
        journal.changes["child_attempt"] = 0
    journal.move_steps(undone, StepStatus.WAITING, **_UNTRIED)
    count_anew(run.pk)
    condition = "run_id = %s AND status = %s AND waiting_for = 0 ORDER BY position"
    release(journal, read_rows(StepRun, READY_FIELDS, condition, [run.pk, StepStatus.WAITING]))
    audit.record(access.workspace, access.user, "run.continue", f"run {run.pk}, {count} steps")
    return count


def _is_under_way(step_id: int) -> bool:
    return StepRun.objects.filter(pk=step_id, status=StepStatus.RUNNING).exists()


def count_anew(run_id: int) -> None:
    """For each step of a held run that waits, for how many others it does."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ANEW, [*sorted(STEP_SETTLED), run_id, StepStatus.WAITING])


def _nothing_to_do(run: Run) -> str:
    if run.status == RunStatus.COMPLETED:
        return f"Every step of run {run.pk} completed: there is nothing to continue. Submit it again for a new run."
    return f"Run {run.pk} goes on already: none of its steps failed, was cancelled or was left out. Reload the page."

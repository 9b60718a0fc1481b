"""Answering an approval: yes or no, once."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from pipelines.approvers import why_not
from pipelines.events import StepAnswered
from pipelines.kinds.approval import ApprovalStep
from pipelines.kinds.without_job import Over
from pipelines.models import Run, StepRun
from pipelines.moments import in_words
from pipelines.services.advancing import end_without_job
from pipelines.services.journal import Journal, held_run
from pipelines.states import RUN_TERMINAL, STEP_TERMINAL, StepStatus
from pipelines.texts import unfit_text
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

MAX_COMMENT = 2000


def answer_step(access: Access, run: Run, name: str, *, approve: bool, comment: str = "") -> None:
    """Say yes or no to an approval that waits for it; its run moves on in the same transaction.

    Raises PermissionDenied for who is not asked, ConflictError where it does not wait (any more: of two who answer at
    once, the second hears what the first said), and UserError for a step of another kind or an unfit comment.
    """
    access.require(Permission.VIEW)
    comment = _fit_comment(comment)
    with transaction.atomic():
        journal = Journal(held_run(run.pk), timezone.now())
        step = StepRun.objects.get(run_id=run.pk, name=name)
        if not isinstance(step.frozen.step, ApprovalStep):
            raise UserError(f"“{name}” is no approval, and waits for nobody's answer.")
        _refuse_unless_asked(journal, step)
        is_submitter = journal.run.submitted_by_id == access.user.pk
        sentence = why_not(
            step.asks,
            asks_others=step.asks_others,
            role=access.role,
            username=access.user.username,
            is_submitter=is_submitter,
        )
        if sentence:
            raise PermissionDenied(sentence)
        by = access.user.username
        journal.tell(StepAnswered(step=name, by=by, approved=approve, comment=comment))
        if not end_without_job(journal, step, _what(access, approve, comment), by=by, comment=comment):
            raise ConflictError(f"“{name}” moved on meanwhile. Reload the page.")
        journal.write()
        verb = "run.approve" if approve else "run.reject"
        audit.record(access.workspace, access.user, verb, f"run {run.pk}, {name}")


def _what(access: Access, approve: bool, comment: str) -> Over:
    said = f": {comment}" if comment else "."
    if approve:
        return Over(status=StepStatus.COMPLETED, reason=f"Approved by {access.user}{said}", answer=True)
    return Over(status=StepStatus.FAILED, reason=f"Rejected by {access.user}{said}", answer=False)


def _refuse_unless_asked(journal: Journal, step: StepRun) -> None:
    """Raises ConflictError."""
    if step.status in STEP_TERMINAL:
        raise ConflictError(f"“{step.name}” needs no answer any more. {_how_it_ended(step)}", status=step.status)
    if journal.run.cancel_requested_at and journal.run.status not in RUN_TERMINAL:
        raise ConflictError(f"Run {step.run_id} is being cancelled, and needs no answer.", status=step.status)
    if step.status != StepStatus.RUNNING:
        raise ConflictError(f"“{step.name}” has not come to its question: steps before it are not done.")
    if step.due_at is not None and step.due_at <= journal.at:
        raise ConflictError(f"The time for the answer to “{step.name}” ended at {in_words(step.due_at)}.")


def _how_it_ended(step: StepRun) -> str:
    return step.reason or f"It is {StepStatus(step.status).label.lower()}."


def _fit_comment(comment: str) -> str:
    comment = comment.strip()
    if len(comment) > MAX_COMMENT:
        raise UserError(f"A comment has at most {MAX_COMMENT:,} characters.", loc=("comment",))
    if next(unfit_text(comment, ()), None) is not None:
        raise UserError("There is a character in this comment that can't be kept. Remove it.", loc=("comment",))
    return comment

"""Pins: what carries one stays, whatever the rules say and whoever tidies up."""

from django.db import transaction
from django.utils import timezone

from pipelines.models import Pin, Run, StepRun
from pipelines.services.journal import held_run
from pipelines.services.trashing import refuse_in_trash, tell_lists
from studio.lib.problems import UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

MAX_NOTE = 500  # characters


def pin(access: Access, run: Run, step: StepRun | None = None, *, note: str = "") -> Pin:
    """Pin a run, or one step of it; of one that is pinned the note is replaced.

    Raises UserError at `note`, and ConflictError where the run is in the trash.
    """
    access.require(Permission.DELETE_RUNS)
    note = note.strip()
    if len(note) > MAX_NOTE or not note.isprintable():
        raise UserError(f"A note is a line of at most {MAX_NOTE} characters.", loc=("note",))
    with transaction.atomic():
        # Held: of this and somebody who puts the run in the trash, the second hears of the first.
        refuse_in_trash(held_run(run.pk))
        now = timezone.now()
        made, _is_new = Pin.objects.update_or_create(
            run_id=run.pk, step_run=step, defaults={"note": note, "pinned_by": access.user, "pinned_at": now}
        )
        audit.record(access.workspace, access.user, "run.pin", _target(run, step))
        tell_lists(access.workspace.pk)
    return made


def unpin(access: Access, run: Run, step: StepRun | None = None) -> bool:
    """Take the pin off. False: there was none, and nothing was changed."""
    access.require(Permission.DELETE_RUNS)
    with transaction.atomic():
        held_run(run.pk)
        count, _each = Pin.objects.filter(run_id=run.pk, step_run=step).delete()
        if count:
            audit.record(access.workspace, access.user, "run.unpin", _target(run, step))
            tell_lists(access.workspace.pk)
    return bool(count)


def _target(run: Run, step: StepRun | None) -> str:
    return f"run {run.pk}, {step.name}" if step else f"run {run.pk}"

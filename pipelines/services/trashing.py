"""Putting runs in the trash, bringing them back, and asking for one to be deleted before its time.

A run in the trash keeps all that belongs to it; only lists, charts, searches and the reuse of results pass it over.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from pipelines.inner_runs import inner_runs, outermost
from pipelines.models import TRASH_DAYS, Pin, Retention, Run, TrashedRun
from pipelines.services.journal import held_run
from pipelines.states import RUN_TERMINAL, TrashStatus
from studio.lib.on_commit import enqueue_on_commit, publish_on_commit
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import User, Workspace
from studio.workspaces.permissions import Permission

PURGE_TASK = "pipelines.purge"
MOST_AT_ONCE = 200  # of one request
# Whoever chose a result of the run just before it went into the trash has committed by then, and the purge sees it.
SETTLES = timedelta(seconds=60)


def trash_run(access: Access, run: Run) -> None:
    """Raises ConflictError where the run is not over, is pinned or has a pinned step, or is in the trash already."""
    access.require(Permission.DELETE_RUNS)
    with transaction.atomic():
        put_in_trash(run.pk, by=access.user)
        audit.record(access.workspace, access.user, "run.trash", f"run {run.pk} of {run.pipeline.name}")
        tell_lists(access.workspace.pk)


def trash_runs(access: Access, run_ids: Sequence[int]) -> dict[int, str]:
    """Each in a transaction of its own. Returns, by run, why it was not put there: "" where it was.

    Raises UserError at `runs` for none, or for more than 200. One of another workspace is one that isn't there.
    """
    access.require(Permission.DELETE_RUNS)
    if not run_ids:
        raise UserError("Choose at least one run.", loc=("runs",))
    if len(run_ids) > MOST_AT_ONCE:
        raise UserError(f"Choose at most {MOST_AT_ONCE} runs at once.", loc=("runs",))
    found = Run.everything.filter(workspace=access.workspace).select_related("pipeline").in_bulk(run_ids)
    said: dict[int, str] = {}
    for run_id in dict.fromkeys(run_ids):
        said[run_id] = ""
        if run_id not in found:
            said[run_id] = f"There is no run {run_id} in this workspace."
            continue
        try:
            trash_run(access, found[run_id])
        except ConflictError as error:
            said[run_id] = str(error)
    return said


def restore_run(access: Access, run: Run) -> None:
    """Raises ConflictError where the run is not in the trash, or is being deleted already."""
    access.require(Permission.DELETE_RUNS)
    with transaction.atomic():
        held_run(run.pk)
        # Guarded: of this and a purge that begins at the same moment only one finds it in the trash.
        restored, _each = TrashedRun.objects.filter(pk=run.pk, status=TrashStatus.IN_TRASH).delete()
        if not restored:
            raise _not_there(run)
        Run.everything.filter(pk__in=[run.pk, *inner_runs(run.pk)]).update(trashed_at=None)
        audit.record(access.workspace, access.user, "run.restore", f"run {run.pk} of {run.pipeline.name}")
        tell_lists(access.workspace.pk)


def purge_now(access: Access, run: Run) -> None:
    """Do not wait until its days in the trash are over. Raises ConflictError as `restore_run` does."""
    access.require(Permission.MANAGE_RETENTION)
    with transaction.atomic():
        held_run(run.pk)
        now = timezone.now()
        trashed = TrashedRun.objects.filter(pk=run.pk, status=TrashStatus.IN_TRASH)
        since = trashed.values_list("trashed_at", flat=True).first()
        due_at = max(now, since + SETTLES) if since else now
        if not trashed.update(due_at=due_at, asked_by=access.user, asked_at=now):
            raise _not_there(run)
        audit.record(access.workspace, access.user, "run.delete", f"run {run.pk} of {run.pipeline.name}")
        enqueue_on_commit(PURGE_TASK, countdown_s=max(0.0, (due_at - now).total_seconds()), expires_s=600)
        tell_lists(access.workspace.pk)


def put_in_trash(run_id: int, *, by: User | None = None, why: str = "") -> None:
    """Within a transaction. Raises ConflictError as `trash_run` does."""
    run = held_run(run_id)
    refuse_in_trash(run)
    if run.status not in RUN_TERMINAL:
        raise ConflictError(f"Run {run_id} is not over. Cancel it, or wait for its end.", status=run.status)
    if run.parent_step_id is not None:
        raise _part_of_another(run)
    family = [run_id, *inner_runs(run_id)]
    # Held as well: one of them can be continued or pinned by itself.
    list(Run.everything.filter(pk__in=family).select_for_update(of=("self",)).order_by("pk").values_list("pk"))
    going = Run.everything.filter(pk__in=family).exclude(status__in=RUN_TERMINAL).values_list("pk", flat=True).first()
    if going is not None:
        raise ConflictError(f"Run {going}, which a step of it had made, is not over.", status=run.status)
    pins = Pin.objects.filter(run__in=family).select_related("step_run", "pinned_by")
    pin = pins.order_by("run_id", "step_run_id").first()
    if pin is not None:
        what = f"“{pin.step_run.name}” of run {pin.run_id}" if pin.step_run else f"Run {pin.run_id}"
        who = f" by {pin.pinned_by.username}" if pin.pinned_by else ""
        raise ConflictError(f"{what} was pinned{who}. Take the pin off first.", status=run.status)
    now = timezone.now()
    TrashedRun.objects.create(
        run_id=run_id,
        workspace_id=run.workspace_id,
        trashed_at=now,
        trashed_by=by,
        why=why,
        due_at=now + timedelta(days=trash_days(run.workspace_id)),
    )
    Run.everything.filter(pk__in=family).update(trashed_at=now)


def refuse_in_trash(run: Run) -> None:
    """Raises ConflictError for a held run that is in the trash: nothing is to be done with it there."""
    if run.trashed_at is not None:
        raise ConflictError(f"Run {run.pk} is in the trash. Restore it first.", status=run.status)


def trash_days(workspace: Workspace | int) -> int:
    """For how long a run stays in the workspace's trash."""
    days = Retention.objects.filter(workspace=workspace).values_list("trash_days", flat=True).first()
    return TRASH_DAYS if days is None else days


def tell_lists(workspace_id: int) -> None:
    publish_on_commit(f"workspace.{workspace_id}", {"type": "workspace.changed", "what": "runs"})


def _part_of_another(run: Run) -> ConflictError:
    outer = outermost(run).pk
    return ConflictError(f"Run {run.pk} is part of run {outer}, and goes where that goes.", status=run.status)


def _not_there(run: Run) -> ConflictError:
    if run.parent_step_id is not None:
        return _part_of_another(run)
    if TrashedRun.objects.filter(pk=run.pk).exists():
        return ConflictError(f"Run {run.pk} is being deleted: nothing brings it back.", status=run.status)
    return ConflictError(f"Run {run.pk} is not in the trash. Reload the page.", status=run.status)

"""A workspace's rules about how long runs are kept, and the part of the sweep that follows them.

Rules put runs in the trash, and never delete one: there are days to restore it.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform
from django.utils import timezone

from pipelines.destinations import RUNS_FOLDER
from pipelines.inner_runs import inner_runs
from pipelines.models import Retention, Run, StepRun, TrashedRun
from pipelines.retention import Preview, Rules, leaving, preview
from pipelines.services.trashing import put_in_trash, tell_lists
from pipelines.states import TrashStatus
from studio.lib.batches import in_turn
from studio.lib.problems import ConflictError, Problem, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

logger = logging.getLogger(__name__)

LOOKED_AFTER = timedelta(minutes=10)  # so often the rules of a workspace are asked
TRASHED_AT_ONCE = 200  # runs of a workspace, in a sweep
MEASURED_AT_ONCE = 200
MOST_DAYS = 36_500
MOST_TRASH_DAYS = 3650
MOST_RUNS = 1_000_000
_MOVED_AT_ONCE = 500


def set_retention(access: Access, *, trash_days: int, rules: Rules) -> Retention:
    """Say how long runs stay, and how long those in the trash do: also those that are there already, unless somebody
    asked for their end.

    Raises UserError at `trash_days`, `keep_days`, `keep_runs` or `keep_bytes`.
    """
    access.require(Permission.MANAGE_RETENTION)
    if problems := _problems(trash_days, rules):
        raise UserError(problems)
    with transaction.atomic():
        retention, _is_new = Retention.objects.update_or_create(
            workspace=access.workspace,
            defaults={
                "trash_days": trash_days,
                "keep_days": rules.keep_days,
                "keep_runs": rules.keep_runs,
                "keep_bytes": rules.keep_bytes,
                "set_by": access.user,
                "set_at": timezone.now(),
                "looked_at": None,
            },
        )
        audit.record(access.workspace, access.user, "retention.change", _in_words(trash_days, rules))
    _move_due_times(access.workspace.pk, trash_days)
    tell_lists(access.workspace.pk)
    return retention


def preview_rules(access: Access, rules: Rules) -> Preview:
    """What rules would do now. Raises UserError at `keep_days`, `keep_runs` or `keep_bytes`, as setting them would."""
    access.require(Permission.MANAGE_RETENTION)
    if problems := _problems(1, rules):
        raise UserError(problems)
    return preview(access.workspace, rules)


def follow_rules() -> int:
    """For the sweep: put in the trash what is beyond a rule. Returns how many runs."""
    now = timezone.now()
    has_rules = Q(keep_days__isnull=False) | Q(keep_runs__isnull=False) | Q(keep_bytes__isnull=False)
    is_due = Q(looked_at=None) | Q(looked_at__lt=now - LOOKED_AFTER)
    count = 0
    for retention in Retention.objects.filter(has_rules & is_due).select_related("workspace").order_by("pk"):
        mine = Retention.objects.filter(pk=retention.pk, looked_at=retention.looked_at, set_at=retention.set_at)
        if not mine.update(looked_at=now):  # somebody else does, or changed it
            continue
        try:
            count += _follow(retention)
        except Exception:
            logger.exception("the rules of workspace %s could not be followed", retention.pk)
    return count


def measure_outputs() -> int:
    """For the sweep: count what the runs hold that ended since the last one. Returns how many were counted."""
    ended = Run.everything.filter(output_bytes=None, finished_at__isnull=False).order_by("pk")
    count = 0
    rows = list(ended.values_list("pk", "finished_at", "parent_step")[:MEASURED_AT_ONCE])
    for run_id, finished_at, parent_step in rows:
        # Somebody may have continued it meanwhile: then it is counted after its next end.
        mine = Run.everything.filter(pk=run_id, finished_at=finished_at, output_bytes=None)
        # What a step had made is counted with its run.
        count += mine.update(output_bytes=0 if parent_step else bytes_of(run_id))
    return count


def bytes_of(run_id: int) -> int:
    """What a run's own steps left below the folder of runs: what they took from others, and destinations, stay."""
    family = [run_id, *inner_runs(run_id)]
    rows = StepRun.objects.filter(run__in=family, reused_from=None, outputs__isnull=False, makes_runs=False)
    rows = rows.annotate(records=KeyTransform("outputs", "outputs"), left=KeyTransform("artifacts", "outputs"))
    return sum(
        record["size_bytes"] or 0
        for records, left in rows.values_list("records", "left").iterator(chunk_size=500)
        for record in [*(records or {}).values(), *([left] if left else [])]
        if record["path"].startswith(f"{RUNS_FOLDER}/")
    )


def _follow(retention: Retention) -> int:
    found = leaving(retention.workspace, Rules.of(retention), limit=TRASHED_AT_ONCE)
    count = 0
    for run_id, why in found.items():
        try:
            with in_turn():
                put_in_trash(run_id, why=why)
        except ConflictError:  # pinned, continued, or in the trash since
            continue
        count += 1
    if count:
        with transaction.atomic():
            audit.record(retention.workspace, None, "retention.trash", f"{count} run{'' if count == 1 else 's'}")
            tell_lists(retention.workspace_id)
    if len(found) == TRASHED_AT_ONCE:  # there may be more: the next sweep goes on
        Retention.objects.filter(pk=retention.pk).update(looked_at=None)
    return count


def _move_due_times(workspace_id: int, trash_days: int) -> None:
    waiting = TrashedRun.objects.filter(workspace=workspace_id, status=TrashStatus.IN_TRASH, asked_at=None)
    last = 0
    while batch := list(waiting.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_MOVED_AT_ONCE]):
        last = batch[-1]
        with in_turn():
            waiting.filter(pk__in=batch).update(due_at=F("trashed_at") + timedelta(days=trash_days))


def _problems(trash_days: int, rules: Rules) -> list[Problem]:
    wanted = (
        ("trash_days", trash_days, 1, MOST_TRASH_DAYS, "days in the trash"),
        ("keep_days", rules.keep_days, 1, MOST_DAYS, "days"),
        ("keep_runs", rules.keep_runs, 1, MOST_RUNS, "runs"),
        ("keep_bytes", rules.keep_bytes, 1, 2**62, "bytes"),
    )
    return [
        Problem((name,), f"Give between {least:,} and {most:,} {unit}{_or_nothing(name)}.")
        for name, value, least, most, unit in wanted
        if value is not None and not least <= value <= most
    ]


def _or_nothing(name: str) -> str:
    return "" if name == "trash_days" else ", or leave it empty for no rule"


def _in_words(trash_days: int, rules: Rules) -> str:
    parts = [
        f"{rules.keep_days} days" if rules.keep_days else "",
        f"{rules.keep_runs} runs of each pipeline" if rules.keep_runs else "",
        f"{rules.keep_bytes} bytes" if rules.keep_bytes else "",
    ]
    return f"runs: {', '.join(filter(None, parts)) or 'no rule'}; trash: {trash_days} days"

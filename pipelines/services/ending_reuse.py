"""Saying that what a step wrote is not to be taken again, from now or from an instant on; or that it may be, after all.

What a step took from another run is that run's: who excludes a reused step excludes the step that made its result. With
a step that works on several nodes go its parts: from them alone the same would be put together again.
"""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from pipelines.events import ReuseChanged
from pipelines.models import ReuseEnd, Run, StepRun
from pipelines.services.journal import Journal, held_run
from studio.lib.problems import ConflictError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission


def end_reuse(access: Access, run: Run, name: str | None = None, *, ends_at: datetime | None = None) -> int:
    """From `ends_at` (now, unless given) on nobody takes the result of a step, or of all that the run ran itself.

    One that is still at work counts as well. Returns how many steps that are. Raises ConflictError where there is none:
    all results of the run are those of other runs.
    """
    access.require(Permission.RUN)
    now = timezone.now()
    with transaction.atomic():
        makers = _makers(run, name)
        if not makers:
            raise ConflictError(
                f"Run {run.pk} has no result of its own: all are taken from other runs. Exclude those instead.",
                status=run.status,
            )
        rows = [
            ReuseEnd(step_run_id=pk, ends_at=ends_at or now, decided_by=access.user, decided_at=now) for pk in makers
        ]
        ReuseEnd.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=["step_run"],
            update_fields=["ends_at", "decided_by", "decided_at"],
        )
        _tell(access, run, name, ends_at=ends_at or now)
        audit.record(access.workspace, access.user, "run.exclude_from_reuse", _target(run, name, len(makers)))
    return len(makers)


def allow_reuse(access: Access, run: Run, name: str | None = None) -> int:
    """Take that back. Returns for how many steps; 0 where nobody had excluded any, and nothing was changed."""
    access.require(Permission.RUN)
    with transaction.atomic():
        count, _each = ReuseEnd.objects.filter(step_run__in=_makers(run, name)).delete()
        if count:
            _tell(access, run, name, ends_at=None)
            audit.record(access.workspace, access.user, "run.allow_reuse", _target(run, name, count))
    return count


def _makers(run: Run, name: str | None) -> Collection[int]:
    """The step runs that made these results, in order: two who write about the same wait for each other, in turn."""
    rows = StepRun.objects.filter(run=run)
    if name is None:
        return list(rows.filter(reused_from=None).order_by("pk").values_list("pk", flat=True))
    named = rows.filter(Q(name=name) | Q(part_of__name=name)).order_by("pk")
    return sorted({source or pk for pk, source in named.values_list("pk", "reused_from_id")})


def _tell(access: Access, run: Run, name: str | None, *, ends_at: datetime | None) -> None:
    journal = Journal(held_run(run.pk), timezone.now())
    journal.tell(ReuseChanged(step=name, by=access.user.username, ends_at=ends_at))
    journal.write()


def _target(run: Run, name: str | None, count: int) -> str:
    return f"run {run.pk}, {name}" if name else f"run {run.pk}, {count} steps"

"""Steps without a job whose time is there: waits that are over, approvals that nobody answered in time."""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from pipelines.kinds.without_job import StepWithoutJob
from pipelines.models import StepRun
from pipelines.services.advancing import end_without_job
from pipelines.services.journal import Journal, held_run
from pipelines.services.without_job import RING_AHEAD_S, ring_when_due
from pipelines.states import StepStatus

logger = logging.getLogger(__name__)

_AT_ONCE = 1000


def end_due_steps() -> int:
    """End those that are due. A lost message or a doubled one changes nothing. Returns how many were ended."""
    going = StepRun.objects.filter(status=StepStatus.RUNNING, due_at__lte=timezone.now()).order_by("due_at")
    count = 0
    for step_id, run_id in list(going.values_list("pk", "run_id")[:_AT_ONCE]):
        try:
            count += _end(step_id, run_id)
        except Exception:
            logger.exception("step %s is due and could not be ended, the next sweep tries again", step_id)
    return count


def look_after_due_steps() -> int:
    """For the sweep: end what is due, and ask for a look at the right second where that comes before the next sweep."""
    count = end_due_steps()
    now = timezone.now()
    soon = StepRun.objects.filter(
        status=StepStatus.RUNNING, due_at__gt=now, due_at__lte=now + timedelta(seconds=RING_AHEAD_S)
    )
    moments = soon.order_by("due_at").values_list("due_at", flat=True)[:_AT_ONCE]
    # Each second once, by the last that is due in it.
    for due in {due.replace(microsecond=0): due for due in moments if due}.values():
        ring_when_due(due)
    return count


def _end(step_id: int, run_id: int) -> bool:
    with transaction.atomic():
        journal = Journal(held_run(run_id), timezone.now())
        step = StepRun.objects.get(pk=step_id)
        # Read again: somebody may have been quicker.
        if step.status != StepStatus.RUNNING or step.due_at is None or step.due_at > journal.at:
            return False
        kind = step.frozen.step
        assert isinstance(kind, StepWithoutJob), "no other step is ever due"
        moved = end_without_job(journal, step, kind.at_due())
        journal.write()
    return moved

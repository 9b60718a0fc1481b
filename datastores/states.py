"""The statuses of work on data that goes on in the background. `TRANSITIONS` is the whole truth about them."""

from django.db.models import TextChoices

from studio.lib.transitions import Transitions


class WorkStatus(TextChoices):
    QUEUED = "queued", "Queued"  # nobody has taken it yet
    RUNNING = "running", "Running"  # a worker holds it, as long as its heartbeat is recent
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"  # with a reason
    CANCELLED = "cancelled", "Cancelled"


TRANSITIONS: Transitions = {
    WorkStatus.QUEUED: frozenset({WorkStatus.RUNNING, WorkStatus.FAILED, WorkStatus.CANCELLED}),
    # Back to the queue when the worker died.
    WorkStatus.RUNNING: frozenset({WorkStatus.QUEUED, WorkStatus.COMPLETED, WorkStatus.FAILED, WorkStatus.CANCELLED}),
    WorkStatus.COMPLETED: frozenset(),
    WorkStatus.FAILED: frozenset(),
    WorkStatus.CANCELLED: frozenset(),
}

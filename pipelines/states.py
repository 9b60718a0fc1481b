"""The states of a run and of a step run, and the whole truth about which may follow which."""

from django.db.models import TextChoices

from studio.lib.transitions import Transitions


class RunStatus(TextChoices):
    QUEUED = "queued", "Queued"  # no step has started
    RUNNING = "running", "Running"  # at least one step has started
    COMPLETED = "completed", "Completed"  # every step completed
    FAILED = "failed", "Failed"  # a step failed; what depended on it was skipped
    CANCELLED = "cancelled", "Cancelled"  # on request


class StepStatus(TextChoices):
    WAITING = "waiting", "Waiting"  # for the steps that it reads from
    QUEUED = "queued", "Queued"  # for a slot
    PREPARING = "preparing", "Preparing"  # environment, snapshot, inputs
    RUNNING = "running", "Running"  # its process lives
    COMPLETED = "completed", "Completed"  # it ran, or an earlier result was reused
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"  # a step before it failed or was cancelled
    CANCELLED = "cancelled", "Cancelled"


RUN_TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
STEP_TERMINAL = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED})

RUN_TRANSITIONS: Transitions = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}

STEP_TRANSITIONS: Transitions = {
    StepStatus.WAITING: frozenset(
        {StepStatus.QUEUED, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}
    ),
    StepStatus.QUEUED: frozenset({StepStatus.PREPARING, StepStatus.FAILED, StepStatus.CANCELLED}),
    # Back to queued: the node was lost, or another attempt follows.
    StepStatus.PREPARING: frozenset(
        {StepStatus.RUNNING, StepStatus.QUEUED, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED}
    ),
    StepStatus.RUNNING: frozenset({StepStatus.QUEUED, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED}),
    StepStatus.COMPLETED: frozenset(),
    StepStatus.FAILED: frozenset(),
    StepStatus.SKIPPED: frozenset(),
    StepStatus.CANCELLED: frozenset(),
}

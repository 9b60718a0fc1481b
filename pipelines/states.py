"""The states of a run and of a step run, and the whole truth about which may follow which."""

from django.db.models import TextChoices

from studio.lib.transitions import Transitions


class RunStatus(TextChoices):
    QUEUED = "queued", "Queued"  # no step has started, or none since somebody continued it
    RUNNING = "running", "Running"  # at least one step has started
    COMPLETED = "completed", "Completed"  # every step completed, or was on a branch that was not taken
    FAILED = "failed", "Failed"  # a step failed; what depended on it was skipped
    CANCELLED = "cancelled", "Cancelled"  # on request, or a step of it was and none failed


class StepStatus(TextChoices):
    WAITING = "waiting", "Waiting"  # for the steps that it reads from
    QUEUED = "queued", "Queued"  # for a slot
    PREPARING = "preparing", "Preparing"  # environment, snapshot, inputs
    RUNNING = "running", "Running"  # its process lives; without a job, it waits for its time or an answer
    COMPLETED = "completed", "Completed"  # it ran, or an earlier result was reused
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"  # a step before it failed or was cancelled, or its run stopped at a failed step
    CANCELLED = "cancelled", "Cancelled"
    NOT_TAKEN = "not_taken", "Not taken"  # on a branch that was not taken, which is no failure


class ModelStage(TextChoices):
    NONE = "none", "None"
    STAGING = "staging", "Staging"  # to be tried
    PRODUCTION = "production", "Production"  # the one that is used: at most one version of a model
    ARCHIVED = "archived", "Archived"  # what is not used any more


RUN_TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
RUN_OPEN = tuple(status for status in RunStatus if status not in RUN_TERMINAL)
STEP_SETTLED = frozenset({StepStatus.COMPLETED, StepStatus.NOT_TAKEN})  # what waits for it need wait no longer
STEP_UNDONE = frozenset(
    {StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}
)  # what a continued run tries again
STEP_TERMINAL = STEP_SETTLED | STEP_UNDONE

RUN_TRANSITIONS: Transitions = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    # Somebody continued it: what came to nothing is tried again.
    RunStatus.FAILED: frozenset({RunStatus.QUEUED}),
    RunStatus.CANCELLED: frozenset({RunStatus.QUEUED}),
}

STEP_TRANSITIONS: Transitions = {
    StepStatus.WAITING: frozenset(
        {
            StepStatus.QUEUED,
            StepStatus.RUNNING,  # without a job
            StepStatus.COMPLETED,
            StepStatus.FAILED,
            StepStatus.SKIPPED,
            StepStatus.CANCELLED,
            StepStatus.NOT_TAKEN,
        }
    ),
    # Skipped: another step failed, in a run that stops at that.
    StepStatus.QUEUED: frozenset({StepStatus.PREPARING, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}),
    # Back to queued: the node was lost, or another attempt follows.
    StepStatus.PREPARING: frozenset(
        {StepStatus.RUNNING, StepStatus.QUEUED, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED}
    ),
    StepStatus.RUNNING: frozenset({StepStatus.QUEUED, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED}),
    StepStatus.COMPLETED: frozenset(),
    # Somebody continued its run.
    StepStatus.FAILED: frozenset({StepStatus.WAITING}),
    StepStatus.SKIPPED: frozenset({StepStatus.WAITING}),
    StepStatus.CANCELLED: frozenset({StepStatus.WAITING}),
    StepStatus.NOT_TAKEN: frozenset(),
}


class TrashStatus(TextChoices):
    IN_TRASH = "in_trash", "In the trash"  # it can be restored
    PURGING = "purging", "Being deleted"  # what belongs to it goes, and nothing brings it back


TRASH_TRANSITIONS: Transitions = {
    TrashStatus.IN_TRASH: frozenset({TrashStatus.PURGING}),
    # A worker died over it, or a datastore could not be reached: it is taken up again.
    TrashStatus.PURGING: frozenset({TrashStatus.PURGING}),
}

"""The states of a job, and the whole truth about which may follow which."""

from django.db.models import TextChoices

from studio.lib.transitions import Transitions


class JobStatus(TextChoices):
    QUEUED = "queued", "Queued"  # waits for a slot
    HELD = "held", "Held"  # would wait for a slot, had whoever asked for it not paused it: no node looks at it
    PREPARING = "preparing", "Preparing"  # claimed: environment, snapshot and inputs are being made ready
    RUNNING = "running", "Running"  # the process lives
    COMPLETED = "completed", "Completed"  # exit code 0 and its outputs recorded
    FAILED = "failed", "Failed"  # `reason` says why
    CANCELLED = "cancelled", "Cancelled"  # on request; nothing of it runs any more


class Intake(TextChoices):
    """Whether a target, or a node of it, takes new jobs. What runs goes on in any case."""

    OPEN = "open", "Open"
    PAUSED = "paused", "Paused"  # nothing new starts; nodes stay
    DRAINING = "draining", "Draining"  # nothing new starts; nodes of a pool leave once they are idle


class QuotaScope(TextChoices):
    """Whom a quota holds to its limits."""

    WORKSPACE = "workspace", "The workspace as a whole"
    EACH = "each", "Each person in the workspace"
    PERSON = "person", "One person in the workspace"  # in place of what holds for each


class CheckStatus(TextChoices):
    QUEUED = "queued", "Waiting"  # no node has taken it yet
    RUNNING = "running", "Testing"  # a node tries the connection
    COMPLETED = "completed", "Reached"
    FAILED = "failed", "Failed"  # with a message


class NodeIsolation(TextChoices):
    SANDBOX = "sandbox", "Sandbox"  # a step sees its own folders, its inputs, and no other files
    PROCESS = "process", "By process only"  # it sees what the node's user sees


CHECK_TRANSITIONS: Transitions = {
    CheckStatus.QUEUED: frozenset({CheckStatus.RUNNING, CheckStatus.FAILED}),
    CheckStatus.RUNNING: frozenset({CheckStatus.COMPLETED, CheckStatus.FAILED}),
    CheckStatus.COMPLETED: frozenset(),
    CheckStatus.FAILED: frozenset(),
}


class BuildStatus(TextChoices):
    QUEUED = "queued", "Waiting"  # somebody asked for it ahead of its first step; the node has not begun
    BUILDING = "building", "Building"
    READY = "ready", "Ready"  # complete, in its folder
    FAILED = "failed", "Failed"  # `reason` says why; nothing of it is left
    REMOVED = "removed", "Removed"  # to make room, or because its interpreter went away


BUILD_TRANSITIONS: Transitions = {
    # Straight to ready: the machine had it already.
    BuildStatus.QUEUED: frozenset({BuildStatus.BUILDING, BuildStatus.READY, BuildStatus.FAILED}),
    BuildStatus.BUILDING: frozenset({BuildStatus.READY, BuildStatus.FAILED}),
    BuildStatus.READY: frozenset({BuildStatus.REMOVED}),
    BuildStatus.FAILED: frozenset(),
    BuildStatus.REMOVED: frozenset(),
}

UNCLAIMED = frozenset({JobStatus.QUEUED, JobStatus.HELD})
ACTIVE = frozenset({JobStatus.PREPARING, JobStatus.RUNNING})
TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

TRANSITIONS: Transitions = {
    JobStatus.QUEUED: frozenset({JobStatus.HELD, JobStatus.PREPARING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.HELD: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    # Back to queued: the node was lost, or the attempt failed and another one is allowed.
    JobStatus.PREPARING: frozenset(
        {JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    JobStatus.RUNNING: frozenset({JobStatus.QUEUED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


class KeptBy(TextChoices):
    HAND = "hand", "Started by hand"
    SUPERVISOR = "supervisor", "Its machine's supervisor"  # starts it, and starts it again when it dies
    POOL = "pool", "Its pool"  # starts another one where there is work


class PoolNodeStatus(TextChoices):
    STARTING = "starting", "Starting"  # wanted: its provider is at it
    UP = "up", "Up"  # its node has registered
    DRAINING = "draining", "Draining"  # it claims nothing more, and ends what it runs
    STOPPING = "stopping", "Stopping"  # nothing runs on it: its provider ends it
    GONE = "gone", "Gone"  # as it was wanted
    FAILED = "failed", "Failed"  # it never came up, or was lost; `reason` says why


POOL_NODE_LIVE = frozenset(
    {PoolNodeStatus.STARTING, PoolNodeStatus.UP, PoolNodeStatus.DRAINING, PoolNodeStatus.STOPPING}
)
# A process that may register, or go on, as the node of such a row.
POOL_NODE_SERVES = frozenset({PoolNodeStatus.STARTING, PoolNodeStatus.UP, PoolNodeStatus.DRAINING})

POOL_NODE_TRANSITIONS: Transitions = {
    PoolNodeStatus.STARTING: frozenset({PoolNodeStatus.UP, PoolNodeStatus.STOPPING, PoolNodeStatus.FAILED}),
    # Straight to stopping: it was idle. Gone without being asked: somebody stopped its process.
    PoolNodeStatus.UP: frozenset(
        {PoolNodeStatus.DRAINING, PoolNodeStatus.STOPPING, PoolNodeStatus.GONE, PoolNodeStatus.FAILED}
    ),
    # Back to up: there is work again.
    PoolNodeStatus.DRAINING: frozenset(
        {PoolNodeStatus.UP, PoolNodeStatus.STOPPING, PoolNodeStatus.GONE, PoolNodeStatus.FAILED}
    ),
    PoolNodeStatus.STOPPING: frozenset({PoolNodeStatus.GONE, PoolNodeStatus.FAILED}),
    PoolNodeStatus.GONE: frozenset(),
    PoolNodeStatus.FAILED: frozenset(),
}

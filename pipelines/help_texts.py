"""What the help page is made of: the roles and the states, from the tables that the studio itself asks."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.states import RUN_TERMINAL, RUN_TRANSITIONS, STEP_TERMINAL, STEP_TRANSITIONS, RunStatus, StepStatus
from studio.lib.transitions import Transitions
from studio.workspaces.models import Role
from studio.workspaces.permissions import PERMISSIONS, Permission

ROLES = (Role.READER, Role.CONTRIBUTOR, Role.OWNER)
PERMISSION_WORDS = {
    Permission.VIEW: "See everything in the workspace",
    Permission.RUN: "Submit and cancel runs",
    Permission.DELETE_RUNS: "Put runs in the trash and restore them, pin runs and steps",
    Permission.EDIT_PIPELINES: "Make, change and delete pipelines and their sources",
    Permission.EDIT_DATA: "Upload files and make datasets",
    Permission.EDIT_MODELS: "Register models, tag them, set their stages, delete those that one registered",
    Permission.EDIT_ENVIRONMENTS: "Make environments",
    Permission.MANAGE_DATASTORES: "Register, change and remove datastores",
    Permission.MANAGE_COMPUTE: "Make, change and remove compute targets",
    Permission.MANAGE_MODELS: "Delete models that others registered",
    Permission.MANAGE_RETENTION: "Delete at once what is in the trash, and say how long runs are kept",
    Permission.MANAGE_MEMBERS: "Add and remove people, change roles and the workspace's name",
}
STATE_WORDS = {
    StepStatus.WAITING: "A step that it reads from, or runs after, is not done yet.",
    StepStatus.QUEUED: "Everything it needs is there; it waits for a slot and what it asks for. The step says why.",
    StepStatus.PREPARING: "A node has it: environment, sources and inputs are made ready.",
    StepStatus.RUNNING: "Its script runs, or runs that it had made do. A wait or an approval goes on until its time is "
    "there or somebody answers.",
    StepStatus.COMPLETED: "The script ended with exit code 0, or an earlier result was reused. The wait is over, the "
    "approval given, the condition known.",
    StepStatus.FAILED: "Its script, environment or a missing output failed it, or somebody said no. The run says why.",
    StepStatus.SKIPPED: "A step before it failed or was cancelled, or its run stopped at a failed step.",
    StepStatus.CANCELLED: "Somebody cancelled it or its run; nothing of it runs any more.",
    StepStatus.NOT_TAKEN: "It is on a branch that its condition did not take. That is no failure.",
}
RUN_STATE_WORDS = {
    RunStatus.QUEUED: "No step has started, or none since somebody continued the run.",
    RunStatus.RUNNING: "At least one step has started.",
    RunStatus.COMPLETED: "Every step completed, or was on a branch that was not taken.",
    RunStatus.FAILED: "A step failed. What depended on it was skipped. It can be continued.",
    RunStatus.CANCELLED: "Somebody cancelled it, or a step of it. It can be continued.",
}


@dataclass(frozen=True, slots=True)
class PermissionRow:
    words: str
    roles: list[bool]  # in the order of ROLES


@dataclass(frozen=True, slots=True)
class StateBox:
    status: str
    x: int
    y: int

    @property
    def centre(self) -> tuple[int, int]:
        return self.x + BOX_WIDTH // 2, self.y + BOX_HEIGHT // 2


@dataclass(frozen=True, slots=True)
class Picture:
    """States as boxes, transitions as paths of an SVG."""

    width: int
    height: int
    boxes: list[StateBox]
    paths: list[str]


BOX_WIDTH, BOX_HEIGHT = 132, 36
_COLUMN, _ROW = 188, 64


def permission_rows() -> list[PermissionRow]:
    return [
        PermissionRow(PERMISSION_WORDS[permission], [permission in PERMISSIONS[role] for role in ROLES])
        for permission in Permission
    ]


def run_picture() -> Picture:
    return picture(RUN_TRANSITIONS, terminal=RUN_TERMINAL)


def step_picture() -> Picture:
    return picture(STEP_TRANSITIONS, terminal=STEP_TERMINAL)


def picture(transitions: Transitions, *, terminal: Iterable[str]) -> Picture:
    """The states on their way in one row, the terminal ones in the row below, and a path for each transition."""
    ends = set(terminal)
    way = [status for status in transitions if status not in ends]
    last = [status for status in transitions if status in ends]
    columns = max(len(way), len(last))
    left = {len(way): (columns - len(way)) * _COLUMN // 2, len(last): (columns - len(last)) * _COLUMN // 2}
    boxes = {status: StateBox(status, left[len(way)] + i * _COLUMN, 44) for i, status in enumerate(way)}
    boxes |= {status: StateBox(status, left[len(last)] + i * _COLUMN, 44 + 3 * _ROW) for i, status in enumerate(last)}
    paths = [
        _path(boxes[status], boxes[target], way, ends)
        for status, targets in transitions.items()
        for target in transitions
        if target in targets
    ]
    width = (columns - 1) * _COLUMN + BOX_WIDTH
    return Picture(width=width, height=44 + 3 * _ROW + BOX_HEIGHT, boxes=list(boxes.values()), paths=paths)


def _path(start: StateBox, end: StateBox, way: list[str], ends: set[str]) -> str:
    (x1, y1), (x2, y2) = start.centre, end.centre
    half_width, half_height = BOX_WIDTH // 2, BOX_HEIGHT // 2
    if start.status in ends:
        # Continued: up again, a little to the side of the arrows that go down.
        x1, x2, y1, y2 = x1 - 28, x2 - 28, y1 - half_height, y2 + half_height + 5
        middle = (y1 + y2) // 2
        return f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"
    if end.status in ends:
        y1, y2 = y1 + half_height, y2 - half_height - 5
        middle = (y1 + y2) // 2
        return f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"
    if way.index(end.status) == way.index(start.status) + 1:
        return f"M{x1 + half_width} {y1}H{x2 - half_width - 5}"
    # Back to an earlier state: over the top, the higher the further.
    y1, y2 = y1 - half_height, y2 - half_height - 5
    rise = 14 + 16 * abs(way.index(start.status) - way.index(end.status))
    x1, x2 = (x1 - 12, x2 + 12) if x2 < x1 else (x1 + 12, x2 - 12)
    return f"M{x1} {y1}C{x1} {y1 - rise} {x2} {y1 - rise} {x2} {y2}"

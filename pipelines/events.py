"""What a run's events say. A watcher that has the run's state and every later event has the state of now."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pipelines.states import RunStatus, StepStatus


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunChanged(_Event):
    """The run's own status."""

    kind: Literal["run"] = "run"
    status: RunStatus
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class StepChanged(_Event):
    """A step's row, as far as it moves."""

    kind: Literal["step"] = "step"
    step: str
    status: StepStatus
    attempt: int = 0
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    job_id: int | None = None
    reused_from: int | None = None  # a run's number
    reuse_note: str = ""


class CancelRequested(_Event):
    """Somebody asked for the run's end."""

    kind: Literal["cancel_requested"] = "cancel_requested"
    by: str


class Paused(_Event):
    """Somebody asked that nothing further of the run begins."""

    kind: Literal["paused"] = "paused"
    by: str


class Resumed(_Event):
    """Somebody let a paused run go on."""

    kind: Literal["resumed"] = "resumed"
    by: str


class Continued(_Event):
    """Somebody let the run go on: steps that came to nothing are tried again."""

    kind: Literal["continued"] = "continued"
    by: str
    steps: int  # how many


class StepEdited(_Event):
    """Somebody changed what a step's next attempt runs."""

    kind: Literal["step_edited"] = "step_edited"
    step: str
    by: str
    number: int  # of this edit, from 1 for each step
    changes: list[str]  # in words


class StepCancelRequested(_Event):
    """Somebody asked for the end of one step."""

    kind: Literal["step_cancel_requested"] = "step_cancel_requested"
    step: str
    by: str


class StepAnswered(_Event):
    """Somebody answered an approval."""

    kind: Literal["step_answered"] = "step_answered"
    step: str
    by: str
    approved: bool
    comment: str


class ReuseChanged(_Event):
    """Somebody said whether, or until when, results may be taken again."""

    kind: Literal["reuse_changed"] = "reuse_changed"
    step: str | None  # None for all of the run
    by: str
    ends_at: datetime | None  # None where they may


AnyEvent = (
    RunChanged
    | StepChanged
    | CancelRequested
    | Paused
    | Resumed
    | Continued
    | StepEdited
    | StepCancelRequested
    | StepAnswered
    | ReuseChanged
)
Event = Annotated[AnyEvent, Field(discriminator="kind")]
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(Event)


def as_json(seq: int, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """A stored event as watchers get it."""
    return {"seq": seq, "at": at.isoformat(), **data}

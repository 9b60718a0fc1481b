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


Event = Annotated[RunChanged | StepChanged | CancelRequested, Field(discriminator="kind")]
EVENT: TypeAdapter[RunChanged | StepChanged | CancelRequested] = TypeAdapter(Event)


def as_json(seq: int, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """A stored event as watchers get it."""
    return {"seq": seq, "at": at.isoformat(), **data}

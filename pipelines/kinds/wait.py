"""Waiting for some time, or until a point in time."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import Field

from pipelines.kinds.interface import Example, Place
from pipelines.kinds.without_job import Going, Known, Over, StepWithoutJob
from pipelines.moments import in_words, read_duration, read_moment
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.states import StepStatus
from pipelines.value_text import filled, parse, placeholders_left


class WaitStep(StepWithoutJob):
    """Is done when some time has passed since everything before it was, or at a point in time.

    It takes no slot and no node, and goes on whatever is restarted meanwhile.
    """

    label: ClassVar[str] = "Wait"
    icon: ClassVar[str] = "clock-pause"
    summary: ClassVar[str] = "Waits for some time, or until a point in time. It takes no node."
    card_field: ClassVar[str] = "duration"
    note: ClassVar[str] = "A wait is never reused: each run waits for itself."

    kind: Literal["wait"] = "wait"
    duration: str = Field(
        default="",
        title="For how long",
        description="“90” for seconds, “5 min”, “2 h”, “1 d”. A parameter can stand here: ${{parameters.NAME}}.",
        json_schema_extra={"widget": "filled"},
    )
    until: str = Field(
        default="",
        title="Or until",
        description="“18:00” for the next time that it is so late (UTC), or “2026-12-24 18:00”; or a parameter.",
        json_schema_extra={"widget": "filled"},
    )

    @property
    def subtitle(self) -> str:
        return self.duration.strip() or (f"until {self.until.strip()}" if self.until.strip() else "")

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (it never does)
        return Example({"duration": "5 min"})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {"duration": parse(self.duration), "until": parse(self.until)}

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        if self.duration.strip() and self.until.strip():
            yield "until", "It waits either for some time or until a point in time. Leave one of them empty."
        elif not self.duration.strip() and not self.until.strip():
            yield "duration", "Say for how long it waits, as in “5 min”, or until when."

    def problems_with(self, values: Mapping[str, ParameterValue]) -> Iterator[tuple[Place, str]]:
        duration, until = (filled(parse(text), values, ()) for text in (self.duration, self.until))
        if duration and duration.strip() and not placeholders_left(duration):
            try:
                read_duration(duration)
            except ValueError as error:
                yield "duration", str(error)
        if until and until.strip() and not placeholders_left(until):
            try:
                read_moment(until, now=datetime.now(UTC))
            except ValueError as error:
                yield "until", str(error)

    def begin(self, known: Known) -> Over | Going:
        duration, until = (filled(parse(text), known.values, ()) or "" for text in (self.duration, self.until))
        try:
            moment = read_moment(until, now=known.at) if until.strip() else known.at + read_duration(duration)
        except ValueError as error:
            return Over(status=StepStatus.FAILED, reason=str(error))
        if moment <= known.at:
            return Over(status=StepStatus.COMPLETED, reason=f"It was past {in_words(moment)} already.")
        return Going(reason=f"Waits until {in_words(moment)}.", until=moment)

    def at_due(self) -> Over:
        return Over(status=StepStatus.COMPLETED, reason="")

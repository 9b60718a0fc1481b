"""Kinds of steps that the studio takes care of itself: no job, so no node, no slot, no log and no output.

Such a step is ready like any other. `begin` says what it comes to at once, or until when it goes on; what ends it then
is `at_due`, or somebody's answer. All three decide and do nothing: `pipelines.services.without_job` does.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from compute.spec import Limits, Resources, Retry
from pipelines.kinds.interface import Place, SourceFiles, StepBase
from pipelines.parts import ParameterValue
from pipelines.states import StepStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known when such a step begins."""

    at: datetime
    values: Mapping[str, ParameterValue]  # of parameters; one without a value is not among them
    read: Mapping[str, Any] = field(default_factory=dict)  # by input, what it holds, where the kind `looks`
    # Of steps whose metrics it reads, the last value of each series, by name; one that was not taken is not among them.
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """What it came to. `reason` is a sentence."""

    status: StepStatus  # completed or failed
    reason: str
    answer: bool | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # by what stands in its texts, what stood for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """It goes on, until then or until somebody answers. `reason` is a sentence."""

    reason: str
    until: datetime | None = None
    asks: str = ""  # who can answer, as in `pipelines.approvers`
    asks_others: bool = False  # whoever submitted the run can not


class StepWithoutJob(StepBase):
    """A step of such a kind."""

    has_job: ClassVar[bool] = False
    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "none"
    looks: ClassVar[bool] = False  # whether `begin` wants to know what its inputs hold
    note: ClassVar[str]  # on reuse, a sentence

    @abstractmethod
    def begin(self, known: Known) -> Over | Going:
        """What becomes of it now that everything before it is done. Asked of a step without problems."""

    def at_due(self) -> Over:
        """What it comes to when its time is there."""
        raise NotImplementedError(f"a {self.kind} is never due")

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        """What is wrong with its own fields."""
        return iter(())

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 (it has none)
        yield from self.own_problems()
        yield from self._of_no_use()

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:  # noqa: ARG002
        return []

    def _settings_of_a_process(self) -> Iterator[str]:
        """Those that say something here, where there is none."""
        said: dict[str, tuple[object, object]] = {
            "source": (self.source, None),
            "environment_variables": (self.environment_variables, []),
            "timeout_s": (self.timeout_s, None),
            "retry": (self.retry, Retry()),
            "limits": (self.limits, Limits()),
            "resources": (self.resources, Resources()),
        }
        yield from (name for name, (value, usual) in said.items() if value != usual)

    def _of_no_use(self) -> Iterator[tuple[Place, str]]:
        for name in self._settings_of_a_process():
            yield name, f"A step of the kind “{self.label}” starts no process, so this means nothing. Take it away."
        for index in range(len(self.outputs)):
            yield ("outputs", index, "name"), f"A step of the kind “{self.label}” writes nothing. Take the output away."
        if self.takes_inputs == "none":
            sentence = f"A step of the kind “{self.label}” reads nothing. Take the input away, and use “Runs after”."
            for index in range(len(self.inputs)):
                yield ("inputs", index, "name"), sentence

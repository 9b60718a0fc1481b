"""Asking a person whether the run shall go on."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from pipelines.approvers import asked, in_words
from pipelines.kinds.interface import Example, Place
from pipelines.kinds.without_job import Going, Known, Over, StepWithoutJob
from pipelines.moments import in_words as moment_in_words
from pipelines.moments import read_duration
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.states import StepStatus
from pipelines.value_text import filled, parse, placeholders_left

_LONGEST_MESSAGE = 2000
_ROLES: JsonDict = {"reader": "Any member", "contributor": "Contributors and owners", "owner": "Owners"}
_AT_TIMEOUT: JsonDict = {"fail": "The step fails", "approve": "It is approved", "reject": "It is rejected"}


class ApprovalStep(StepWithoutJob):
    """Waits for the yes or no of a member of the workspace. A no fails the step, and skips what depends on it."""

    label: ClassVar[str] = "Approval"
    icon: ClassVar[str] = "user-question"
    summary: ClassVar[str] = "Asks a person whether the run shall go on. It takes no node."
    card_field: ClassVar[str] = "message"
    person_field: ClassVar[str] = "person"
    # Whoever may continue a run could answer in the place of those who are asked.
    fixed: ClassVar[frozenset[str]] = frozenset({"role", "person", "submitter_may", "answer_within", "at_timeout"})
    note: ClassVar[str] = "An approval is never reused: each run asks anew."

    kind: Literal["approval"] = "approval"
    message: str = Field(
        default="",
        title="Question",
        description="What is to be decided, as in “Shall ${{parameters.model}} be published?”",
        json_schema_extra={"widget": "filled", "rows": 3},
    )
    role: Literal["reader", "contributor", "owner"] = Field(
        default="contributor", title="Who can answer", json_schema_extra={"widget": "choice", "choices": _ROLES}
    )
    person: str = Field(
        default="", title="Or one person alone", description="A user name. Empty: everybody with the role above."
    )
    submitter_may: bool = Field(default=True, title="Whoever submitted the run can answer, too")
    answer_within: str = Field(
        default="",
        title="Time for the answer",
        description="As in “2 h” or “3 d”, or a parameter. Empty: as long as it takes.",
        json_schema_extra={"widget": "filled"},
    )
    at_timeout: Literal["fail", "approve", "reject"] = Field(
        default="fail",
        title="Without an answer in time",
        json_schema_extra={"widget": "choice", "choices": _AT_TIMEOUT},
    )

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (it never does)
        return Example({"message": "Shall the run go on?"})

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return {"message": parse(self.message), "answer_within": parse(self.answer_within)}

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        if not self.message.strip():
            yield "message", "Write what is to be decided, as in “Shall the new model be published?”"
        elif len(self.message) > _LONGEST_MESSAGE:
            yield "message", f"This has more than {_LONGEST_MESSAGE:,} characters. Put the details into an output."

    def problems_with(self, values: Mapping[str, ParameterValue]) -> Iterator[tuple[Place, str]]:
        within = filled(parse(self.answer_within), values, ())
        if within and within.strip() and not placeholders_left(within):
            try:
                read_duration(within)
            except ValueError as error:
                yield "answer_within", str(error)

    def question(self, values: Mapping[str, ParameterValue]) -> str:
        """With the values of parameters in it."""
        return filled(parse(self.message), values, ()) or self.message

    def begin(self, known: Known) -> Over | Going:
        within = filled(parse(self.answer_within), known.values, ()) or ""
        try:
            until = known.at + read_duration(within) if within.strip() else None
        except ValueError as error:
            return Over(status=StepStatus.FAILED, reason=str(error))
        asks = asked(self.role, self.person)
        ends = f", until {moment_in_words(until)}" if until else ""
        return Going(
            reason=f"Waits for the answer of {in_words(asks)}{ends}.",
            until=until,
            asks=asks,
            asks_others=not self.submitter_may,
        )

    def at_due(self) -> Over:
        match self.at_timeout:
            case "approve":
                words = "Nobody answered in time, which counts as approved here."
                return Over(status=StepStatus.COMPLETED, reason=words, answer=True)
            case "reject":
                words = "Rejected: nobody answered in time."
                return Over(status=StepStatus.FAILED, reason=words, answer=False)
        return Over(status=StepStatus.FAILED, reason="Nobody answered in time.")

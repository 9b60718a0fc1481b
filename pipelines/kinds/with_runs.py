"""Kinds of steps that have runs of another pipeline made, each with values of its own, and end when these are over.

Such a step takes no node and no slot: its runs are runs like any other, with pages, logs and quotas of their own. What
is to be done next is asked for at every turn, in `turn`: when the step begins, and whenever one of its runs is over. It
decides and does nothing; `pipelines.services.tending` does.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.kinds.interface import Place
from pipelines.kinds.passed_values import PassedValues, speaking_of_data, texts_of
from pipelines.kinds.without_job import Going, Known, Over, StepWithoutJob
from pipelines.parts import Output, ParameterValue
from pipelines.placeholders import HasPlaceholders
from pipelines.states import RUN_TERMINAL, RunStatus, StepStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMade:
    """A run that the step had made."""

    number: int  # from 1
    label: str
    run_id: int
    status: RunStatus
    reason: str
    is_left: bool = False  # an earlier attempt of the step left it without success, and it is still to go on
    values: Mapping[str, ParameterValue] = field(default_factory=dict)  # of its parameters, defaults filled in

    @property
    def is_over(self) -> bool:
        return self.status in RUN_TERMINAL and not self.is_left


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredInRun:
    """A metric of numbers that a step of a run logged; of several steps that did, the last one's."""

    low: float | None  # of all its values that are finite; None where there is none
    high: float | None
    values: Sequence[float] = ()  # the first ones as they were logged, where the kind wants the series


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to be made."""

    number: int
    label: str = ""  # what tells it from the others, for people
    values: Mapping[str, ParameterValue] = field(default_factory=dict)  # those that it alone gets


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the step came to. `reason` is a sentence."""

    status: StepStatus  # completed or failed
    reason: str = ""
    outputs_of: int | None = None  # the number of the run whose outputs become its own
    is_of_all: bool = False  # or of all its runs, each with a folder of its own in them
    values: Mapping[str, str] = field(default_factory=dict)  # what people are shown of it, by name
    files: Mapping[str, Any] = field(default_factory=dict)  # what stands as JSON in those of `own_files`


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRuns:
    """What is known at a turn."""

    at: datetime
    made: Sequence[RunMade]  # by number
    items: Sequence[NewRun] = ()  # where it has a list: a run for each item, as it was when the step began
    unfit: Mapping[int, str] = field(default_factory=dict)  # by number, why no run can be submitted for an item
    since: datetime  # when the step began
    metrics: Mapping[int, MeasuredInRun] = field(default_factory=dict)  # by number, of `metric_wanted`


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is to be done now. All of it may be asked for again: what was done is among what is known then."""

    start: Sequence[NewRun] = ()
    stop: Mapping[int, str] = field(default_factory=dict)  # by number, runs to cancel and why, a sentence
    ended: Ended | None = None  # only where every run is over
    reason: str = ""  # how far it is, a sentence


class StepWithRuns(StepWithoutJob):
    """A step of such a kind."""

    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "any"
    makes_runs: ClassVar[bool] = True
    # What it came to is mended in its runs, which are continued with the values that they have.
    fixed: ClassVar[frozenset[str]] = frozenset({"pipeline", "pipeline_version", "parameters"})
    note: ClassVar[str] = "The steps of its runs are reused, each for itself."
    runs_tab: ClassVar[str] = "runs"
    has_list: ClassVar[bool] = False  # and its outputs a folder for each item of it
    # What an output of it may be taken from besides its runs' outputs
    own_files: ClassVar[frozenset[str]] = frozenset()

    pipeline: str = Field(
        default="",
        title="Pipeline",
        description="One of this workspace. Its inputs are its parameters of data: give the input here the same name.",
        json_schema_extra={"widget": "pipeline"},
    )
    pipeline_version: int | None = Field(
        default=None,
        title="Version of it",
        description="Empty for its latest at submission.",
        json_schema_extra={"widget": "number"},
    )
    parameters: PassedValues = Field(default_factory=list)

    @property
    def own_values(self) -> set[str]:
        """The parameters that get a value of its own in each run."""
        return set()

    def place_of_own(self, name: str) -> Place:  # noqa: ARG002 (for those that have several)
        """Where it says that this one of `own_values` gets a value in each run."""
        return "pipeline"

    @property
    def most_at_once(self) -> int | None:
        """How many of its runs are under way together; None for as many as there are."""
        return None

    @property
    def read_inputs(self) -> frozenset[str]:
        """The inputs that the step reads itself, as text: they feed no parameter."""
        return frozenset()

    def list_of(self, values: Mapping[str, ParameterValue], read: Mapping[str, str]) -> Sequence[NewRun]:
        """Of one that has a list, a run for each item. `values` of the outer run's parameters, without those that have
        none; `read` what the inputs hold that it reads. Asked once: what it says is written down. Raises ListError."""
        raise NotImplementedError(f"a {self.kind} has no list")

    def samples(self) -> Iterator[tuple[Place, str, Sequence[ParameterValue]]]:
        """Of `own_values`, what they may be at the least and at the most: (place, parameter, values)."""
        return iter(())

    @property
    def metric_wanted(self) -> str:
        """The metric of its runs that it decides by; empty where it does not."""
        return ""

    @property
    def wants_series(self) -> bool:
        """Whether it wants the metric's single values, and those of runs under way."""
        return False

    def goes_on(self, made: RunMade) -> bool:  # noqa: ARG002 (as above)
        """Whether a run that came to nothing is tried again when the step is."""
        return True

    @abstractmethod
    def turn(self, known: KnownRuns) -> Turn:
        """What is to be done now. Asked again and again, of a step without problems, until it has ended."""

    def begin(self, known: Known) -> Over | Going:
        raise NotImplementedError("its turns say what it does")

    @property
    def subtitle(self) -> str:
        version = f", version {self.pipeline_version}" if self.pipeline_version is not None else ""
        return f"{self.pipeline}{version}"

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return dict(texts_of(self.parameters))

    def own_problems(self) -> Iterator[tuple[Place, str]]:
        if not self.pipeline:
            yield "pipeline", "Choose the pipeline to run."
        for place in speaking_of_data(self.parameters):
            yield place, "Data goes to the pipeline by an input with the name of its parameter, not as a value."

    def _of_no_use(self) -> Iterator[tuple[Place, str]]:
        for name in self._settings_of_a_process():
            yield name, "The steps of the pipeline that it runs have settings of this kind. Take it away here."
        for index, output in enumerate(self.outputs):
            if output != Output(name=output.name, taken_from=output.taken_from):
                sentence = "Where an output goes is said in the pipeline that writes it. Leave only its name here."
                yield ("outputs", index, "name"), sentence

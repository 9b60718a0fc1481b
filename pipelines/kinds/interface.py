"""What a kind of step is: typed settings, and what the rest of the studio asks of them.

The settings are the fields of a pydantic class. Those that every kind has stand here; a kind's own ones make its part
of the builder's form, of the API's schema and of the stored definition. A field's `json_schema_extra={"widget": …}`
says how it is edited: `script`, `arguments` or `shell`; without one by its type.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field, FiniteFloat

from compute.spec import Limits, Resources, Retry
from pipelines.parts import Input, Output, ParameterValue, Part
from pipelines.placeholders import HasPlaceholders

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Example:
    """What a new step of a kind begins with."""

    settings: dict[str, Any]  # of its own fields
    files: dict[str, str] = field(default_factory=dict)  # texts by path


class StepBase(Part):
    """A step of any kind."""

    do_not_call_in_templates: ClassVar[bool] = True  # a class is callable, and Django's templates would call it

    label: ClassVar[str]  # as in “Python script”
    icon: ClassVar[str]  # of Tabler's
    summary: ClassVar[str]  # what it does, in a sentence
    card_field: ClassVar[str]  # of its own fields, the one whose first line stands on its card
    version: ClassVar[int] = 1  # goes up when the same settings would give another result

    kind: str
    name: str
    description: str = ""
    inputs: list[Input] = Field(default_factory=list)
    outputs: list[Output] = Field(default_factory=list)
    run_after: list[str] = Field(default_factory=list)  # names of steps that must be done first, read from or not
    source: str | None = None  # digest of the snapshot that holds the step's files
    environment: str = "python"  # "NAME" for the latest version at submission, or "NAME:VERSION"
    compute: str = "local"
    allow_reuse: bool = True
    timeout_s: FiniteFloat | None = None
    retry: Retry = Field(default_factory=Retry)
    limits: Limits = Field(default_factory=Limits)
    resources: Resources = Field(default_factory=Resources)  # what it asks of its node; a slot, where nothing is said

    @property
    def subtitle(self) -> str:
        """What it runs, in a few words, for its card."""
        line = next((line for line in str(getattr(self, self.card_field)).splitlines() if line.strip()), "").strip()
        return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"

    @property
    def script(self) -> str:
        """The file of its sources that it runs, if it runs one; ignore files may not leave it out."""
        return ""

    @abstractmethod
    def texts(self) -> Mapping[str, HasPlaceholders]:
        """Its texts in which placeholders stand, by field."""

    @abstractmethod
    def problems(self, files: Collection[str] | None) -> Iterator[tuple[str, str]]:
        """What is wrong with its own fields, as (field, sentence). `files` of its source; None where it has none."""

    @abstractmethod
    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
        """What a node runs: parameters filled in, `${{inputs.NAME}}` and `${{outputs.NAME}}` left for the node.

        Asked of a step without problems only.
        """

    @classmethod
    @abstractmethod
    def example(cls, *, reads: bool) -> Example:
        """What a new step begins with: it works as it stands. Where it `reads`, it has an input `input`.

        It has an output `output` in any case.
        """

    def settings(self) -> dict[str, Any]:
        """Its own fields, as JSON has them."""
        return self.model_dump(mode="json", include=set(own_fields(type(self))))


def own_fields(kind: type[StepBase]) -> list[str]:
    """The fields that only this kind has."""
    return [name for name in kind.model_fields if name not in StepBase.model_fields]


def kind_name(kind: type[StepBase]) -> str:
    name: str = kind.model_fields["kind"].default
    return name

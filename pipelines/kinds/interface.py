"""What a kind of step is: typed settings, and what the rest of the studio asks of them.

The settings are the fields of a pydantic class. Those that every kind has stand here; a kind's own ones make its part
of the builder's form, of the API's schema and of the stored definition. A field's `json_schema_extra={"widget": …}`
says how it is edited: `script` (with the `suffix` of the files to choose from), `arguments`, `shell`, `filled` (a line
with placeholders), `expression`, `paths` (of files, one a line), `choice` (with `choices`: the words for each value),
`sql`, `datastore`, `values` (a list of names with values), `search_space` (the same with expressions), `pipeline` (the
name of one), `inner_parameters` (names of that one's parameters, with commas between them), `module` (the name of
one) or `module_version`; without one by its type.

What a kind needs besides: `keeps` are outputs of its own that stay however the step ends, `programs` files of the
studio that its command runs (`${{programs.NAME}}`), `needs` packages without which its environment is of no use.

A kind with `works` is done by the node itself, by a program of `compute.work`: it has neither files, nor an
environment, nor variables, and may open datastores of its workspace (`opens`), whose credentials no script sees.

What a kind does without a node is a subclass of `StepWithoutJob`, in `pipelines.kinds.without_job`; what has runs of
another pipeline made is a `StepWithRuns`, in `pipelines.kinds.with_runs`.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    FiniteFloat,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from compute.spec import Limits, NodeWork, Resources, Retry
from pipelines.git_facts import GitFacts
from pipelines.parts import FIELD_NAME, EnvironmentVariable, Input, OnlyIf, Output, ParameterValue, Part
from pipelines.placeholders import HasPlaceholders, outputs_in
from pipelines.references import FED, SETTINGS, TYPES_FED, Setting, with_references, without_references
from pipelines.value_text import parse as parse_variable

_SHOWN = 60
Place = str | tuple[str | int, ...]  # a field of a step, or the way to a part of it


def way(place: Place) -> tuple[str | int, ...]:
    """From the step on."""
    return (place,) if isinstance(place, str) else place


@dataclass(frozen=True)
class SourceFiles(Collection[str]):
    """The paths of a step's source folder, and the text of its script where the kind reads it."""

    paths: frozenset[str]
    script_text: str | None = None  # None as well for what is no text, or too long to be looked at

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, slots=True)
class Example:
    """What a new step of a kind begins with."""

    settings: dict[str, Any]  # of its own fields
    files: dict[str, str] = field(default_factory=dict)  # texts by path
    environment: str = ""  # where it needs one of its own


@dataclass(frozen=True, slots=True)
class Opens:
    """A datastore that a node's own work opens, besides those of its input and output."""

    name: str  # that the program has for it
    datastore: str  # in the workspace
    holds: Literal["files", "tables"]
    writes: bool


def _listed(data: Any) -> Any:
    """Variables may be written as `{"NAME": "value"}`, too."""
    return [{"name": name, "value": value} for name, value in data.items()] if isinstance(data, dict) else data


Variables = Annotated[list[EnvironmentVariable], BeforeValidator(_listed)]


class StepBase(Part):
    """A step of any kind."""

    do_not_call_in_templates: ClassVar[bool] = True  # a class is callable, and Django's templates would call it

    label: ClassVar[str]  # as in “Python script”
    icon: ClassVar[str]  # of Tabler's
    summary: ClassVar[str]  # what it does, in a sentence
    card_field: ClassVar[str]  # of its own fields, the one whose first line stands on its card
    version: ClassVar[int] = 1  # goes up when the same settings would give another result
    script_field: ClassVar[str] = ""  # of its own fields, the one that names the file of its sources that it runs
    reads_script: ClassVar[bool] = False  # whether `problems` wants the text of that file
    keeps: ClassVar[tuple[Output, ...]] = ()  # outputs that no definition names, written by its command
    programs: ClassVar[Mapping[str, Path]] = MappingProxyType({})
    needs: ClassVar[tuple[str, ...]] = ()  # names of packages
    takes_inputs: ClassVar[Literal["any", "one", "none"]] = "any"
    works: ClassVar[Mapping[str, str]] = MappingProxyType({})  # functions by name, for `compute.work.registry`
    has_job: ClassVar[bool] = True  # False for a `StepWithoutJob`
    offered: ClassVar[bool] = True  # in the builder, for new steps
    makes_runs: ClassVar[bool] = False  # whether it is a `StepWithRuns`
    is_module: ClassVar[bool] = False  # whether it is a `ModuleStep`, which stands for a published step
    runs_tab: ClassVar[str] = ""  # of the step's panel, the tab that shows what it had made: runs, trials, batches
    answers: ClassVar[bool] = False  # whether it comes to true or false, and steps can be on a branch of it
    fixed: ClassVar[frozenset[str]] = frozenset()  # of its own fields, those that no edit within a run may change
    person_field: ClassVar[str] = ""  # of its own fields, the one that names a member of the workspace

    kind: str
    name: str
    description: str = ""
    inputs: list[Input] = Field(default_factory=list)
    outputs: list[Output] = Field(default_factory=list)  # those that only its texts speak of included
    run_after: list[str] = Field(default_factory=list)  # names of steps that must be done first, read from or not
    only_if: OnlyIf | None = None  # it runs on this branch alone, and after the condition of course
    source: str | None = None  # digest of the snapshot that holds the step's files
    git: GitFacts | None = None  # of a source, which may have been edited here since; no part of what it comes to
    environment_variables: Variables = Field(default_factory=list)  # they go before those of its environment
    environment: str = "python"  # "NAME" for the latest version at submission, or "NAME:VERSION"
    compute: str = "local"
    allow_reuse: bool = True
    timeout_s: FiniteFloat | None = None
    retry: Retry = Field(default_factory=Retry)
    limits: Limits = Field(default_factory=Limits)
    resources: Resources = Field(default_factory=Resources)  # what it asks of its node; a slot, where nothing is said

    _references: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def references(self) -> Mapping[str, str]:
        """The parameters that feed settings of it, by their paths."""
        return self._references

    @classmethod
    def feedable(cls) -> Mapping[str, Setting]:
        """The settings that a parameter can feed, by path: those that all kinds have, and its own."""
        if cls not in _feedable:
            _feedable[cls] = {**SETTINGS, **dict(_own_settings(cls))}
        return _feedable[cls]

    def settled(self, values: Mapping[str, ParameterValue]) -> Self:
        """With values, by path, in the settings that parameters feed, and as usual in those without one."""
        groups: dict[str, dict[str, ParameterValue]] = {}
        for path, value in values.items():
            group, _, name = path.rpartition(".")
            groups.setdefault(group, {})[name] = value
        update: dict[str, Any] = groups.pop("", {})
        update = {
            name: str(value) if type(self).model_fields[name].annotation is str else value
            for name, value in update.items()
        }
        update |= {group: getattr(self, group).model_copy(update=fields) for group, fields in groups.items()}
        made = self.model_copy(update=update)
        made._references = {}  # noqa: SLF001 (one of its own class)
        return made

    @model_validator(mode="wrap")
    @classmethod
    def _take_references(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        plain, references = without_references(data, cls.feedable())
        made = handler(plain)
        made._count_outputs()  # noqa: SLF001 (one of its own class)
        made._references = references  # noqa: SLF001 (one of its own class)
        return made

    def _count_outputs(self) -> None:
        """An output that only its texts speak of is one of its outputs. For a step that was just read."""
        declared = {output.name for output in self.outputs}
        written = [text for name in own_fields(type(self)) for text in _texts_in(getattr(self, name))]
        written += (variable.value for variable in self.environment_variables)
        if outputs_in(written) <= declared:  # reading them takes longer, and a shell's comment speaks of nothing
            return
        texts = [*self.texts().values(), *(parse_variable(each.value) for each in self.environment_variables)]
        for part in (part for text in texts for part in text.placeholders):
            if part.scope == "outputs" and part.name not in declared and FIELD_NAME.match(part.name):
                declared.add(part.name)
                self.outputs.append(Output(name=part.name))

    @model_serializer(mode="wrap")
    def _put_references(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return with_references(handler(self), self._references)

    @property
    def was_edited_here(self) -> bool:
        """Whether its files are others than those that its git facts speak of."""
        return self.git is not None and self.git.source != (self.source or "")

    @property
    def subtitle(self) -> str:
        """What it runs, in a few words, for its card."""
        line = next((line for line in str(getattr(self, self.card_field)).splitlines() if line.strip()), "").strip()
        return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"

    @property
    def script(self) -> str:
        """The file of its sources that it runs, if it runs one; ignore files may not leave it out."""
        return str(getattr(self, self.script_field)) if self.script_field else ""

    @property
    def optional_inputs(self) -> frozenset[str]:
        return frozenset(given.name for given in self.inputs if given.optional)

    @property
    def all_outputs(self) -> list[Output]:
        """Those that it was given, and its own."""
        return [*self.outputs, *self.keeps]

    @abstractmethod
    def texts(self) -> Mapping[Place, HasPlaceholders]:
        """Its texts in which placeholders stand, by place."""

    @abstractmethod
    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:
        """What is wrong with its own fields, as (place, sentence). `files` of its source; None where it has none."""

    def warnings(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 (for those that have some)
        """What keeps nobody from submitting it, and is worth knowing, as `problems`."""
        return iter(())

    def problems_with(self, values: Mapping[str, ParameterValue]) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 (as above)
        """As `problems`, of texts in which parameters stand: what is wrong once these have their values."""
        return iter(())

    def reads_metrics(self) -> Iterator[tuple[Place, str]]:
        """The steps whose metrics its texts speak of, with the place of each: it waits for them."""
        return iter(())

    @property
    def named_person(self) -> str:
        """The member that it names, if it names one."""
        return str(getattr(self, self.person_field)) if self.person_field else ""

    @abstractmethod
    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:
        """What a node runs: parameters filled in, what else stands for a path on the node is left for it.

        Asked of a step without problems only.
        """

    def counted(self, command: Sequence[str]) -> list[str]:
        """Of its command, what makes its result: a change of the rest is no reason to run again."""
        return list(command)

    def opens(self) -> Mapping[Place, Opens]:
        """The datastores that its work opens, by the field that names each."""
        return {}

    def work(self, values: Mapping[str, ParameterValue]) -> NodeWork | None:  # noqa: ARG002 (for those that have some)
        """What the node does instead of a command, without the ids of datastores. As `argv`."""
        return None

    @property
    def never_reused(self) -> str:
        """Why no earlier result can stand for it, as a note on its run; empty where one may."""
        return ""

    @classmethod
    @abstractmethod
    def example(cls, *, reads: bool) -> Example:
        """What a new step begins with: it works as it stands. Where it `reads`, it has an input `input`.

        It has an output `output` in any case, unless it has no job.
        """

    def settings(self) -> dict[str, Any]:
        """Its own fields, as JSON has them."""
        return self.model_dump(mode="json", include=set(own_fields(type(self))))


def _texts_in(value: object) -> Iterator[str]:
    """All texts of a setting, those of its rows included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each)
    elif isinstance(value, BaseModel):
        for _, each in value:
            yield from _texts_in(each)


_own_fields: dict[type[StepBase], tuple[str, ...]] = {}  # asked for thousands of times for a large pipeline


_feedable: dict[type[StepBase], Mapping[str, Setting]] = {}


def _own_settings(kind: type[StepBase]) -> Iterator[tuple[str, Setting]]:
    for name, info in kind.model_fields.items():
        extra = info.json_schema_extra
        fed = extra.get(FED) if isinstance(extra, dict) else None
        if isinstance(fed, str):
            yield name, Setting(f"“{info.title}”", TYPES_FED[fed])


def own_fields(kind: type[StepBase]) -> tuple[str, ...]:
    """The fields that not every kind has: what it shares with some comes after what is its own."""
    if kind not in _own_fields:
        names = [name for name in kind.model_fields if name not in StepBase.model_fields]
        _own_fields[kind] = tuple(sorted(names, key=lambda name: name not in kind.__annotations__))
    return _own_fields[kind]


def kind_name(kind: type[StepBase]) -> str:
    name: str = kind.model_fields["kind"].default
    return name

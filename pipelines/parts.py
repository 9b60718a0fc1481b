"""What a definition is made of below its steps: parameters, inputs with their bindings, outputs."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from compute.spec import InputMode, OutputMode

FIELD_NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_-]{0,99}\Z")  # of a parameter, an input, an output

ParameterType = Literal["string", "integer", "number", "boolean", "enum", "dataset", "data_path"]
DATA_TYPES: tuple[ParameterType, ...] = ("dataset", "data_path")
ParameterValue = str | int | float | bool


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(Part):
    """A value given at submission; `${{parameters.NAME}}` in the arguments of steps.

    Without a default it must be given, unless it is optional: then a run may go without a value of it. Those of a type
    of data feed inputs, too; `pipelines.data_values` says how their values are written.
    """

    name: str
    type: ParameterType = "string"
    default: ParameterValue | None = None
    description: str = ""
    optional: bool = False
    choices: list[str] = Field(default_factory=list)  # of an `enum`: the texts that it may be
    minimum: int | FiniteFloat | None = None  # of an `integer` or a `number`, as the maximum
    maximum: int | FiniteFloat | None = None

    @property
    def type_word(self) -> str:
        return self.type.replace("_", " ")

    @property
    def may_be_absent(self) -> bool:
        return self.optional and self.default is None


class DatasetBinding(Part):
    """An input fed by a dataset; without a version, by its latest at submission."""

    kind: Literal["dataset"] = "dataset"
    dataset: str  # name in the workspace
    version: int | None = None


class ModelBinding(Part):
    """An input fed by a registered model: by this version, or by the newest in this stage, or by its latest.

    Which version that is is settled at submission. `name` is how people write it.
    """

    kind: Literal["model"] = "model"
    model: str  # name in the workspace
    version: int | None = None
    stage: Literal["staging", "production"] | None = None

    @property
    def name(self) -> str:
        """`NAME`, `NAME:VERSION` or `NAME@STAGE`."""
        version = "" if self.version is None else f":{self.version}"
        return f"{self.model}{version}" + (f"@{self.stage}" if self.stage else "")


class OutputBinding(Part):
    """An input fed by another step's output: an edge of the graph, as is what a step runs after."""

    kind: Literal["output"] = "output"
    step: str
    output: str


class ParameterBinding(Part):
    """An input fed by what a parameter names: the value of a `dataset` or a `data_path`."""

    kind: Literal["parameter"] = "parameter"
    parameter: str


Binding = Annotated[DatasetBinding | ModelBinding | OutputBinding | ParameterBinding, Field(discriminator="kind")]


class Input(Part):
    """A named input. Without a binding it is unbound, which is a problem at submission unless it is optional.

    One that is fed by a parameter without a value is absent as well, and must be optional for that.
    """

    name: str
    binding: Binding | None = None
    mode: InputMode = "download"
    optional: bool = False


class OnlyIf(Part):
    """The branch that a step is on: it runs only where the answer of `step`, a condition, is this one."""

    step: str
    answer: bool


class EnvironmentVariable(Part):
    """A variable that the step's process gets. Placeholders in its value stand for what they do in arguments."""

    name: str
    value: str = ""


class NodePart(Part):
    """Of a step that works on several nodes: one of its parts, or the step itself, which puts them together."""

    step: str  # the name that it has in its pipeline
    number: int  # from 1; 0: it puts the others together
    count: int

    @property
    def unites(self) -> bool:
        return not self.number


class Registration(Part):
    """The output becomes a version of this dataset when the step completes."""

    dataset: str  # name in the workspace; made where there is none
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class Output(Part):
    """A named folder that the step writes, or with `file` the one file of that name in it.

    Without a path it is intermediate data (Azure ML's `PipelineData`), below the datastore's folder of runs; with one,
    a destination (`OutputFileDatasetConfig`) in which `{run-id}` and `{output-name}` stand for the run and the output.
    """

    name: str
    datastore: str | None = None  # name in the workspace; its default at submission
    path: str | None = None
    file: str | None = None  # as in `model.pkl`: the placeholder is its path, and nothing else is part of the output
    mode: OutputMode = "upload"
    required: bool = False  # a step that leaves it empty has failed
    register_as: Registration | None = None
    taken_from: str | None = None  # of a step that runs another pipeline: `STEP.OUTPUT` there; else that of its name

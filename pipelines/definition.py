"""A pipeline as a document: what the builder edits, a version stores, and a run freezes.

Shape only. `pipelines.validation` says whether a document of this shape makes sense, field by field, so that a
half-finished pipeline can be saved and not submitted.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from compute.spec import InputMode, Limits, OutputMode, Resources, Retry
from studio.lib.typed_json import Document

ParameterType = Literal["string", "integer", "number", "boolean", "enum"]
ParameterValue = str | int | float | bool


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(Part):
    """A value given at submission; `${{parameters.NAME}}` in the arguments of steps.

    Without a default it must be given, unless it is optional: then a run may go without a value of it.
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
    def may_be_absent(self) -> bool:
        return self.optional and self.default is None


class DatasetBinding(Part):
    """An input fed by a dataset; without a version, by its latest at submission."""

    kind: Literal["dataset"] = "dataset"
    dataset: str  # name in the workspace
    version: int | None = None


class OutputBinding(Part):
    """An input fed by another step's output: an edge of the graph, as is what a step runs after."""

    kind: Literal["output"] = "output"
    step: str
    output: str


Binding = Annotated[DatasetBinding | OutputBinding, Field(discriminator="kind")]


class Input(Part):
    """A named input. Without a binding it is unbound, which is a problem at submission unless it is optional."""

    name: str
    binding: Binding | None = None
    mode: InputMode = "download"
    optional: bool = False

    @property
    def is_absent(self) -> bool:
        return self.optional and self.binding is None


class Registration(Part):
    """The output becomes a version of this dataset when the step completes."""

    dataset: str  # name in the workspace; made where there is none
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class Output(Part):
    """A named folder that the step writes.

    Without a path it is intermediate data (Azure ML's `PipelineData`), below the datastore's folder of runs; with one,
    a destination (`OutputFileDatasetConfig`) in which `{run-id}` and `{output-name}` stand for the run and the output.
    """

    name: str
    datastore: str | None = None  # name in the workspace; its default at submission
    path: str | None = None
    mode: OutputMode = "upload"
    required: bool = False  # a step that leaves it empty has failed
    register_as: Registration | None = None


class PythonScriptStep(Part):
    """Runs one script of a source folder.

    `arguments` is written as on a command line, quotes included; `${{inputs.NAME}}`, `${{outputs.NAME}}` and
    `${{parameters.NAME}}` stand for a path, a path and a value. What stands within `$[[…]]` is left out as a whole
    where an optional input or parameter in it is absent.
    """

    kind: Literal["python_script"] = "python_script"
    name: str
    description: str = ""
    source: str | None = None  # digest of the snapshot that holds the step's files
    entry: str = ""  # path of the script in the source folder
    arguments: str = ""
    inputs: list[Input] = Field(default_factory=list)
    outputs: list[Output] = Field(default_factory=list)
    run_after: list[str] = Field(default_factory=list)  # names of steps that must be done first, read from or not
    environment: str = "python"  # "NAME" for the latest version at submission, or "NAME:VERSION"
    compute: str = "local"
    allow_reuse: bool = True
    timeout_s: FiniteFloat | None = None
    retry: Retry = Field(default_factory=Retry)
    limits: Limits = Field(default_factory=Limits)
    resources: Resources = Field(default_factory=Resources)  # what it asks of its node; a slot, where nothing is said

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: Any) -> Any:
        """They had `retries`, the number of further attempts after a failure of the script."""
        if isinstance(data, dict) and isinstance(retries := data.get("retries"), int) and "retry" not in data:
            data = {name: value for name, value in data.items() if name != "retries"}
            return {**data, "retry": {"max_attempts": retries + 1}}
        return data


Step = PythonScriptStep  # a union, told apart by `kind`, as soon as there is a second kind


class PipelineDefinition(Document):
    """A whole pipeline."""

    parameters: list[Parameter] = Field(default_factory=list)
    steps: list[Step] = Field(default_factory=list)

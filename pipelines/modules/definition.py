"""A version of a module as a document: the step that it is, and its ports."""

from typing import Literal

from pydantic import Field

from pipelines.definition import Parameter, Step
from pipelines.parts import Part
from studio.lib.typed_json import Document

PortType = Literal["any", "folder", "file", "table"]
PORT_WORDS: dict[PortType, str] = {
    "any": "any data",
    "folder": "a folder",
    "file": "one file",
    "table": "a table",
}
STEP_NAME = "step"  # of the step in a module: a step of a pipeline has a name of its own


class ModuleInput(Part):
    """What a step that uses the module binds data to."""

    name: str
    type: PortType = "any"
    optional: bool = False
    description: str = ""

    @property
    def type_words(self) -> str:
        return PORT_WORDS[self.type]


class ModuleOutput(Part):
    """What the module writes: a folder, or with `file` the one file of that name."""

    name: str
    file: str | None = None
    required: bool = False  # it failed where this is left empty
    description: str = ""


class ModuleDefinition(Document):
    """Everything that a version of a module is. Where it goes and what feeds it, the steps say that use it.

    `${{parameters.NAME}}` in the step's texts and settings speaks of `parameters` here, never of a pipeline's.
    """

    step: Step
    inputs: list[ModuleInput] = Field(default_factory=list)
    outputs: list[ModuleOutput] = Field(default_factory=list)
    parameters: list[Parameter] = Field(default_factory=list)

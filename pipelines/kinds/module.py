"""A module as a step: a step definition that was published on its own, with versions and ports.

What it does stands in the module. Where a run is made, or somebody asks what is wrong, `pipelines.modules.resolving`
puts the published step in its place: nothing of this kind is ever frozen.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from compute.spec import Limits, Resources, Retry
from pipelines.kinds.interface import Example, Place, SourceFiles, StepBase
from pipelines.kinds.passed_values import PassedValues, speaking_of_data, texts_of
from pipelines.parts import ParameterValue
from pipelines.placeholders import HasPlaceholders


class ModuleStep(StepBase):
    """Runs a step that was published as a module, with values for its parameters.

    Its inputs and outputs are the module's ports, by name. Besides the compute target it says nothing of how the step
    runs: that is the module's.
    """

    label: ClassVar[str] = "Module"
    icon: ClassVar[str] = "puzzle"
    summary: ClassVar[str] = "Runs a step that was published for many pipelines, in the version that you choose."
    card_field: ClassVar[str] = "module"
    is_module: ClassVar[bool] = True

    kind: Literal["module"] = "module"
    module: str = Field(
        default="",
        title="Module",
        description="One of this workspace. Its ports are the inputs and outputs of this step.",
        json_schema_extra={"widget": "module"},
    )
    module_version: int | None = Field(
        default=None,
        title="Version of it",
        description="The default one is looked up when a run is submitted.",
        json_schema_extra={"widget": "module_version"},
    )
    parameters: PassedValues = Field(default_factory=list)
    environment: str = ""
    compute: str = ""  # empty: as the module says

    @classmethod
    def example(cls, *, reads: bool) -> Example:  # noqa: ARG003 (what it reads, the module says)
        return Example({})

    @property
    def subtitle(self) -> str:
        version = f", version {self.module_version}" if self.module_version is not None else ""
        return f"{self.module}{version}"

    def texts(self) -> Mapping[Place, HasPlaceholders]:
        return dict(texts_of(self.parameters))

    def problems(self, files: SourceFiles | None) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 (it has none)
        if not self.module:
            yield "module", "Choose the module to run."
        for place in speaking_of_data(self.parameters):
            yield place, "Data goes to a module by an input with the name of its port, not as a value."
        for name in self._settings_of_the_module():
            yield name, "The module says this. Take it away here, or publish a version of the module that says so."
        for index, output in enumerate(self.outputs):
            if output.taken_from:
                yield (
                    ("outputs", index, "name"),
                    "An output of a module is taken from nowhere else. Leave only its name.",
                )

    def argv(self, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> list[str]:  # noqa: ARG002
        return []  # the step of the module runs, and not this one

    def _settings_of_the_module(self) -> Iterator[str]:
        said: dict[str, tuple[object, object]] = {
            "source": (self.source, None),
            "environment": (self.environment, ""),
            "environment_variables": (self.environment_variables, []),
            "timeout_s": (self.timeout_s, None),
            "retry": (self.retry, Retry()),
            "limits": (self.limits, Limits()),
            "resources": (self.resources, Resources()),
        }
        yield from (name for name, (value, usual) in said.items() if value != usual)

"""What an import would make, before anything is made. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from compute.spec import EnvironmentSpec
from pipelines.definition import PipelineDefinition
from pipelines.yaml.located import Spot
from studio.lib.problems import Problem

SpotOf = Callable[[Sequence[str | int]], Spot]  # from a path into the definition to where the file says that


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    name: str
    spec: EnvironmentSpec
    description: str
    spot: Spot


@dataclass(frozen=True, slots=True)
class NewDataset:
    name: str
    data_path: str  # as a parameter of the type `data_path` has it
    description: str
    tags: dict[str, str]
    spot: Spot


@dataclass(frozen=True, slots=True)
class NewFiles:
    """Files of what was uploaded, that become data in the default datastore."""

    folder: str  # in the datastore
    files: dict[str, str]  # by name below that folder, the path in what was uploaded


@dataclass(frozen=True, slots=True)
class NewPipeline:
    name: str
    description: str
    definition: PipelineDefinition
    spot_of: SpotOf
    spot: Spot  # of its name


@dataclass(slots=True)
class Plan:
    """In this order; of the pipelines, those that another one runs come before it, and the one that was meant last."""

    environments: list[NewEnvironment] = field(default_factory=list)
    files: list[NewFiles] = field(default_factory=list)
    datasets: list[NewDataset] = field(default_factory=list)
    pipelines: list[NewPipeline] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)  # what has no meaning here, or another one

"""How a script is run: its environment, its target, and azureml's many other sections.

```python
from studio_sdk.core.runconfig import RunConfiguration

config = RunConfiguration()
config.environment.python.conda_dependencies.add_pip_package("scikit-learn")
config.target = "local"
```

Sections that mean nothing here (docker, history, spark) are kept as they are set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from studio_sdk.core.conda_dependencies import CondaDependencies
from studio_sdk.core.container_registry import ContainerRegistry
from studio_sdk.core.environment import (
    DEFAULT_CPU_IMAGE,
    DEFAULT_GPU_IMAGE,
    DockerEnvironment,
    DockerSection,
    Environment,
    PythonEnvironment,
    PythonSection,
    SparkSection,
)
from studio_sdk.exceptions import NotSupportedException, ProjectSystemException, RunConfigurationException

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "AmlComputeConfiguration",
    "ContainerRegistry",
    "Data",
    "DataLocation",
    "DataPath",
    "DataReferenceConfiguration",
    "Dataset",
    "DockerConfiguration",
    "DockerEnvironment",
    "DockerSection",
    "EnvironmentDefinition",
    "HistoryConfiguration",
    "MpiConfiguration",
    "OutputData",
    "ParallelTaskConfiguration",
    "PyTorchConfiguration",
    "PythonEnvironment",
    "PythonSection",
    "RunConfiguration",
    "SparkConfiguration",
    "SparkSection",
    "TensorflowConfiguration",
    "Uri",
]

_SECONDS_OF_A_MONTH = 30 * 24 * 3600
_UNNAMED = "default-environment"


class EnvironmentDefinition(Environment):
    """azureml's older name of an environment."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name or _UNNAMED)

    @property
    def _is_named(self) -> bool:
        return self.name != _UNNAMED


class DataReferenceConfiguration:
    """A path in a datastore, as `RunConfiguration.data_references` has it."""

    def __init__(
        self,
        datastore_name: str | None = None,
        mode: str = "mount",
        path_on_datastore: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.datastore_name = datastore_name
        self.mode = mode
        self.path_on_datastore = path_on_datastore
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite


class DataPath:
    def __init__(self, datastore_name: str | None = None, relative_path: str | None = None) -> None:
        self.datastore_name = datastore_name
        self.relative_path = relative_path


class Dataset:
    def __init__(
        self, dataset_id: str | None = None, dataset_name: str | None = None, dataset_version: str | None = None
    ) -> None:
        self.id = dataset_id
        self.name = dataset_name
        self.version = dataset_version


class Uri:
    def __init__(self, path: str | None = None, is_file: bool = False) -> None:
        self.path = path
        self.is_file = is_file


class DataLocation:
    def __init__(
        self, dataset: Dataset | None = None, data_path: DataPath | None = None, uri: Uri | None = None
    ) -> None:
        self.dataset = dataset
        self.data_path = data_path
        self.uri = uri


class Data:
    def __init__(
        self,
        data_location: DataLocation | None = None,
        create_output_directories: bool | None = None,
        mechanism: str = "direct",
        environment_variable_name: str | None = None,
        path_on_compute: str | None = None,
        overwrite: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.data_location = data_location
        self.create_output_directories = create_output_directories
        self.mechanism = mechanism
        self.environment_variable_name = environment_variable_name
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite
        self.options = dict(options or {})


class OutputData:
    def __init__(self, output_location: Any = None, mechanism: str = "mount", additional_options: Any = None) -> None:
        self.output_location = output_location
        self.mechanism = mechanism
        self.additional_options = additional_options


class MpiConfiguration:
    """More than one node or process raises when the step is made: scripts run on one node, in one process each."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count


class PyTorchConfiguration:
    """As MpiConfiguration."""

    def __init__(
        self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1
    ) -> None:
        self.communication_backend = communication_backend
        self.process_count = process_count
        self.node_count = node_count


class TensorflowConfiguration:
    """As MpiConfiguration."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count


class ParallelTaskConfiguration:
    def __init__(self) -> None:
        self.max_retries_per_worker = 0
        self.worker_count_per_node = 1
        self.terminal_exit_codes: list[int] | None = None


class AmlComputeConfiguration:
    def __init__(self) -> None:
        self.vm_size: str | None = None
        self.vm_priority: str | None = None
        self._retain_cluster = False
        self._cluster_max_node_count = 1


class SparkConfiguration:
    def __init__(self) -> None:
        self.configuration: dict[str, str] = {}


class HistoryConfiguration:
    """What a step writes to `outputs/` and `logs/` is kept always."""

    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]


class DockerConfiguration:
    """Kept and means nothing: steps run without containers."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: list[str] | None = None,
        shm_size: str | None = "2g",
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = list(arguments or [])
        self.shm_size = shm_size


class RunConfiguration:
    """How a script is run. `target` is the name of a compute target, `environment` what it finds there."""

    def __init__(
        self,
        script: str | None = None,
        arguments: list[Any] | None = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: CondaDependencies | None = None,
        _history_enabled: bool | None = None,
        _path: str | None = None,
        _name: str | None = None,
        command: Any = None,
    ) -> None:
        self.script = script or "train.py"
        self.command = command
        self.arguments: list[Any] = list(arguments or [])
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self._target = "local"
        self.max_run_duration_seconds: int | None = _SECONDS_OF_A_MONTH
        self.node_count = 1
        self.priority: int | None = None
        self.environment: Environment = EnvironmentDefinition()
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.history = HistoryConfiguration()
        self.spark = SparkConfiguration()
        self.docker = DockerConfiguration()
        self.amlcompute = AmlComputeConfiguration()
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.paralleltask = ParallelTaskConfiguration()
        self.data_references: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        self.output_data: dict[str, Any] = {}
        self.source_directory_data_store: str | None = None
        self.auto_prepare_environment = True

    @property
    def target(self) -> str:
        """The name of its compute target. A target itself may be given."""
        return self._target

    @target.setter
    def target(self, target: Any) -> None:
        name = getattr(target, "name", target)
        if not isinstance(name, str) or not name:
            raise RunConfigurationException("Give the name of a compute target, or the target itself.")
        self._target = name

    @property
    def environment_variables(self) -> dict[str, str]:
        return self.environment.environment_variables

    @environment_variables.setter
    def environment_variables(self, value: Mapping[str, str]) -> None:
        self.environment.environment_variables = dict(value)

    @property
    def _has_own_environment(self) -> bool:
        """Whether somebody said anything of the environment; else the target's default one is meant."""
        environment = self.environment
        if not isinstance(environment, EnvironmentDefinition) or environment.name != _UNNAMED:
            return True
        return environment._as_json() != EnvironmentDefinition()._as_json()

    def save(
        self,
        path: str | os.PathLike[str] | None = None,
        name: str | None = None,
        separate_environment_yaml: bool = False,
    ) -> None:
        """Write it, for `load`: to the file `path`, or to `.azureml/NAME.runconfig` below the folder `path`."""
        if separate_environment_yaml:
            raise NotSupportedException("The environment is written into the same file: leave this out.")
        place = _place(path, name)
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        said = {
            "script": self.script,
            "arguments": [str(each) for each in self.arguments],
            "command": self.command,
            "target": self.target,
            "framework": self.framework,
            "communicator": self.communicator,
            "nodeCount": self.node_count,
            "maxRunDurationSeconds": self.max_run_duration_seconds,
            "environment": self.environment._as_json(),
        }
        with open(place, "w", encoding="utf-8") as file:
            json.dump(said, file, indent=4)  # which is YAML, too
            file.write("\n")

    @staticmethod
    def load(path: str | os.PathLike[str], name: str | None = None) -> RunConfiguration:
        """What `save` wrote. Raises ProjectSystemException."""
        place = _place(path, name)
        try:
            with open(place, encoding="utf-8") as file:
                said = json.load(file)
            made = RunConfiguration(said["script"], said["arguments"], said["framework"], said["communicator"])
            made.command = said["command"]
            made.target = said["target"]
            made.node_count = int(said["nodeCount"])
            made.max_run_duration_seconds = said["maxRunDurationSeconds"]
            made.environment = _environment(said["environment"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProjectSystemException(
                f"{place} can't be read as what RunConfiguration.save wrote: {error}."
            ) from None
        return made

    @staticmethod
    def delete(path: str | os.PathLike[str], name: str) -> None:
        os.unlink(_place(path, name))

    def __repr__(self) -> str:
        return f"RunConfiguration(script={self.script!r}, target={self.target!r})"


def _environment(said: Mapping[str, Any]) -> Environment:
    found = Environment._of_json(said)
    if found.name != _UNNAMED:
        return found
    made = EnvironmentDefinition()
    made.python, made.environment_variables = found.python, found.environment_variables
    return made


def _place(path: str | os.PathLike[str] | None, name: str | None) -> str:
    where = os.fspath(path or ".")
    if name is None:
        return where if not os.path.isdir(where) else os.path.join(where, ".azureml", "default.runconfig")
    return os.path.join(where, ".azureml", f"{name}.runconfig")

"""Estimators: a script with the packages that it needs, as azureml had them before `ScriptRunConfig`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.core.conda_dependencies import CondaDependencies
from studio_sdk.core.environment import Environment
from studio_sdk.core.runconfig import RunConfiguration
from studio_sdk.exceptions import NotSupportedException, UserErrorException

__all__ = ["Estimator", "MMLBaseEstimator"]

# What names a machine or an image: kept by azureml for its own use, and without a meaning here.
_WITHOUT_MEANING = ("vm_size", "vm_priority", "use_gpu", "use_docker", "shm_size")


class MMLBaseEstimator:
    """Base of all: what a step needs to know of one."""

    def __init__(
        self,
        source_directory: Any,
        *,
        compute_target: Any,
        entry_script: str,
        run_config: RunConfiguration,
        script_params: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | None = None,
    ) -> None:
        self._source_directory = source_directory
        self._run_config = run_config
        self.compute_target = compute_target
        self.entry_script = entry_script
        self.script_params = dict(script_params or {})
        self.inputs = list(inputs or [])

    @property
    def source_directory(self) -> Any:
        return self._source_directory

    @property
    def run_config(self) -> RunConfiguration:
        return self._run_config

    @property
    def conda_dependencies(self) -> Any:
        return self._run_config.environment.python.conda_dependencies


class Estimator(MMLBaseEstimator):
    """A script of a source directory, with its packages.

    ```python
    Estimator("src", entry_script="train.py", compute_target="local", pip_packages=["scikit-learn==1.5.0"])
    ```
    """

    def __init__(
        self,
        source_directory: Any,
        *,
        compute_target: Any = None,
        entry_script: str | None = None,
        script_params: Mapping[str, Any] | None = None,
        node_count: int = 1,
        process_count_per_node: int = 1,
        conda_packages: Iterable[str] | None = None,
        pip_packages: Iterable[str] | None = None,
        environment_variables: Mapping[str, str] | None = None,
        environment_definition: Environment | None = None,
        inputs: Iterable[Any] | None = None,
        max_run_duration_seconds: float | None = None,
        **more: Any,
    ) -> None:
        if not entry_script:
            raise UserErrorException("Give the entry_script of the estimator.")
        unknown = {name: value for name, value in more.items() if name not in _WITHOUT_MEANING and value is not None}
        if unknown:
            raise NotSupportedException(
                f"{', '.join(unknown)} of an estimator: give environment_definition, an Environment, instead."
            )
        if node_count > 1 or process_count_per_node > 1:
            raise NotSupportedException("An estimator runs on one node, in one process: use ParallelRunStep for more.")
        run_config = RunConfiguration()
        if environment_definition is not None:
            if conda_packages or pip_packages:
                raise UserErrorException("An environment_definition has its packages: leave the others out.")
            run_config.environment = environment_definition
        elif conda_packages or pip_packages:
            needed = CondaDependencies.create(
                conda_packages=list(conda_packages or []), pip_packages=list(pip_packages or [])
            )
            run_config.environment.python.conda_dependencies = needed
        if environment_variables:
            run_config.environment_variables = dict(environment_variables)
        if max_run_duration_seconds:
            run_config.max_run_duration_seconds = int(max_run_duration_seconds)
        super().__init__(
            source_directory,
            compute_target=compute_target,
            entry_script=entry_script,
            run_config=run_config,
            script_params=script_params,
            inputs=inputs,
        )

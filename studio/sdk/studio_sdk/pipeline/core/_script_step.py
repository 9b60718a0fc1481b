"""What steps have in common that run files of their own in an environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.core.environment import EnvironmentReference
from studio_sdk.core.runconfig import EnvironmentDefinition, RunConfiguration
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports, common, parameter_variables, variables
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.builder import PipelineStep


class ScriptStep(PipelineStep):
    """With a source directory, a run configuration, parameters as variables, and reuse."""

    def __init__(
        self,
        *,
        name: str,
        arguments: Iterable[Any] | None,
        compute_target: Any,
        runconfig: Any,
        runconfig_pipeline_params: Mapping[str, Any] | None,
        inputs: Iterable[Any] | None,
        outputs: Iterable[Any] | None,
        params: Mapping[str, Any] | None,
        source_directory: Any,
        allow_reuse: bool,
        version: str | None,
        hash_paths: Iterable[str] | None = None,
    ) -> None:
        super().__init__(name, inputs, outputs, arguments)
        if runconfig is not None and not isinstance(runconfig, RunConfiguration):
            raise UserErrorException(f"runconfig of “{name}” is a {type(runconfig).__name__}: give a RunConfiguration.")
        if runconfig_pipeline_params:
            refuse(
                f"runconfig_pipeline_params ({', '.join(runconfig_pipeline_params)})", "PipelineParameters in arguments"
            )
        self._compute_target = compute_target
        self._runconfig = runconfig
        self._params = dict(params or {})
        self._source_directory = source_directory
        self._allow_reuse = allow_reuse
        self._version = version
        self._hash_paths = list(hash_paths or [])

    def _fill_common(self, making: Making, step: dict[str, Any], ports: Ports, script: str | None) -> None:
        """All but what the kind itself says. Ends with the ports."""
        making.folder(step, self._source_directory, script)
        making.compute(step, self._compute_target)
        fill_runconfig(making, step, self._runconfig)
        if self._hash_paths:
            step["hash_paths"] = [str(path) for path in self._hash_paths]
        parameter_variables(ports, self._params)
        common(step, allow_reuse=self._allow_reuse, version=self._version)
        ports.finish()


def fill_runconfig(making: Making, step: dict[str, Any], runconfig: Any) -> None:
    """What a run configuration says of a step. Raises NotSupportedException."""
    if runconfig is None:
        return
    if step.get("compute") is None and runconfig.target:
        making.compute(step, runconfig.target)
    if runconfig._has_own_environment:
        _fill_environment(making, step, runconfig.environment)
    if (runconfig.node_count or 1) > 1:
        refuse("A script over several nodes (node_count)", "ParallelRunStep")
    limit = runconfig.max_run_duration_seconds
    if limit and limit != RunConfiguration().max_run_duration_seconds:
        step["timeout_s"] = limit


def _fill_environment(making: Making, step: dict[str, Any], environment: Any) -> None:
    """Variables alone make no environment of their own: they are the step's. A name alone means a registered one."""
    if isinstance(environment, EnvironmentDefinition):
        packages = {name: value for name, value in environment._spec().items() if name != "variables"}
        if not any(packages.values()):
            variables(step, environment.environment_variables)
            if environment._is_named:
                making.environment(step, EnvironmentReference(environment.name, environment.version))
            return
    making.environment(step, environment)

"""A step that was published once for many pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.builder import PipelineStep, identity
from studio_sdk.pipeline.core.graph import InputPortBinding
from studio_sdk.pipeline.core.module import Module, ModuleVersion

__all__ = ["ModuleStep"]


class ModuleStep(PipelineStep):
    """Runs a module. `inputs_map` and `outputs_map` say what its ports are, by their names.

    With `version`, or a `module_version`, that one; else the module's default when the run is submitted.

    ```python
    fit = ModuleStep(module, inputs_map={"table": prepared}, outputs_map={"model": model}, params={"rate": 0.1})
    ```
    """

    def __init__(
        self,
        module: Module | None = None,
        version: str | None = None,
        module_version: ModuleVersion | None = None,
        inputs_map: Mapping[str, Any] | None = None,
        outputs_map: Mapping[str, Any] | None = None,
        compute_target: Any = None,
        runconfig: Any = None,
        runconfig_pipeline_params: Mapping[str, Any] | None = None,
        arguments: Any = None,
        params: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        if (module is None) == (module_version is None):
            raise UserErrorException("Give a module, or a module_version.")
        if version is not None and module_version is not None:
            raise UserErrorException("A module_version says which version it is: leave version out.")
        for what, value in (("runconfig", runconfig), ("runconfig_pipeline_params", runconfig_pipeline_params)):
            if value:
                refuse(f"{what} of a ModuleStep", "the runconfig that the module is published with")
        if arguments:
            refuse("arguments of a ModuleStep", "params, for the parameters that the module is published with")
        if module_version is not None:
            self._module_name = module_version._module_name
            self._module_version: int | None = int(module_version.version)
        else:
            assert module is not None
            self._module_name = module.name
            self._module_version = None if version is None else int(module.resolve(version).version)
        self._inputs_map = dict(inputs_map or {})
        self._outputs_map = dict(outputs_map or {})
        self._params = dict(params or {})
        self._compute_target = compute_target
        super().__init__(name or self._module_name, self._inputs_map.values(), self._outputs_map.values())

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        step["kind"] = "module"
        step["module"] = self._module_name
        if self._module_version is not None:
            step["module_version"] = self._module_version
        making.compute(step, self._compute_target)
        ports = Ports(making, step)
        for name, value in self._inputs_map.items():
            ports.add_input(InputPortBinding(name, value))
        for name, value in self._outputs_map.items():
            ports.outputs[name] = {**making.output(value), "name": name}
        if self._params:
            values = [{"name": name, "value": making.value(value)} for name, value in self._params.items()]
            step["parameters"] = values
        ports.finish()

    def _output_name(self, value: Any) -> str:
        meant = identity(value)
        return next(name for name, output in self._outputs_map.items() if identity(output) is meant)

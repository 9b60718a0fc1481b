"""A script that Python runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports
from studio_sdk.pipeline.core._script_step import ScriptStep

__all__ = ["PythonScriptStep"]


class PythonScriptStep(ScriptStep):
    """Runs a script of a source directory, with arguments.

    Among `arguments` a `PipelineData`, an input or an output stands for its path, a `PipelineParameter` for its value.
    `params` are environment variables `AML_PARAMETER_NAME`. `version` is an environment variable of the step: another
    one is a reason to run it again. `hash_paths` is deprecated and works: only these files count for reuse.

    ```python
    train = PythonScriptStep(
        "train.py",
        name="train",
        arguments=["--data", prepared, "--rate", PipelineParameter("rate", 0.1), "--model", model],
        inputs=[prepared],
        outputs=[model],
        compute_target="local",
        source_directory="src/train",
    )
    ```
    """

    def __init__(
        self,
        script_name: str,
        name: str | None = None,
        arguments: Iterable[Any] | None = None,
        compute_target: Any = None,
        runconfig: Any = None,
        runconfig_pipeline_params: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        params: Mapping[str, Any] | None = None,
        source_directory: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
        hash_paths: Iterable[str] | None = None,
    ) -> None:
        if not isinstance(script_name, str) or not script_name:
            raise UserErrorException("Give the name of the script, a path in the source_directory.")
        super().__init__(
            name=name or script_name,
            arguments=arguments,
            compute_target=compute_target,
            runconfig=runconfig,
            runconfig_pipeline_params=runconfig_pipeline_params,
            inputs=inputs,
            outputs=outputs,
            params=params,
            source_directory=source_directory,
            allow_reuse=allow_reuse,
            version=version,
            hash_paths=hash_paths,
        )
        self._script_name = os.path.normpath(script_name).replace(os.sep, "/")

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        ports = Ports(making, step)
        ports.take(self._inputs, self._outputs, self._arguments)
        step["kind"] = "python_script"
        step["entry"] = self._script_name
        if self._arguments:
            step["arguments"] = ports.line(self._arguments)
        self._fill_common(making, step, ports, self._script_name)

"""A notebook that is run from top to bottom."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.core.runconfig import RunConfiguration
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports
from studio_sdk.pipeline.core._script_step import ScriptStep
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.graph import PipelineParameter

__all__ = ["AzureMLNotebookHandler", "NotebookRunConfig", "NotebookRunnerStep"]


class AzureMLNotebookHandler:
    """How a notebook is run. `timeout` is the time limit of a cell, in seconds."""

    def __init__(self, history: bool = True, timeout: int | None = None, progress_bar: bool = False) -> None:
        self.timeout = timeout
        self.history = history
        self.progress_bar = progress_bar


class NotebookRunConfig:
    """A notebook with what it runs in.

    ```python
    NotebookRunConfig(source_directory="notebooks", notebook="train.ipynb", parameters={"rate": 0.1})
    ```
    """

    def __init__(
        self,
        source_directory: Any,
        notebook: str,
        output_notebook: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        handler: AzureMLNotebookHandler | None = None,
        run_config: RunConfiguration | None = None,
    ) -> None:
        if output_notebook is not None:
            refuse("output_notebook", "the output “executed_notebook”, which every notebook's step has")
        self.source_directory = source_directory
        self.notebook = notebook
        self.parameters = dict(parameters or {})
        self.handler = handler
        self.run_config = run_config


class NotebookRunnerStep(ScriptStep):
    """Runs a notebook, with values for its cell of parameters. What it became is the output `executed_notebook`.

    `params` are values for the notebook, as those of its configuration; inputs and outputs are given by name too.

    ```python
    step = NotebookRunnerStep("report", NotebookRunConfig("notebooks", "report.ipynb"), params={"rate": rate})
    ```
    """

    def __init__(
        self,
        name: str | None = None,
        notebook_run_config: NotebookRunConfig | None = None,
        params: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        source_directory: Any = None,
        compute_target: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
        output_notebook_pipeline_data_name: str | None = None,
        runconfig_pipeline_params: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(notebook_run_config, NotebookRunConfig):
            raise UserErrorException("Give a NotebookRunConfig.")
        if output_notebook_pipeline_data_name is not None:
            refuse("output_notebook_pipeline_data_name", "the output “executed_notebook” of the step's run")
        config = notebook_run_config
        super().__init__(
            name=name or config.notebook,
            arguments=None,
            compute_target=compute_target,
            runconfig=config.run_config,
            runconfig_pipeline_params=runconfig_pipeline_params,
            inputs=inputs,
            outputs=outputs,
            params=None,
            source_directory=source_directory if source_directory is not None else config.source_directory,
            allow_reuse=allow_reuse,
            version=version,
        )
        self._config = config
        self._values = {**config.parameters, **(params or {})}

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        ports = Ports(making, step)
        ports.take(self._inputs, self._outputs, [])
        step["kind"] = "notebook"
        step["notebook"] = os.path.normpath(self._config.notebook).replace(os.sep, "/")
        data = {name: f"${{{{inputs.{name}}}}}" for name in ports.inputs}
        data.update({name: f"${{{{outputs.{name}}}}}" for name in ports.outputs})
        values = {**data, **{name: self._value(ports, value) for name, value in self._values.items()}}
        step["parameters"] = [{"name": name, "value": value} for name, value in values.items()]
        if self._config.handler is not None and self._config.handler.timeout:
            step["cell_timeout_s"] = int(self._config.handler.timeout)
        self._fill_common(making, step, ports, step["notebook"])

    @staticmethod
    def _value(ports: Ports, value: Any) -> Any:
        if isinstance(value, (bool, int, float)) and not isinstance(value, PipelineParameter):
            return value
        return ports.text(value)

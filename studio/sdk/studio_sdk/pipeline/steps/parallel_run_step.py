"""A script over an input in batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from studio_sdk.data.output_dataset_config import OutputFileDatasetConfig
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports, common, variables
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.builder import PipelineStep, bound
from studio_sdk.pipeline.core.graph import PipelineParameter
from studio_sdk.pipeline.core.pipeline_output_dataset import PipelineOutputTabularDataset
from studio_sdk.pipeline.steps.parallel_run_config import ParallelRunConfig

__all__ = ["ParallelRunStep"]

_ROWS_FILE = "parallel_run_step.txt"


class ParallelRunStep(PipelineStep):
    """Calls `run(mini_batch)` of a script for each batch of an input, several at once.

    What `run` returns goes to one file of the output, `append_row_file_name`, in the order of the batches.
    `side_inputs` are inputs that every batch may read: give them among the `arguments`.

    ```python
    scored = OutputFileDatasetConfig("scored")
    score = ParallelRunStep(
        "score", config, inputs=[images.as_named_input("images")], output=scored, side_inputs=[model],
        arguments=["--model", model],
    )
    ```
    """

    def __init__(
        self,
        name: str,
        parallel_run_config: ParallelRunConfig,
        inputs: Iterable[Any],
        output: Any = None,
        side_inputs: Iterable[Any] | None = None,
        arguments: Iterable[Any] | None = None,
        allow_reuse: bool = True,
    ) -> None:
        if not isinstance(parallel_run_config, ParallelRunConfig):
            raise UserErrorException("Give a ParallelRunConfig.")
        split = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        if len(split) > 1:
            refuse(f"“{name}” with {len(split)} inputs that are split", "one, and side_inputs for the others")
        if not split:
            raise UserErrorException(f"Give “{name}” an input: what is split into batches.")
        self._config = parallel_run_config
        self._output = OutputFileDatasetConfig("results") if output is None else output
        self._split = split[0]
        self._side_inputs = list(side_inputs or [])
        self._allow_reuse = allow_reuse
        super().__init__(name, [*split, *self._side_inputs], [self._output], arguments)

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        config = self._config
        ports = Ports(making, step)
        split = ports.add_input(self._split)
        for given in self._side_inputs:
            ports.add_input(given)
        output = ports.add_output(self._output)
        ports.take([], [], self._arguments)
        rows = self._is_table()
        ports.tables.pop(split, None)  # it comes as rows in any case
        script = os.path.normpath(config.entry_script).replace(os.sep, "/")
        step.update({
            "kind": "parallel_run",
            "entry_script": script,
            "input": f"${{{{inputs.{split}}}}}",
            "output": f"${{{{outputs.{output}}}}}",
            "split_into": "rows" if rows else "files",
            "nodes": _setting(making, config.node_count, int),
            "error_threshold": _setting(making, config.error_threshold, int),
            "output_action": config.output_action,
            "append_row_file_name": config.append_row_file_name or _ROWS_FILE,
            "logging_level": config.logging_level,
            "batch_timeout_s": _setting(making, config.run_invocation_timeout, int),
            "max_tries": _setting(making, config.run_max_try, int),
            "processes": _setting(making, config.process_count_per_node or 0, int),
            "mini_batch_size": _setting(making, config.mini_batch_size or ("1MB" if rows else "1"), str),
        })  # fmt: skip
        if config.partition_keys:
            keys = config.partition_keys
            step["partition_keys"] = keys if isinstance(keys, str) else ", ".join(keys)
        if self._arguments:
            step["arguments"] = ports.line(self._arguments)
        making.folder(step, config.source_directory, script)
        making.compute(step, config.compute_target)
        making.environment(step, config.environment)
        variables(step, config.environment_variables)
        common(step, allow_reuse=self._allow_reuse, version=None)
        ports.finish()

    def _is_table(self) -> bool:
        """Whether batches are rows: of a table, and not of files."""
        source: Any = self._split
        if isinstance(source, PipelineOutputTabularDataset):
            return True
        source = bound(source)
        source = getattr(source, "dataset", source)
        source = getattr(source, "default_value", source)
        return any(kind.__name__ in ("TabularDataset", "OutputTabularDatasetConfig") for kind in type(source).__mro__)


def _setting(making: Making, value: Any, kind: Callable[[Any], Any]) -> Any:
    """As the definition has it: a value, or the parameter that feeds it."""
    if isinstance(value, PipelineParameter):
        return f"${{{{parameters.{making.parameter(value)}}}}}"
    return kind(value)

"""How a `ParallelRunStep` works on its batches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from studio_sdk.core.environment import Environment
from studio_sdk.exceptions import NotSupportedException, UserErrorException
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.graph import PipelineParameter

__all__ = ["ParallelRunConfig"]

_SIZE = re.compile(r"\A\s*[1-9]\d*\s*(?:[KMG]?B)?\s*\Z", re.IGNORECASE)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FIXED = ("output_action", "logging_level", "append_row_file_name", "partition_keys")


class ParallelRunConfig:
    """An entry script with `run(mini_batch)`, and how many batches are worked on at once.

    `mini_batch_size` is a number of files, as `10`, or about so many bytes of a table, as `"1MB"`. It and the
    numbers (nodes, processes, errors, time-out, tries) may be a `PipelineParameter`.

    ```python
    config = ParallelRunConfig(
        environment=environment, entry_script="score.py", source_directory="src", compute_target="local",
        node_count=1, process_count_per_node=2, mini_batch_size="5", error_threshold=0, output_action="append_row",
    )
    ```
    """

    def __init__(
        self,
        environment: Any,
        entry_script: str,
        error_threshold: int,
        output_action: str,
        compute_target: Any,
        node_count: int,
        process_count_per_node: int | None = None,
        mini_batch_size: Any = None,
        source_directory: Any = None,
        description: str | None = None,
        logging_level: str = "INFO",
        run_invocation_timeout: int = 60,
        run_max_try: int = 3,
        append_row_file_name: str | None = None,
        allowed_failed_count: int | None = None,
        allowed_failed_percent: float | None = None,
        partition_keys: Any = None,
        environment_variables: Mapping[str, str] | None = None,
    ) -> None:
        self.environment = environment
        self.entry_script = entry_script
        self.error_threshold = error_threshold
        self.output_action = output_action
        self.compute_target = compute_target
        self.node_count = node_count
        self.process_count_per_node = process_count_per_node
        self.mini_batch_size = mini_batch_size
        self.source_directory = source_directory
        self.description = description
        self.logging_level = logging_level
        self.run_invocation_timeout = run_invocation_timeout
        self.run_max_try = run_max_try
        self.append_row_file_name = append_row_file_name
        self.partition_keys = partition_keys
        self.environment_variables = dict(environment_variables or {})
        if allowed_failed_count is not None or allowed_failed_percent is not None:
            refuse("allowed_failed_count or allowed_failed_percent", "error_threshold, which counts files or rows,")
        for name in _FIXED:
            if isinstance(getattr(self, name), PipelineParameter):
                raise NotSupportedException(
                    f"{name} can't be a PipelineParameter here: give its value, and another one in another version."
                )
        self._check()

    def _check(self) -> None:
        if self.output_action not in ("append_row", "summary_only"):
            raise UserErrorException(f"output_action is append_row or summary_only, and not {self.output_action!r}.")
        if self.append_row_file_name and self.output_action != "append_row":
            raise UserErrorException("append_row_file_name is of the output_action append_row.")
        if self.logging_level not in _LEVELS:
            raise UserErrorException(f"logging_level is one of {', '.join(_LEVELS)}, and not {self.logging_level!r}.")
        size = self.mini_batch_size
        size = size.default_value if isinstance(size, PipelineParameter) else size
        if size is not None and not _SIZE.match(str(size)):
            raise UserErrorException("mini_batch_size is a number above 0, as in 10, or a size, as in 10MB.")
        if self.partition_keys is not None and self.mini_batch_size is not None:
            raise UserErrorException(
                "With partition_keys a batch has the size of its partition: leave mini_batch_size out."
            )

    def save_to_yaml(self, path: str) -> None:
        """Write it as a file that `load_yaml` reads. Its environment must be one that is registered.

        JSON is YAML, too, and what this writes is JSON.
        """
        said = {name: value for name, value in self.__dict__.items() if value not in (None, {})}
        fed = next((name for name, value in said.items() if isinstance(value, PipelineParameter)), None)
        if fed is not None:
            raise NotSupportedException(f"{fed} is a PipelineParameter, which a file can't hold: give its value first.")
        environment = said.get("environment")
        if isinstance(environment, Environment):
            said["environment"] = environment.name
        target = said.get("compute_target")
        said["compute_target"] = target if isinstance(target, str) else getattr(target, "name", None)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(said, file, indent=2)
            file.write("\n")

    @staticmethod
    def load_yaml(workspace: Any, path: str) -> ParallelRunConfig:
        """Read what `save_to_yaml` wrote; of another file, JSON, or YAML where PyYAML is installed."""
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            said = json.loads(text)
        except ValueError:
            said = _yaml(text, path)
        if not isinstance(said, dict):
            raise UserErrorException(f"{path} has no settings by name.")
        try:
            return ParallelRunConfig(**said)
        except TypeError as error:
            raise UserErrorException(f"{path}: {error}.") from None


def _yaml(text: str, path: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise UserErrorException(f"{path} is no JSON, and PyYAML is not installed: pip install pyyaml.") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserErrorException(f"{path}: {error}.") from None

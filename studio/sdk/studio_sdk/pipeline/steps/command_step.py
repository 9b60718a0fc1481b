"""A command of the shell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studio_sdk.core.script_run_config import ScriptRunConfig
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making, Ports
from studio_sdk.pipeline.core._script_step import ScriptStep

__all__ = ["CommandStep"]


class CommandStep(ScriptStep):
    """Runs a command, given as a text or as a list of texts and data.

    Data in it stands for its path, whatever is in that: the shell never reads it as a part of the command.

    ```python
    counted = PipelineData("counted", is_directory=False)
    count = CommandStep(
        name="count", command=["wc -l", orders.as_named_input("orders").as_mount(), ">", counted],
        outputs=[counted],
    )
    ```
    """

    def __init__(
        self,
        command: Any = None,
        name: str | None = None,
        compute_target: Any = None,
        runconfig: Any = None,
        runconfig_pipeline_params: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        params: Mapping[str, Any] | None = None,
        source_directory: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
    ) -> None:
        if isinstance(runconfig, ScriptRunConfig):
            command = command if command is not None else runconfig.command
            source_directory = source_directory if source_directory is not None else runconfig.source_directory
            runconfig = runconfig.run_config
        if not command:
            raise UserErrorException("Give a command, as a text or a list.")
        words = [command] if isinstance(command, str) else list(command)
        super().__init__(
            name=name or _first_word(words),
            arguments=words,
            compute_target=compute_target,
            runconfig=runconfig,
            runconfig_pipeline_params=runconfig_pipeline_params,
            inputs=inputs,
            outputs=outputs,
            params=params,
            source_directory=source_directory,
            allow_reuse=allow_reuse,
            version=version,
        )

    def _fill(self, making: Making, step: dict[str, Any]) -> None:
        ports = Ports(making, step)
        ports.take(self._inputs, self._outputs, self._arguments)
        step["kind"] = "command"
        step["command"] = ports.command(self._arguments)
        self._fill_common(making, step, ports, None)


def _first_word(words: list[Any]) -> str:
    return next((word.split()[0] for word in words if isinstance(word, str) and word.split()), "command")

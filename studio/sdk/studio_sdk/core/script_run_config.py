"""A script with all that it takes to run it: what `Experiment.submit` makes a pipeline of one step of."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk.core.environment import Environment
from studio_sdk.core.runconfig import DockerConfiguration, RunConfiguration
from studio_sdk.exceptions import NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.experiment import Experiment
    from studio_sdk.core.run import Run

__all__ = ["ScriptRunConfig"]


class ScriptRunConfig:
    """As in `ScriptRunConfig("src", "train.py", ["--trees", 100], environment=environment, compute_target="local")`.

    The studio runs pipelines, so it becomes one with a single step, by the name of the experiment.
    """

    def __init__(
        self,
        source_directory: str | os.PathLike[str],
        script: str | None = None,
        arguments: list[Any] | None = None,
        run_config: RunConfiguration | None = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Environment | None = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: int | None = None,
        command: Any = None,
        docker_runtime_config: DockerConfiguration | None = None,
    ) -> None:
        if script is not None and command is not None:
            raise UserErrorException("Give either a script or a command.")
        if run_config is not None and (compute_target is not None or environment is not None):
            raise UserErrorException("Give either run_config, or compute_target and environment.")
        if resume_from is not None:
            raise NotSupportedException("Give what the script is to go on from as an input, in arguments.")
        if distributed_job_config is not None:
            _refuse_more_than_one(distributed_job_config)
        self.source_directory = os.fspath(source_directory)
        self.script = script
        self.command = command
        self.arguments: list[Any] = list(arguments or [])
        self.run_config = run_config or RunConfiguration(script, command=command)
        if compute_target is not None:
            self.run_config.target = compute_target
        if environment is not None:
            self.run_config.environment = environment
        if max_run_duration_seconds is not None:
            self.run_config.max_run_duration_seconds = max_run_duration_seconds
        if docker_runtime_config is not None:
            self.run_config.docker = docker_runtime_config
        if self.script is None and self.command is None:
            self.script = self.run_config.script if self.run_config.command is None else None
            self.command = self.run_config.command

    def _submit(self, experiment: Experiment, tags: Mapping[str, str] | None = None, **more: Any) -> Run:
        """A run of a pipeline of one step. Raises UserErrorException, ServiceException."""
        if more:
            raise TypeError(f"submit() takes no {', '.join(sorted(more))} for a ScriptRunConfig")
        from studio_sdk.core._one_step import submit

        return submit(self, experiment, dict(tags or {}))


def command_text(command: Any) -> str:
    """A list of parts, or a text that a shell reads."""
    if isinstance(command, (list, tuple)):
        return " ".join(shlex.quote(str(each)) for each in command)
    return str(command)


def _refuse_more_than_one(config: Any) -> None:
    counts = [
        getattr(config, name, 1) or 1
        for name in ("node_count", "process_count_per_node", "process_count", "worker_count")
    ]
    if any(int(count) > 1 for count in counts):
        raise NotSupportedException(
            "A script runs on one node, as one process: use ParallelRunStep, or leave distributed_job_config out."
        )

"""A ScriptRunConfig as what the studio runs: a pipeline of one step, by the name of its experiment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk.core.script_run import ScriptRun
from studio_sdk.exceptions import UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.experiment import Experiment
    from studio_sdk.core.script_run_config import ScriptRunConfig


def submit(config: ScriptRunConfig, experiment: Experiment, tags: Mapping[str, str]) -> ScriptRun:
    """Raises UserErrorException, ServiceException."""
    from studio_sdk.core.script_run_config import command_text
    from studio_sdk.pipeline.core import Pipeline
    from studio_sdk.pipeline.steps import CommandStep, PythonScriptStep

    if not os.path.isdir(config.source_directory):
        raise UserErrorException(f"There is no folder {config.source_directory}.")
    settings: dict[str, Any] = {
        "source_directory": config.source_directory,
        "compute_target": config.run_config.target,
        "runconfig": config.run_config,
        "arguments": config.arguments or config.run_config.arguments,
        "allow_reuse": False,  # in azureml a script that is submitted runs
    }
    if config.command is not None:
        step: Any = CommandStep(
            name=_name(experiment.name), command=command_text(config.command), **_without_arguments(settings)
        )
    else:
        step = PythonScriptStep(name=_name(config.script or ""), script_name=config.script or "", **settings)
    run = experiment.submit(Pipeline(experiment.workspace, [step], description=""), tags=dict(tags))
    return ScriptRun(experiment, f"{run.id}:{step.name}")


def _without_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "arguments"}


def _name(text: str) -> str:
    """Of a step, made of the script's name."""
    stem = os.path.basename(text).rpartition(".")[0] or os.path.basename(text)
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "script"

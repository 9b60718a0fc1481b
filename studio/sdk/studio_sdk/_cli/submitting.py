"""`studio run`: a file of a pipeline, or a script, becomes a run."""

from __future__ import annotations

import os
import re
from typing import Any

import click

from studio_sdk._cli.asking import as_json, in_workspace, notes_aside, with_parameters, workspace_of
from studio_sdk._cli.following import submitted
from studio_sdk.core.experiment import Experiment
from studio_sdk.core.workspace import Workspace

_YAML = (".yml", ".yaml")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_parameters
@click.option("-e", "--experiment", metavar="NAME", help="Else the name of the pipeline or of the script.")
@click.option("-f", "--follow", is_flag=True, help="Wait for its end, with its states and logs, and end as it ends.")
@click.option("--compute", metavar="NAME", help="Where a script runs; else “local”.")
@click.option("--env", "environment", metavar="NAME[:VERSION]", help="The environment that a script runs in.")
@click.option("--regenerate", is_flag=True, help="Run every step of a file, whatever earlier results there are.")
@click.option("--continue-on-failure", is_flag=True, help="Of a file: where a step fails, run what needs it not.")
@in_workspace
@as_json
def run(
    file: str,
    arguments: tuple[str, ...],
    parameters: dict[str, str],
    experiment: str | None,
    follow: bool,
    compute: str | None,
    environment: str | None,
    regenerate: bool,
    continue_on_failure: bool,
    workspace: str | None,
    is_json: bool,
) -> None:
    """Submit FILE: a pipeline (.yml, .yaml; the studio's own or Azure ML's), or a Python script (.py).

    A script is sent with the files of its folder, less what .amlignore or .gitignore leaves out. “--param rate=0.1”
    gives it the arguments “--rate 0.1”; others stand behind “--”, as in “studio run train.py -- --verbose data.csv”.
    """
    ending = os.path.splitext(file)[1].lower()
    script = {"--compute": compute, "--env": environment, "more arguments": arguments}
    pipeline = {"--regenerate": regenerate, "--continue-on-failure": continue_on_failure}
    if ending in _YAML:
        _refuse(script, "a script, and a file of a pipeline says it itself")
    elif ending == ".py":
        _refuse(pipeline, "a file of a pipeline")
    else:
        raise click.BadParameter(f"“{file}” is neither a pipeline (.yml, .yaml) nor a script (.py).", param_hint="FILE")
    there = workspace_of(workspace)
    with notes_aside(is_json):
        if ending == ".py":
            made = _script(there, file, parameters, arguments, experiment, compute, environment)
        else:
            made = _pipeline(there, file, parameters, experiment, regenerate, continue_on_failure)
    submitted(made, is_json=is_json, is_followed=follow)


def _refuse(given: dict[str, Any], whose: str) -> None:
    for name, value in given.items():
        if value:
            raise click.UsageError(f"{name[0].upper() + name[1:]} can be given for {whose}.")


def _pipeline(
    workspace: Workspace, file: str, parameters: dict[str, str], experiment: str | None, again: bool, go_on: bool
) -> Any:
    from studio_sdk.pipeline.core import Pipeline

    pipeline = Pipeline.load_yaml(workspace, file)
    return pipeline.submit(
        experiment or _experiment_of(str(pipeline.name)),
        pipeline_parameters=parameters,
        regenerate_outputs=again,
        continue_on_step_failure=go_on,
    )


def _experiment_of(pipeline: str) -> str:
    """As the studio's pages call it where nobody says another one."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", pipeline).strip("-_")[:100].rstrip("-") or "default"


def _script(
    workspace: Workspace,
    file: str,
    parameters: dict[str, str],
    more: tuple[str, ...],
    experiment: str | None,
    compute: str | None,
    environment: str | None,
) -> Any:
    from studio_sdk.core._one_step import _name
    from studio_sdk.core.environment import Environment
    from studio_sdk.core.script_run_config import ScriptRunConfig

    folder, name = os.path.split(os.path.abspath(file))
    env = None
    if environment is not None:
        env_name, _colon, version = environment.partition(":")
        env = Environment.get(workspace, env_name, version or None)
    arguments = [part for key, value in parameters.items() for part in (f"--{key}", value)]
    config = ScriptRunConfig(folder, name, [*arguments, *more], compute_target=compute or "local", environment=env)
    return Experiment(workspace, experiment or _name(name)).submit(config)

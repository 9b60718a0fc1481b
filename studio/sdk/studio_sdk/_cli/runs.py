"""Runs that are there: listed, read, ended, and run again."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from itertools import islice
from typing import IO
from urllib.parse import quote

import click

from studio_sdk._cli import telling
from studio_sdk._cli.asking import as_json, in_workspace, with_parameters, workspace_of
from studio_sdk._cli.following import follow as follow_run
from studio_sdk._cli.following import run_of, state_of, submitted
from studio_sdk._client import Client
from studio_sdk.core import _remote
from studio_sdk.core.run import Run
from studio_sdk.data._transfer import patiently

_STATUSES = ("queued", "running", "completed", "failed", "cancelled")
_COLUMNS: telling.Columns = {
    "RUN": lambda row: row["id"],
    "STATUS": lambda row: row["status"],
    "PIPELINE": lambda row: row["pipeline"]["name"],
    "EXPERIMENT": lambda row: row["experiment"],
    "STEPS": lambda row: f"{row['steps_done']}/{row['steps_total']}",
    "BY": lambda row: row["submitted_by"],
    "SUBMITTED": lambda row: telling.moment(row["created_at"]),
}


@click.command()
@click.option("-s", "--status", type=click.Choice(_STATUSES))
@click.option("-e", "--experiment", metavar="NAME")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@in_workspace
@as_json
def runs(status: str | None, experiment: str | None, limit: int, workspace: str | None, is_json: bool) -> None:
    """List runs, the newest first."""
    narrowed = {key: value for key, value in {"status": status, "experiment": experiment}.items() if value}
    rows = list(islice(workspace_of(workspace)._client.all_of("/runs/", **narrowed), limit))
    telling.tell(rows, _COLUMNS, is_json=is_json, nothing="There are no such runs.")


@click.command()
@click.argument("run_id", metavar="RUN[:STEP]")
@click.option("-f", "--follow", is_flag=True, help="Until the run is over, and end as it ends.")
@in_workspace
def logs(run_id: str, follow: bool, workspace: str | None) -> None:
    """Print the logs of a run, or of one step of it."""
    run = run_of(workspace_of(workspace), run_id)
    if follow:
        follow_run(run, is_json=False)
    steps = [run._step] if run._step else [step["name"] for step in state_of(run)["steps"]]
    for name in steps:
        if not run._step:
            click.secho(f"==> {name} <==", bold=True)
        path = f"/runs/{run._number}/steps/{quote(name, safe='')}/log/download/"
        with tempfile.TemporaryFile() as file:  # as a whole, so that a broken connection leaves no half of it here
            patiently(partial(_fetched, run._client, path, file))
            _write(file)


def _fetched(client: Client, path: str, file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()
    client.download(path, file)


def _write(file: IO[bytes]) -> None:
    """A log may be larger than this machine's memory."""
    file.seek(0)
    out = sys.stdout.buffer
    sys.stdout.flush()
    last = b"\n"
    while True:
        piece = file.read(1024**2)
        if not piece:
            break
        out.write(piece)
        last = piece[-1:]
    if last != b"\n":
        out.write(b"\n")
    out.flush()


@click.command()
@click.argument("run_id", metavar="RUN[:STEP]")
@in_workspace
@as_json
def cancel(run_id: str, workspace: str | None, is_json: bool) -> None:
    """Ask for the end of a run, or of one step of it."""
    run = run_of(workspace_of(workspace), run_id)
    answer = run._client.post(f"{run._path}cancel/", {})
    if is_json:
        telling.tell_json(answer)
    elif answer["status"] in _remote.OVER:
        was = answer.get("asked") is False
        click.echo(f"Run {run.id} {'was over already' if was else 'is over'}: {answer['status']}.")
    else:
        click.echo(f"The end of run {run.id} is asked for.")


@click.command()
@click.argument("run_id", metavar="RUN[:STEP]")
@with_parameters
@click.option("--failed", is_flag=True, help="Try again, in the same run, what failed, was cancelled or never ran.")
@click.option("--regenerate", is_flag=True, help="Run every step, whatever earlier results there are.")
@click.option("-f", "--follow", is_flag=True, help="Wait for its end, and end as it ends.")
@in_workspace
@as_json
def rerun(
    run_id: str,
    parameters: dict[str, str],
    failed: bool,
    regenerate: bool,
    follow: bool,
    workspace: str | None,
    is_json: bool,
) -> None:
    """Submit a run again: with its parameters, or others by --param.

    With RUN:STEP, a new run in which that step and all that depends on it run anew, and the others keep their results.
    """
    run = run_of(workspace_of(workspace), run_id)
    if (failed or run._step) and (parameters or regenerate):
        raise click.UsageError("--param and --regenerate are for a run that is submitted again as a whole.")
    if failed and run._step:
        raise click.UsageError("--failed is for a run, and not for one of its steps.")
    if failed:
        answer = run._client.post(f"{run._path}continue/", {})
        again = run
        steps = "1 of its steps" if answer["steps"] == 1 else f"{answer['steps']:,} of its steps"
        said = f"Run {run.id} goes on with {steps}."
    else:
        again = _anew(run, parameters, regenerate=regenerate)
        said = f"Submitted run {again.id}, which is run {run.id} again."
    if not is_json:
        click.echo(f"{said}\n{again.get_portal_url()}")
    submitted(again, is_json=is_json, is_followed=follow)


def _anew(run: Run, parameters: dict[str, str], *, regenerate: bool) -> Run:
    from studio_sdk.pipeline.core._sending import typed_values

    if run._step:
        row = run._client.post(f"{run._path}rerun/", None)
        return run_of(run.experiment.workspace, str(row["id"]))
    body: dict[str, object] = {}
    if parameters:
        state = state_of(run)
        path = f"/pipelines/{state['pipeline']['id']}/versions/{state['version']}/"
        known = {each["name"]: each for each in run._client.get(path)["definition"]["parameters"]}
        body["parameters"] = {**state["parameters"], **typed_values(parameters, known)}
    if regenerate:
        body["regenerate_outputs"] = True
    row = run._client.post(f"{run._path}resubmit/", body)
    return run_of(run.experiment.workspace, str(row["id"]))

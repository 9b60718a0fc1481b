"""A run by its id, watched to its end, and the exit code that it has."""

from __future__ import annotations

import sys
from typing import Any

import click

from studio_sdk._cli.asking import notes_aside
from studio_sdk._cli.telling import tell_json
from studio_sdk.core import _following
from studio_sdk.core.run import Run
from studio_sdk.core.workspace import Workspace

CANCELLED, LEFT = 3, 130
_CODES = {"Completed": 0, "Failed": 1, "Canceled": CANCELLED}


def run_of(workspace: Workspace, run_id: str) -> Run:
    """Raises UserErrorException."""
    return Run.get(workspace, run_id)


def follow(run: Run, *, is_json: bool) -> None:
    """States and logs as they come, through a restart of the studio, too. Ends this program as the run ended."""
    try:
        with notes_aside(is_json):
            details = _following.wait(run, show_output=True, raise_on_error=False)
    except KeyboardInterrupt:
        click.echo(
            f"\nRun {run.id} goes on. Look again by “studio logs -f {run.id}”, or end it by “studio cancel {run.id}”.",
            err=True,
        )
        sys.exit(LEFT)
    if is_json:
        tell_json(state_of(run))
    sys.exit(_CODES.get(details["status"], 1))


def submitted(run: Run, *, is_json: bool, is_followed: bool) -> None:
    """Tells of a new run, or follows it."""
    if is_followed:
        follow(run, is_json=is_json)
    elif is_json:
        tell_json(state_of(run))


def state_of(run: Run) -> dict[str, Any]:
    """As the REST interface has it: of a run with its steps, or of a step."""
    state: dict[str, Any] = run._client.get(run._path if run._step else f"/runs/{run._number}/")
    return state

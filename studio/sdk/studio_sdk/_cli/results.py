"""`studio download`: what a run left, as files."""

from __future__ import annotations

import os
from typing import Any

import click

from studio_sdk._cli.asking import in_workspace, workspace_of
from studio_sdk._cli.following import run_of
from studio_sdk.data._transfer import place_below
from studio_sdk.exceptions import UserErrorException


@click.command()
@click.argument("run_id", metavar="RUN[:STEP]")
@click.option("-o", "--output", "outputs", multiple=True, metavar="NAME", help="This one alone; may be repeated.")
@click.option("--artifacts", is_flag=True, help="The artifacts of the steps, too.")
@click.option("--logs", is_flag=True, help="The logs of the steps, too.")
@click.option("-d", "--to", "folder", type=click.Path(file_okay=False), default=".", help="A folder; else this one.")
@click.option("--overwrite", is_flag=True, help="Files that are there already; else they are left as they are.")
@in_workspace
def download(
    run_id: str,
    outputs: tuple[str, ...],
    artifacts: bool,
    logs: bool,
    folder: str,
    overwrite: bool,
    workspace: str | None,
) -> None:
    """Download the outputs of a run, or of one step of it: into folders STEP/OUTPUT."""
    run = run_of(workspace_of(workspace), run_id)
    steps: list[Any] = [run] if run._step else list(run.get_children())
    seen: set[str] = set()
    count = 0
    for step in steps:
        place = os.path.join(folder, step.name)
        for name, output in step.get_outputs().items():
            seen.add(name)
            if (outputs and name not in outputs) or not output._row["datastore"] or output._row["path"] is None:
                continue
            count += step._download_output(name, os.path.join(place, name), overwrite=overwrite, show_progress=True)
        if artifacts:
            for name in step.get_file_names():
                target = place_below(place, name)
                if os.path.exists(target) and not overwrite:
                    continue
                step.download_file(name, target)
                click.echo(f"Downloaded {name}")
                count += 1
    missing = [name for name in outputs if name not in seen]
    if missing:
        raise UserErrorException(
            f"Run {run.id} has no output “{missing[0]}”. It has: {', '.join(sorted(seen)) or 'none'}."
        )
    if logs:
        count += len(run.get_all_logs(folder))
    if not count and not seen and not artifacts:
        click.echo(f"Run {run.id} has no outputs. Its artifacts come with --artifacts.", err=True)
        return
    click.echo(f"{'1 file' if count == 1 else f'{count:,} files'}: {os.path.abspath(folder)}")

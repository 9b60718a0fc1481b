"""Pipelines as files: `studio export` and `studio import`."""

from __future__ import annotations

import os
import sys

import click

from studio_sdk._cli import telling
from studio_sdk._cli.asking import as_json, in_workspace, named, notes_aside, workspace_of
from studio_sdk._client import NotFound
from studio_sdk.exceptions import UserErrorException


@click.command()
@click.argument("pipeline", metavar="PIPELINE")
@click.option("--version", "number", type=click.IntRange(1), help="Else the latest.")
@click.option("--archive", is_flag=True, help="A ZIP archive, with the code of its steps: any studio can import it.")
@click.option("-o", "--output", "place", type=click.Path(dir_okay=False), help="A file; else the standard output.")
@in_workspace
def export(pipeline: str, number: int | None, archive: bool, place: str | None, workspace: str | None) -> None:
    """Write a pipeline, by its name, as YAML.

    The code of its steps stays in the studio unless --archive is given.
    """
    if archive and place is None and sys.stdout.isatty():
        raise click.UsageError("An archive is nothing for a terminal: say --output FILE.")
    client = workspace_of(workspace)._client
    row = named(list(client.all_of("/pipelines/", q=pipeline)), pipeline, "pipeline")
    number = number or row["latest_version"]
    if not number:
        raise UserErrorException(f"“{pipeline}” has no version yet: nothing of it was saved.")
    try:
        content = client.read(f"/pipelines/{row['id']}/versions/{number}/{'archive' if archive else 'yaml'}/")
    except NotFound:
        raise UserErrorException(
            f"“{pipeline}” has no version {number}. Its latest is {row['latest_version']}."
        ) from None
    if place is None:
        click.echo(content, nl=False)
        return
    draft = f"{place}.part"
    with open(draft, "wb") as file:
        file.write(content)
    os.replace(draft, place)
    click.echo(f"“{pipeline}”, version {number}: {place}")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@in_workspace
@as_json
def import_(file: str, workspace: str | None, is_json: bool) -> None:
    """Take in a pipeline of FILE: YAML of the studio or of Azure ML, or an archive (.zip) of “studio export”.

    The files beside a YAML file are sent where it speaks of them. A pipeline of that name gets it as its next version.
    """
    from studio_sdk.pipeline.core import _loaded

    there = workspace_of(workspace)
    with notes_aside(is_json):
        load = _loaded.load_archive if file.lower().endswith(".zip") else _loaded.load
        row = load(there, file)
    if is_json:
        telling.tell_json(row)
        return
    click.echo(f"“{row['name']}”, version {row['latest_version']}.\n{there.url}{row['url']}")

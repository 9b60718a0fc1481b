"""What a workspace has: datastores, data, compute and environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from studio_sdk._cli import telling
from studio_sdk._cli.asking import as_json, in_workspace, workspace_of
from studio_sdk.data._transfer import bytes_words
from studio_sdk.data.abstract_dataset import UNNAMED


def _packages(row: Mapping[str, Any]) -> str:
    return ", ".join([*row["conda"], *row["pip"]])


_DATASTORES: telling.Columns = {
    "NAME": lambda row: row["name"],
    "KIND": lambda row: row["kind"],
    "DEFAULT": lambda row: "yes" if row["is_default"] else "",
    "DESCRIPTION": lambda row: row["description"],
}
_DATA: telling.Columns = {
    "NAME": lambda row: row["name"],
    "KIND": lambda row: row["kind"],
    "VERSION": lambda row: row["latest_version"],
    "FILES": lambda row: telling.count(row["file_count"]),
    "SIZE": lambda row: "" if row["size_bytes"] is None else bytes_words(row["size_bytes"]),
    "ROWS": lambda row: telling.count(row["row_count"]),
    "CHANGED": lambda row: telling.moment(row["changed_at"]),
}
_COMPUTE: telling.Columns = {
    "NAME": lambda row: row["name"],
    "KIND": lambda row: row["kind"],
    "NODES": lambda row: sum(1 for node in row["nodes"] if node["state"] == "alive"),
    "WAITING": lambda row: row["queue_length"],
    "DESCRIPTION": lambda row: row["description"],
}
_ENV: telling.Columns = {
    "NAME": lambda row: row["name"],
    "VERSION": lambda row: row["version"],
    "PYTHON": lambda row: row["python_version"],
    "PACKAGES": _packages,
}


@click.command()
@in_workspace
@as_json
def datastores(workspace: str | None, is_json: bool) -> None:
    """List the datastores."""
    _tell(workspace, "/datastores/", _DATASTORES, is_json, "There are no datastores.")


@click.command()
@click.option("--all", "every", is_flag=True, help="Those that programs made without a name, too.")
@in_workspace
@as_json
def data(every: bool, workspace: str | None, is_json: bool) -> None:
    """List the datasets, with their latest versions."""
    rows = workspace_of(workspace)._client.all_of("/datasets/")
    shown = [row for row in rows if every or not row["name"].startswith(UNNAMED)]
    telling.tell(shown, _DATA, is_json=is_json, nothing="There are no datasets.")


@click.command()
@in_workspace
@as_json
def compute(workspace: str | None, is_json: bool) -> None:
    """List the compute targets, with how many nodes are alive and how many steps wait."""
    _tell(workspace, "/compute/", _COMPUTE, is_json, "There are no compute targets.")


@click.command()
@in_workspace
@as_json
def env(workspace: str | None, is_json: bool) -> None:
    """List the environments, with their latest versions."""
    _tell(workspace, "/environments/", _ENV, is_json, "There are no environments.")


def _tell(workspace: str | None, path: str, columns: telling.Columns, is_json: bool, nothing: str) -> None:
    rows = list(workspace_of(workspace)._client.all_of(path))
    telling.tell(rows, columns, is_json=is_json, nothing=nothing)

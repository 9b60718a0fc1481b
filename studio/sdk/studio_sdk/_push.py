"""`studio-sdk push`: a folder becomes the source files of a step, in a new version of its pipeline."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from difflib import get_close_matches
from typing import IO, Any

from studio_sdk import _git
from studio_sdk._client import Client, Conflict
from studio_sdk._folder import SourceFolder
from studio_sdk.exceptions import UserErrorException

_SCRIPT_FIELDS = ("entry", "notebook", "entry_script")  # of the kinds of steps, those that name the file that runs
_NO_FILES = ("approval", "condition", "map", "module", "pipeline", "sql", "sweep", "transfer", "wait")
_TOLD = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="whose files the step is to run")
    parser.add_argument("--pipeline", required=True, metavar="NAME")
    parser.add_argument("--step", required=True, metavar="NAME", help="of that pipeline")
    parser.add_argument("--script", metavar="FILE", help="of the folder, that the step is to run from now on")
    parser.add_argument("--no-diff", action="store_true", help="keep the text of uncommitted changes to yourself")
    parser.add_argument("--workspace", metavar="W", help="by its name in addresses; else STUDIO_WORKSPACE")
    parser.add_argument("--server", metavar="URL", help="else STUDIO_URL")
    parser.add_argument("--token-file", metavar="FILE", help="whose first line is your token; else STUDIO_TOKEN has it")


def push(arguments: argparse.Namespace) -> None:
    """Raises UserErrorException, ServiceException, OSError."""
    client = _client(arguments)
    folder = SourceFolder(arguments.folder)
    paths = folder.paths()
    if arguments.script is not None and arguments.script not in paths:
        raise UserErrorException(
            f"There is no “{arguments.script}” among the files of {folder.path}.{_near(arguments.script, paths)}"
        )
    pipeline = _pipeline(client, arguments.pipeline)
    step = _step(pipeline, arguments.step)
    facts = _git.facts_of(folder, paths, with_diff=not arguments.no_diff)
    _warn_of_ignored(facts, folder)
    sent = _upload(client, folder, paths, facts)
    script = {} if arguments.script is None else {_script_field(step): arguments.script}
    changes = {"source": sent["digest"], "git": sent.get("git"), **script}
    try:
        saved = _save(client, pipeline, arguments.step, changes)
    except Conflict:
        # Somebody saved meanwhile. Where the step is as it was, both changes are wanted.
        newer = client.get(f"/pipelines/{pipeline['id']}/")
        if _without_git(_step(newer, arguments.step)) != _without_git(step):
            raise UserErrorException(
                f"Somebody changed the step “{arguments.step}” while the files were sent, in version "
                f"{newer['latest_version']}. Look at it, and push again: {client.server}{newer['url']}"
            ) from None
        pipeline = newer
        saved = _save(client, pipeline, arguments.step, changes)
    files = "1 file" if len(paths) == 1 else f"{len(paths):,} files"
    of = f", {facts.words}" if facts else ", of no git checkout"
    version = f"version {saved['number']}"
    if saved["number"] == pipeline["latest_version"]:
        version += " as before"
    print(f"“{arguments.pipeline}”, {version}: step “{arguments.step}” has {files}{of}.")
    print(f"{client.server}{pipeline['url']}")
    _warn(facts, folder, saved)


def _client(arguments: argparse.Namespace) -> Client:
    server = arguments.server or os.environ.get("STUDIO_URL") or ""
    if not server:
        raise UserErrorException("Say which studio: --server URL, or the variable STUDIO_URL.")
    workspace = arguments.workspace or os.environ.get("STUDIO_WORKSPACE") or ""
    if not workspace:
        raise UserErrorException("Say which workspace: --workspace NAME, or the variable STUDIO_WORKSPACE.")
    token = os.environ.get("STUDIO_TOKEN", "")
    if arguments.token_file:
        with open(arguments.token_file, encoding="utf-8", errors="replace") as file:
            token = file.readline()
    if not token.strip():
        raise UserErrorException("Put your token into the variable STUDIO_TOKEN, or into a file: --token-file FILE.")
    return Client(server, token.strip(), workspace)


def _pipeline(client: Client, name: str) -> dict[str, Any]:
    """With the definition of its latest version."""
    found = list(client.all_of("/pipelines/", q=name))
    row = next((each for each in found if each["name"] == name), None)
    if row is None:
        raise UserErrorException(f"There is no pipeline “{name}”.{_near(name, [each['name'] for each in found])}")
    pipeline: dict[str, Any] = client.get(f"/pipelines/{row['id']}/")
    return pipeline


def _step(pipeline: Mapping[str, Any], name: str) -> dict[str, Any]:
    steps: list[dict[str, Any]] = (pipeline["definition"] or {}).get("steps", [])
    step = next((each for each in steps if each["name"] == name), None)
    if step is None:
        raise UserErrorException(
            f"“{pipeline['name']}” has no step “{name}”.{_near(name, [each['name'] for each in steps])}"
        )
    if step["kind"] in _NO_FILES:
        raise UserErrorException(f"“{name}” runs no files of its own: it is a step of the kind {step['kind']}.")
    return step


def _without_git(step: Mapping[str, Any]) -> dict[str, Any]:
    """Which commit equal files are of is no change."""
    return {name: value for name, value in step.items() if name != "git"}


def _script_field(step: Mapping[str, Any]) -> str:
    for name in _SCRIPT_FIELDS:
        if name in step:
            return name
    raise UserErrorException(f"“{step['name']}” names no script: leave --script out.")


def _upload(client: Client, folder: SourceFolder, paths: list[str], facts: _git.Facts | None) -> dict[str, Any]:
    with tempfile.TemporaryFile() as archive:
        folder.write_zip(paths, archive)
        fields = {} if facts is None else {"git": json.dumps(facts.as_json())}
        diff: dict[str, IO[bytes]] = {} if facts is None or not facts.diff else {"diff": io.BytesIO(facts.diff)}
        sent: dict[str, Any] = client.upload("/sources/", fields, {"zip": archive, **diff})
        return sent


def _save(client: Client, pipeline: Mapping[str, Any], step: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    definition = pipeline["definition"]
    steps = [{**each, **changes} if each["name"] == step else each for each in definition["steps"]]
    body = {"definition": {**definition, "steps": steps}, "base_version": pipeline["latest_version"]}
    saved: dict[str, Any] = client.post(f"/pipelines/{pipeline['id']}/versions/", body)
    return saved


def _warn_of_ignored(facts: _git.Facts | None, folder: SourceFolder) -> None:
    """Before anything is sent: its ignore files above the folder, for instance, do not count."""
    ignored = facts.ignored if facts else []
    for path in ignored[:_TOLD]:
        shown = path.encode("utf-8", "replace").decode()
        print(f"Git ignores {shown}, and it is sent: {folder.ignore_name} here could leave it out.", file=sys.stderr)
    if len(ignored) > _TOLD:
        print(f"So it does {len(ignored) - _TOLD:,} more files.", file=sys.stderr)


def _warn(facts: _git.Facts | None, folder: SourceFolder, saved: Mapping[str, Any]) -> None:
    if facts and facts.diff_note:
        print(facts.diff_note, file=sys.stderr)
    for path in folder.left_out[:_TOLD]:
        print(f"Left out: {path} is no file, or a link to what is not sent.", file=sys.stderr)
    for problem in saved["problems"][:_TOLD]:
        print(f"Before it can be submitted: {problem['message']}", file=sys.stderr)


def _near(name: str, names: list[str]) -> str:
    found = get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean “{found[0]}”?" if found else ""

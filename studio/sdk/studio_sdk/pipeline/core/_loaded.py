"""Pipelines that come from files: the studio reads them, and keeps what they say."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from studio_sdk._folder import SourceFolder
from studio_sdk.exceptions import UserErrorException
from studio_sdk.pipeline.core._making import Making
from studio_sdk.pipeline.core._sending import Sender, save_yaml
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.pipeline import Pipeline

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

_IMPORT = "/pipelines/import/"
_TAKEN = re.compile("There is a pipeline “(.+?)” already")  # the studio's sentence


class LoadedPipeline(Pipeline):
    """A pipeline that the studio has. `Pipeline.load_yaml` gives one."""

    def __init__(self, workspace: Workspace, row: Mapping[str, Any]) -> None:
        self._row = dict(row)
        self._workspace = workspace
        self.name = str(row["name"])
        self.description = str(row["description"])

    def validate(self) -> list[str]:
        """As of any other pipeline."""
        found = Sender(self._workspace).problems(self._row["definition"], self._row["id"])
        for problem in found:
            print(problem)
        return found

    def definition(self) -> dict[str, Any]:
        return dict(self._row["definition"])

    def save(self, path: str | None = None) -> str:
        return save_yaml(self._workspace._client, self._row["id"], self._row["latest_version"], path)

    def _made(self) -> Making:
        refuse("A pipeline of a file as a part of another one", "a step of the kind pipeline, in the builder")

    def _kept(self, experiment: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        known = {each["name"]: each for each in self._row["definition"]["parameters"]}
        return {"id": self._row["id"], "number": self._row["latest_version"]}, known

    def _named_outputs(self) -> dict[str, tuple[str, str]]:
        return {}

    def __repr__(self) -> str:
        return f"Pipeline(Name: {self.name}, Version: {self._row['latest_version']})"


def load(workspace: Workspace, filename: str) -> dict[str, Any]:
    """The studio's row of what a file says. Raises UserErrorException, with file, line and column of each problem."""
    if not os.path.isfile(filename):
        raise UserErrorException(f"There is no file {filename}.")
    with open(filename, "rb") as file:
        text = file.read()
    made = _made_of(workspace, {}, {f"file/{os.path.basename(filename)}": io.BytesIO(text)}, last=False)
    if made is None:
        # It may speak of files beside it. What is wrong then is so with these.
        with tempfile.TemporaryFile() as archive:
            folder = SourceFolder(os.path.dirname(os.path.abspath(filename)))
            folder.write_zip(folder.paths(), archive)
            made = _made_of(workspace, {"main": os.path.basename(filename)}, {"file/folder.zip": archive}, last=True)
    return _row_of(workspace, made, filename)


def load_archive(workspace: Workspace, filename: str) -> dict[str, Any]:
    """As `load`, of a ZIP archive: one that the studio wrote, or a folder with its files."""
    with open(filename, "rb") as file:
        made = _made_of(workspace, {}, {"file/archive.zip": file}, last=True)
    return _row_of(workspace, made, filename)


def _row_of(workspace: Workspace, made: Mapping[str, Any] | None, filename: str) -> dict[str, Any]:
    """With what there is to be said of it printed. Raises UserErrorException where the file made no pipeline."""
    if made is None or made["id"] is None:
        raise UserErrorException(f"{filename} says no pipeline.")
    for note in [*made["notes"], *made["to_do"]]:
        place = ":".join(str(part) for part in note["loc"])
        print(f"{place}: {note['message']}")
    row: dict[str, Any] = workspace._client.get(f"/pipelines/{made['id']}/")
    return row


def _made_of(
    workspace: Workspace, fields: Mapping[str, str], files: Mapping[str, IO[bytes]], *, last: bool
) -> dict[str, Any] | None:
    """What the studio made of a file, as the next version where it has a pipeline of that name.

    None where the file is refused and this is not the `last` way to send it. Raises UserErrorException.
    """
    try:
        made: dict[str, Any] = workspace._client.upload(_IMPORT, fields, files)
    except UserErrorException as error:
        taken = _TAKEN.search(str(error))
        row = Sender(workspace).pipeline(taken[1]) if taken else None
        if row is not None and "into" not in fields:
            return _made_of(workspace, {**fields, "into": str(row["id"])}, files, last=last)
        if not last:
            return None
        places = [f"{':'.join(str(part) for part in each['loc'])}: {each['message']}" for each in error.problems]
        raise UserErrorException("\n".join(places) or str(error)) from None
    return made

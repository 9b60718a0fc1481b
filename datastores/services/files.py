"""Bring files into a datastore, and take them away."""

import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from datastores import deletions
from datastores.backends import DiskFull, Entry, NoSuchPath, get_backend
from datastores.folder_zip import files_below
from datastores.models import Datastore
from datastores.paths import clean_name, clean_path, join
from datastores.source_paths import shown
from studio.lib.problems import UserError
from studio.workspaces.audit import record
from studio.workspaces.models import User

COUNTED = 100_000
COUNT_S = 2.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in: a stream, or a file of this machine that may be moved away."""

    path: str  # below the folder that was asked for
    content: BinaryIO | Path


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not kept, and why."""

    path: str
    message: str


@dataclass(slots=True)
class Uploaded:
    """What became of each file of an upload."""

    kept: list[Entry] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    disk_is_full: bool = False


def upload_files(datastore: Datastore, *, folder: str, files: Iterable[Upload], actor: User | None) -> Uploaded:
    """Keep each file below `folder`, replacing those of the same name. One that can't be kept does not stop the others.

    Raises UserError where `folder` itself is no place for files.
    """
    backend = get_backend(datastore)
    folder = clean_path(folder, loc=("folder",))
    result = Uploaded()
    for file in files:
        try:
            path = clean_path(file.path)
            target = join(folder, path) if path else ""  # the backend refuses a file without a name
            if isinstance(file.content, Path):
                result.kept.append(backend.take(target, file.content))
            else:
                result.kept.append(backend.write(target, file.content))
        except UserError as error:
            result.refused.append(Refused(file.path, str(error)))
            result.disk_is_full = result.disk_is_full or isinstance(error, DiskFull)
    if result.kept:
        record(datastore.workspace, actor, "data.upload", _described(result.kept, datastore, folder))
    return result


def make_folder(datastore: Datastore, *, folder: str, name: str, actor: User | None) -> Entry:
    """A folder `name` in `folder`. Raises UserError at `name`."""
    path = join(clean_path(folder, loc=("folder",)), clean_name(name.strip()))
    try:
        entry = get_backend(datastore).make_folder(path)
    except UserError as error:
        raise UserError(str(error), loc=("name",)) from error
    record(datastore.workspace, actor, "data.make_folder", f"{shown(path)} in {datastore.name}")
    return entry


def delete_path(datastore: Datastore, *, path: str, actor: User | None) -> None:
    """Remove a file, or a folder with all that is in it, for good. Raises UserError at `path`."""
    get_backend(datastore).delete(path)
    record(datastore.workspace, actor, "data.delete", f"{shown(clean_path(path))} in {datastore.name}")
    deletions.tell(datastore, path)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many files there are, and their size; more where that took too long to find out."""

    files: int
    size_bytes: int
    is_complete: bool


def count_files(datastore: Datastore, paths: Iterable[str]) -> Counted:
    """The files at and below `paths`. What is not there counts for nothing. Raises UserError for what is no path."""
    files = size_bytes = 0
    until = time.monotonic() + COUNT_S
    with closing(get_backend(datastore)) as backend:
        for path in paths:
            with suppress(NoSuchPath):
                for entry in files_below(backend, clean_path(path)):
                    files += 1
                    size_bytes += entry.size_bytes or 0
                    if files >= COUNTED or time.monotonic() > until:
                        return Counted(files, size_bytes, is_complete=False)
    return Counted(files, size_bytes, is_complete=True)


def _described(kept: list[Entry], datastore: Datastore, folder: str) -> str:
    what = shown(kept[0].path) if len(kept) == 1 else f"{len(kept)} files to {shown(folder) or '/'}"
    return f"{what} in {datastore.name}"

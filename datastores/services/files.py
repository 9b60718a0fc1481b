"""Bring files into a datastore, and take them away."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from datastores import arrivals, deletions
from datastores.arrivals import Arrival, NoRoom
from datastores.backends import Backend, DiskFull, Entry, NoSuchPath, get_backend
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
    content: BinaryIO | Path  # at its beginning

    @property
    def size_bytes(self) -> int:
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        size_bytes = self.content.seek(0, os.SEEK_END)
        self.content.seek(0)
        return size_bytes


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
    no_room: str = ""  # why there is none for a file, or for several

    def refuse(self, file: Upload, error: UserError) -> None:
        self.refused.append(Refused(file.path, str(error)))
        if isinstance(error, NoRoom):
            self.no_room = self.no_room or str(error)
        elif isinstance(error, DiskFull):
            self.no_room = "The datastore's disk is full."


@dataclass(frozen=True, slots=True)
class _Coming:
    file: Upload
    target: str  # the backend refuses a file without a name
    arrival: Arrival | None  # where it comes to lie on this machine


def upload_files(datastore: Datastore, *, folder: str, files: Iterable[Upload], actor: User | None) -> Uploaded:
    """Keep each file below `folder`, replacing those of the same name. One that can't be kept does not stop the others.

    Raises UserError where `folder` itself is no place for files.
    """
    backend = get_backend(datastore)
    folder = clean_path(folder, loc=("folder",))
    result = Uploaded()
    arrived: list[Arrival] = []
    try:
        for coming in _with_room(datastore, backend, folder, files, result=result, actor=actor):
            content = coming.file.content
            try:
                if isinstance(content, Path):
                    entry = backend.take(coming.target, content)
                else:
                    entry = backend.write(coming.target, content)
            except UserError as error:
                result.refuse(coming.file, error)
                continue
            result.kept.append(entry)
            if coming.arrival is not None:
                arrived.append(replace(coming.arrival, size_bytes=entry.size_bytes or 0))
    finally:
        arrivals.tell(datastore.workspace_id, actor, arrived)
    if result.kept:
        record(datastore.workspace, actor, "data.upload", _described(result.kept, datastore, folder))
    return result


def _with_room(
    datastore: Datastore,
    backend: Backend,
    folder: str,
    files: Iterable[Upload],
    *,
    result: Uploaded,
    actor: User | None,
) -> Iterator[_Coming]:
    """Those that may be tried; of the others `result` says why not."""
    all_coming: list[_Coming] = []
    for file in files:
        try:
            path = clean_path(file.path)
            target = join(folder, path) if path else ""
            place = backend.local_path(target) if target else None
        except UserError as error:
            result.refuse(file, error)
            continue
        all_coming.append(_Coming(file, target, Arrival(place, file.size_bytes) if place else None))
    with_place = [coming.arrival for coming in all_coming if coming.arrival is not None]
    refusals = iter(arrivals.refusals(datastore.workspace_id, actor, with_place))
    for coming in all_coming:
        refusal = next(refusals) if coming.arrival is not None else None
        if refusal is None:
            yield coming
        else:
            result.refuse(coming.file, refusal)


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

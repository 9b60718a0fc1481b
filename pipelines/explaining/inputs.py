"""What differs in the data of an input, as far as it can be told.

Of an output of a step both folders are still there, and are compared file by file. Of a dataset or a path only a digest
was kept: which version and which paths it was is known, and which files were written since, not which ones went.
"""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlowError
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Literal, TypeVar

from compute.spec import JobInput, OutputRecord
from datastores.backends import Backend, get_backend
from datastores.backends.interface import Entry
from datastores.models import Datastore
from datastores.places import Place, Places
from datastores.sources import DataPath, paths_of
from pipelines.models import FrozenInput, StepRun
from pipelines.states import StepStatus
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace

MOST_FILES = 50  # that are named
_MOST_LISTED = 5000
_MOST_READ_BYTES = 32 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_LOOK_S = 8.0

T = TypeVar("T")
DataKind = Literal["added", "removed", "changed", "perhaps"]


@dataclass(frozen=True, slots=True)
class DataFile:
    path: str  # below the input
    kind: DataKind  # `perhaps`: of the same size, and too much to be read for this
    before_bytes: int | None = None
    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class InputChange:
    before: str  # what it was, in words; empty where the step had no such input
    after: str
    files: list[DataFile] = field(default_factory=list)
    left_out: int = 0
    notes: list[str] = field(default_factory=list)


def input_change(workspace: Workspace, name: str, before: StepRun, after: StepRun) -> InputChange:
    """May take seconds, for it looks at datastores."""
    old, new = before.frozen.inputs.get(name), after.frozen.inputs.get(name)
    places = _paths_in_words(workspace, old), _paths_in_words(workspace, new)
    words = _words(old, places[0]), _words(new, places[1])
    if old is None or new is None:
        return InputChange(*words)
    if old.step and new.step:
        records = _record(before, old), _record(after, new)
        if records[0] is None or records[1] is None:
            return InputChange(*words, notes=["The run that wrote one of them is no longer there."])
        return _between_outputs(workspace, words, records[0], records[1])
    if old.step or new.step:
        return InputChange(*words, notes=["It comes from somewhere else now."])
    if (old.version_id, old.registered_id, old.data) != (new.version_id, new.registered_id, new.data):
        return InputChange(*words)
    if not old.fingerprint or not new.fingerprint:
        return InputChange(*words, notes=["Nobody could tell what its data was."])
    # Whoever compares two runs may have the later one on the left.
    return _written_since(workspace, words, new, min(before.run.created_at, after.run.created_at))


def _words(given: FrozenInput | None, paths: str) -> str:
    if given is None:
        return ""
    if given.step:
        return f"output “{given.output}” of “{given.step}”"
    if given.model:
        return f"model {given.model}: {paths}"
    return f"dataset {given.dataset}: {paths}" if given.dataset else paths


def _paths_in_words(workspace: Workspace, given: FrozenInput | None) -> str:
    if given is None or given.data is None:
        return ""
    paths = _paths(given.data)
    stores = Datastore.everything.filter(workspace=workspace).in_bulk({path.datastore_id for path in paths} - {None})
    named = [
        path.path if path.datastore_id is None else f"{stores[path.datastore_id].name}/{path.path}"
        for path in paths[:3]
        if path.datastore_id is None or path.datastore_id in stores
    ]
    return ", ".join([*named, *(["…"] if len(paths) > len(named) else [])])


def _paths(data: JobInput) -> list[DataPath]:
    return list(data.paths) or (list(paths_of(data.table)) if data.table else [])


def _in_time(look: Callable[[], T]) -> T:
    """What it finds. Raises TooSlowError, and what it raises."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(look).result(timeout=_LOOK_S)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _record(step: StepRun, given: FrozenInput) -> OutputRecord | None:
    writer = StepRun.objects.filter(run_id=step.run_id, name=given.step, status=StepStatus.COMPLETED).only("outputs")
    row = writer.first()
    return row.outputs.outputs.get(given.output or "") if row and row.outputs else None


def _between_outputs(
    workspace: Workspace, words: tuple[str, str], before: OutputRecord, after: OutputRecord
) -> InputChange:
    stores = Datastore.objects.filter(workspace=workspace).in_bulk({before.datastore_id, after.datastore_id})
    then = f"{before.file_count:,} files of {before.size_bytes:,} bytes before"
    counts = [f"{then}, {after.file_count:,} of {after.size_bytes:,} now."]
    if before.parts or after.parts:
        return InputChange(*words, files=_parts(before, after), notes=counts)
    if before.path == after.path and before.datastore_id == after.datastore_id:
        note = "Both were written to the same place, so what was there before is no longer to be seen."
        return InputChange(*words, notes=[*counts, note])
    if len(stores) < len({before.datastore_id, after.datastore_id}):
        return InputChange(*words, notes=[*counts, "A datastore that held one of them was removed."])
    backends = {pk: get_backend(store) for pk, store in stores.items()}
    one, other = backends[before.datastore_id], backends[after.datastore_id]
    try:
        files = _in_time(lambda: _compared(one, before, other, after))
    except (UserError, OSError):
        return InputChange(*words, notes=[*counts, "The files of one of them can't be read any more."])
    except TooSlowError:
        return InputChange(*words, notes=[*counts, "Their datastore took too long to be asked for the files."])
    if files is None:
        return InputChange(*words, notes=[*counts, f"More than {_MOST_LISTED:,} files are not compared one by one."])
    if not files:
        counts.append("The files of the earlier one were deleted or changed since.")
    return InputChange(*words, files=files[:MOST_FILES], left_out=max(0, len(files) - MOST_FILES), notes=counts)


def _parts(before: OutputRecord, after: OutputRecord) -> list[DataFile]:
    """Of outputs that are made of others, the folders that are not the same."""
    found: list[DataFile] = []
    for name in sorted({*before.parts, *after.parts}):
        was, now = before.parts.get(name), after.parts.get(name)
        kind: DataKind = "changed" if was and now else "removed" if was else "added"
        if was is None or now is None or was.fingerprint != now.fingerprint:
            found.append(DataFile(f"{name}/", kind, was.size_bytes if was else None, now.size_bytes if now else None))
    return found[:MOST_FILES]


def _compared(one: Backend, before: OutputRecord, other: Backend, after: OutputRecord) -> list[DataFile] | None:
    try:
        old, new = _files(one, before), _files(other, after)
        if max(len(old), len(new)) > _MOST_LISTED:
            return None
        found: list[DataFile] = []
        to_read = _MOST_READ_BYTES
        for path in sorted({*old, *new}):
            was, now = old.get(path), new.get(path)
            if was is None or now is None:
                kind: DataKind = "added" if was is None else "removed"
            elif was.size_bytes != now.size_bytes:
                kind = "changed"
            elif (now.size_bytes or 0) * 2 > to_read:
                kind = "perhaps"
            else:
                to_read -= (now.size_bytes or 0) * 2
                if _digest(one, was) == _digest(other, now):
                    continue
                kind = "changed"
            found.append(DataFile(path, kind, was.size_bytes if was else None, now.size_bytes if now else None))
        return sorted(found, key=lambda file: (file.kind == "perhaps", file.path))
    finally:
        one.close()
        other.close()


def _files(backend: Backend, record: OutputRecord) -> Mapping[str, Entry]:
    root = record.path.rpartition("/")[0] if record.is_file else record.path
    entries = islice(backend.glob(record.path), _MOST_LISTED + 1)
    return {entry.path.removeprefix(f"{root}/"): entry for entry in entries}


def _digest(backend: Backend, entry: Entry) -> bytes:
    digest = hashlib.sha256()
    with backend.open_read(entry.path) as stream:
        while piece := stream.read(_READ_BYTES):
            digest.update(piece)
    return digest.digest()


def _written_since(workspace: Workspace, words: tuple[str, str], given: FrozenInput, since: datetime) -> InputChange:
    assert given.data is not None, "neither a step's output nor data of its own"
    note = "Only a digest of the data was kept, so files that went can't be named. These were written since that run:"
    try:
        with Places(workspace.pk) as places:
            opened = [places.of(path) for path in _paths(given.data)]
            files = _in_time(lambda: _newer(opened, since))
    except (UserError, OSError):
        return InputChange(*words, notes=["Its place can't be read any more, so which file changed can't be told."])
    except TooSlowError:
        return InputChange(*words, notes=["Its datastore took too long to be asked which file changed."])
    if not files:
        note = "Only a digest of the data was kept. No file was written since that run: some went, or were set back."
    return InputChange(*words, files=files[:MOST_FILES], left_out=max(0, len(files) - MOST_FILES), notes=[note])


def _newer(places: list[Place], since: datetime) -> list[DataFile]:
    return [
        DataFile(entry.path, "changed", after_bytes=entry.size_bytes)
        for place in places
        for entry in islice(place.backend.glob(place.path), _MOST_LISTED)
        if entry.modified_at is not None and entry.modified_at > since
    ]

"""The files of a model, where they lie: looked at when it is registered, and later whether they are what they were."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlowError
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from compute.execution.outputs import fingerprint_part
from datastores.backends import Backend, Entry, NoSuchPath, get_backend
from datastores.datasets import stamp_of
from datastores.folder_zip import files_below
from datastores.models import Datastore
from datastores.sources import DataPath, FileDefinition
from pipelines.contents import LOOK_S, content_of
from pipelines.registered import ModelVersion
from studio.lib.problems import UserError

MOST_FILES = 100_000
MOST_READ_BYTES = 200_000_000  # somebody waits while it is read
MOST_READ_FILES = 1000  # one by one, while somebody waits
_READ_BYTES = 1024 * 1024
Condition = Literal["there", "changed", "gone", "unknown"]


@dataclass(frozen=True, slots=True)
class Look:
    """What lies somewhere now. `fingerprint` is of the content, where that was asked for and not too much to read."""

    file_count: int
    size_bytes: int
    stamp: str
    fingerprint: str = ""


def look(backend: Backend, path: str, *, reads: bool = False) -> Look:
    """Count what lies at `path`, a file or a folder; with `reads` read it, too. Raises UserError and OSError.

    Nothing there is no file.
    """
    entries = list(islice(_entries(backend, path), MOST_FILES + 1))
    if len(entries) > MOST_FILES:
        raise UserError(f"There are more than {MOST_FILES:,} files. Let the step pack them into fewer.")
    size_bytes = sum(entry.size_bytes or 0 for entry in entries)
    fingerprint = ""
    is_little = len(entries) <= MOST_READ_FILES and size_bytes <= MOST_READ_BYTES
    if reads and entries and is_little and all(entry.is_addressable for entry in entries):
        fingerprint = _content(backend, entries, path)
    return Look(len(entries), size_bytes, _stamp(entries), fingerprint)


def condition_of(version: ModelVersion) -> tuple[Condition, str]:
    """Whether the files are what they were when the version was registered, and a sentence where they are not."""
    store = version.datastore
    if store is None or store.removed_at is not None:
        name = f"Datastore “{store.name}”" if store else "The datastore"
        return "gone", f"{name}, in which the files lie, was removed from the workspace."
    try:
        found = _look_in_time(store, version.path, LOOK_S)
    except TooSlowError:
        return "unknown", f"Datastore “{store.name}” takes too long to say whether the files are still there."
    except (UserError, OSError) as error:
        return "unknown", f"Whether the files are still there can't be told: {error}"
    if not found.file_count:
        return "gone", f"The files are gone: nothing is left at “{version.path}” in datastore “{store.name}”."
    if found.stamp != version.stamp:
        return "changed", "The files were written again, or some came or went, since this version was registered."
    return "there", ""


def content_now(version: ModelVersion, *, workspace_id: int) -> str:
    """The digest of what a step would read: that of the content, as long as nobody wrote there since.

    So a model in another place, or an output before it was registered, is the same input as long as its bytes are the
    same. Empty, which forbids reuse, where nobody can say.
    """
    assert version.datastore_id is not None, "a path without a datastore is a web address"
    if version.fingerprint and version.datastore is not None and version.datastore.removed_at is None:
        try:
            if _look_in_time(version.datastore, version.path, LOOK_S).stamp == version.stamp:
                return version.fingerprint
        except (UserError, OSError, TooSlowError):
            return ""
    paths = [DataPath(datastore_id=version.datastore_id, path=version.path)]
    return content_of(FileDefinition(paths=paths), workspace_id=workspace_id)


def _look_in_time(store: Datastore, path: str, within_s: float) -> Look:
    """Raises TooSlowError, and as `look` does."""
    backend = get_backend(store)  # here: the database is this thread's
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(_look_and_close, backend, path).result(timeout=within_s)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _look_and_close(backend: Backend, path: str) -> Look:
    with closing(backend):
        return look(backend, path)


def _entries(backend: Backend, path: str) -> Iterator[Entry]:
    with suppress(NoSuchPath):
        yield from files_below(backend, path)


def _stamp(entries: Iterable[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda each: each.path):
        name = entry.path.encode("utf-8", "surrogateescape")
        digest.update(f"{len(name)}:".encode() + name + f":{entry.size_bytes or 0}:{stamp_of(entry)}\n".encode())
    return digest.hexdigest()


def _content(backend: Backend, entries: Iterable[Entry], path: str) -> str:
    """As the fingerprint of an output with these files would be."""
    folder = path.rpartition("/")[0] if any(entry.path == path for entry in entries) else path
    named = {os.fsencode(entry.path.removeprefix(f"{folder}/")): entry for entry in entries}
    digest = hashlib.sha256()
    for name, entry in sorted(named.items()):
        digest.update(fingerprint_part(name, _digest(backend, entry)))
    return digest.hexdigest()


def _digest(backend: Backend, entry: Entry) -> bytes:
    digest = hashlib.sha256()
    with backend.open_read(entry.path) as stream:
        while piece := stream.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest().encode()

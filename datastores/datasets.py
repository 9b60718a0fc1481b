"""What a dataset's paths mean on the disks, now."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from datastores.backends import Entry, get_backend
from datastores.models import DataPath, Datastore
from datastores.paths import clean_path
from studio.lib.problems import UserError

COUNT_BUDGET_S = 2.0  # a page must not wait for a disk with millions of files


@dataclass(frozen=True, slots=True)
class Matched:
    """A file, and the datastore that holds it."""

    datastore: Datastore
    entry: Entry


@dataclass(frozen=True, slots=True)
class Summary:
    """How much the paths match. `is_complete` is false where there was more than could be counted in time."""

    file_count: int
    size_bytes: int
    first: list[Matched]
    is_complete: bool


def content_fingerprint(paths: list[DataPath]) -> str:
    """SHA-256 that changes when a file that `paths` mean is added, removed, renamed or written, in hexadecimal.

    A file counts as written when its size or its time of change differs: nothing is read. Files are looked at one by
    one, however many there are. Raises UserError where a datastore or a path can't be looked into.
    """
    datastores = datastores_of(paths)
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: (path.datastore_id, path.path)):
        files = get_backend(datastores[path.datastore_id]).fingerprint(path.path)
        digest.update(f"{path.datastore_id}\0{clean_path(path.path)}\0{files}\n".encode())
    return digest.hexdigest()


def matched_files(paths: Iterable[DataPath]) -> Iterator[Matched]:
    """Every file that `paths` mean, path by path, lazily."""
    paths = list(paths)
    datastores = datastores_of(paths)
    for path in paths:
        datastore = datastores[path.datastore_id]
        for entry in get_backend(datastore).glob(path.path):
            yield Matched(datastore, entry)


def summarise(paths: Iterable[DataPath], *, first: int = 8, budget_s: float = COUNT_BUDGET_S) -> Summary:
    """Count the files that `paths` mean and their bytes, for at most `budget_s`."""
    deadline = time.monotonic() + budget_s
    matches: list[Matched] = []
    file_count = size_bytes = 0
    for matched in matched_files(paths):
        if time.monotonic() > deadline:
            return Summary(file_count, size_bytes, matches, is_complete=False)
        file_count += 1
        size_bytes += matched.entry.size_bytes or 0
        if len(matches) < first:
            matches.append(matched)
    return Summary(file_count, size_bytes, matches, is_complete=True)


def page_of_files(paths: Iterable[DataPath], *, page: int, per_page: int = 100) -> tuple[list[Matched], bool]:
    """The files of one page (the first is 1), and whether there are more."""
    start = (page - 1) * per_page
    found = list(islice(matched_files(paths), start, start + per_page + 1))
    return found[:per_page], len(found) > per_page


def datastores_of(paths: Iterable[DataPath]) -> Mapping[int, Datastore]:
    """The datastores of `paths` by id. Raises UserError where one has been removed."""
    wanted = {path.datastore_id for path in paths}
    found = Datastore.objects.in_bulk(wanted)
    if missing := wanted - set(found):
        raise UserError(f"Datastore {min(missing)} of this dataset has been removed.", loc=("paths",))
    return found

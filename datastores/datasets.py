"""What a dataset's paths mean on the disks, now."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from datastores.backends import Entry
from datastores.models import Datastore
from datastores.places import Places
from datastores.sources import DataPath

COUNT_BUDGET_S = 2.0  # a page must not wait for a disk with millions of files


@dataclass(frozen=True, slots=True)
class Matched:
    """A file, and the datastore that holds it; None for a web address."""

    datastore: Datastore | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class Summary:
    """How much the paths match. `is_complete` is false where there was more than could be counted in time."""

    file_count: int
    size_bytes: int
    first: list[Matched]
    is_complete: bool


def content_fingerprint(paths: Iterable[DataPath], *, workspace_id: int) -> str:
    """SHA-256 that changes when a file that `paths` mean is added, removed, renamed or written, in hexadecimal.

    A file counts as written when its size, its etag or its time of change differs: nothing is read. Files are looked at
    one by one, however many there are. Raises UserError where a datastore or a path can't be looked into.
    """
    digest = hashlib.sha256()
    with Places(workspace_id) as places:
        for path in sorted(paths, key=lambda path: (path.datastore_id or 0, path.path)):
            place = places.of(path)
            digest.update(f"{path.datastore_id}\0{path.path}\0{place.backend.fingerprint(place.path)}\n".encode())
    return digest.hexdigest()


def matched_files(paths: Iterable[DataPath], *, workspace_id: int) -> Iterator[Matched]:
    """Every file that `paths` mean, path by path, lazily."""
    paths = list(paths)
    with Places(workspace_id) as places:
        places.load(paths)
        for path in paths:
            place = places.of(path)
            for entry in place.backend.glob(place.path):
                yield Matched(place.datastore, entry)


def summarise(
    paths: Iterable[DataPath], *, workspace_id: int, first: int = 8, budget_s: float = COUNT_BUDGET_S
) -> Summary:
    """Count the files that `paths` mean and their bytes, for at most `budget_s`."""
    deadline = time.monotonic() + budget_s
    matches: list[Matched] = []
    file_count = size_bytes = 0
    for matched in matched_files(paths, workspace_id=workspace_id):
        if time.monotonic() > deadline:
            return Summary(file_count, size_bytes, matches, is_complete=False)
        file_count += 1
        size_bytes += matched.entry.size_bytes or 0
        if len(matches) < first:
            matches.append(matched)
    return Summary(file_count, size_bytes, matches, is_complete=True)


def page_of_files(
    paths: Iterable[DataPath], *, workspace_id: int, page: int, per_page: int = 100
) -> tuple[list[Matched], bool]:
    """The files of one page (the first is 1), and whether there are more."""
    start = (page - 1) * per_page
    found = list(islice(matched_files(paths, workspace_id=workspace_id), start, start + per_page + 1))
    return found[:per_page], len(found) > per_page

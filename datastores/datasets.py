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
    """A file, and the datastore that holds it; None for a web address, which is `url`."""

    datastore: Datastore | None
    entry: Entry
    url: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """How much the paths match. `is_complete` is false where there was more than could be counted in time."""

    file_count: int
    size_bytes: int
    first: list[Matched]
    is_complete: bool


class ContentDigest:
    """SHA-256 over what paths mean: each path, and path, size and stamp of each of its files, in the order they come.

    One and the same for runs that ask whether their input is as it was, and for versions that remember what it was.
    """

    def __init__(self) -> None:
        self._all = hashlib.sha256()
        self._of_path = hashlib.sha256()
        self._path: DataPath | None = None

    def add(self, path: DataPath, entry: Entry | None) -> None:
        """A file of `path`; None where `path` begins, whether or not it has files."""
        if path != self._path:
            self._close()
            self._path = path
        if entry is not None:
            name = entry.path.encode("utf-8", "surrogateescape")
            what = f":{entry.size_bytes or 0}:{stamp_of(entry)}\n"
            self._of_path.update(f"{len(name)}:".encode() + name + what.encode())

    def hexdigest(self) -> str:
        self._close()
        return self._all.hexdigest()

    def _close(self) -> None:
        if self._path is not None:
            where, files = f"{self._path.datastore_id}\0{self._path.path}\0", self._of_path.hexdigest()
            self._all.update(where.encode("utf-8", "surrogateescape") + files.encode() + b"\n")
        self._path, self._of_path = None, hashlib.sha256()


def stamp_of(entry: Entry) -> str:
    """What differs once the file was written again: its etag, or its time of change where the kind has none."""
    return entry.etag or str(entry.modified_ns or 0)


def content_fingerprint(paths: Iterable[DataPath], *, workspace_id: int) -> str:
    """SHA-256 that changes when a file that `paths` mean is added, removed, renamed or written, in hexadecimal.

    A file counts as written when its size, its etag or its time of change differs: nothing is read. Files are looked at
    one by one, however many there are. Raises UserError where a datastore or a path can't be looked into.
    """
    digest = ContentDigest()
    for path, entry in walked(paths, workspace_id=workspace_id):
        digest.add(path, entry)
    return digest.hexdigest()


def walked(paths: Iterable[DataPath], *, workspace_id: int) -> Iterator[tuple[DataPath, Entry | None]]:
    """Every file that `paths` mean, in an order that does not depend on theirs; None before the files of each."""
    ordered = sorted(paths, key=lambda path: (path.datastore_id or 0, path.path))
    with Places(workspace_id) as places:
        places.load(ordered)
        for path in ordered:
            place = places.of(path)
            yield path, None
            for entry in place.backend.glob(place.path):
                yield path, entry


def matched_files(paths: Iterable[DataPath], *, workspace_id: int) -> Iterator[Matched]:
    """Every file that `paths` mean, path by path, lazily."""
    paths = list(paths)
    with Places(workspace_id) as places:
        places.load(paths)
        for path in paths:
            place = places.of(path)
            for entry in place.backend.glob(place.path):
                yield Matched(place.datastore, entry, path.path if path.is_web else "")


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

"""What a dataset's version pointed at when it was made: a list of its files, kept as gzipped JSON lines.

Lists lie beside the workspace's other contents, `STUDIO_HOME/content/<workspace id>/listings`, each in a file of its
own: the first line holds a random word, so that no two versions share one and each goes with its version.
"""

import gzip
import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from datastores.backends import Entry
from datastores.content import ContentStore
from datastores.datasets import ContentDigest, stamp_of, walked
from datastores.sources import DataPath

_IN_MEMORY_BYTES = 1024 * 1024
_CHECK_EVERY = 256  # files: asking the clock, or the database, for each of a million would cost more than the list


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as it was. A web address has no datastore, and is the path itself."""

    datastore_id: int | None
    path: str
    size_bytes: int | None
    stamp: str

    @property
    def key(self) -> str:
        return f"{self.datastore_id or ''}\0{self.path}"

    @property
    def is_addressable(self) -> bool:
        """Whether the name is text; a disk can hold other bytes too."""
        return not any("\ud800" <= character <= "\udfff" for character in self.path)

    @property
    def label(self) -> str:
        """The path, fit to be shown."""
        return self.path if self.is_addressable else self.path.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was kept: `digest` asks `read_listing` for it."""

    fingerprint: str
    file_count: int
    size_bytes: int
    digest: str


class ListingStore(ContentStore):
    """The lists of one workspace's versions."""

    def __init__(self, workspace_id: int) -> None:
        super().__init__(workspace_id)
        self.root = self.root / "listings"

    def remove(self, digest: str) -> None:
        """Harmless where it is gone already."""
        with suppress(FileNotFoundError):
            self.path(digest).unlink()


def write_listing(paths: Iterable[DataPath], *, workspace_id: int, check: Callable[[], None] = lambda: None) -> Listed:
    """List the files that `paths` mean, one by one, and keep the list.

    `check` is asked all along; what it raises ends the work, and nothing is kept. Raises UserError where a path can't
    be looked into.
    """
    digest, file_count, size_bytes = ContentDigest(), 0, 0
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as draft:
        with gzip.GzipFile(fileobj=draft, mode="wb", compresslevel=5, mtime=0) as lines:
            _write_line(lines, {"listing": secrets.token_hex(16)})
            for path, entry in walked(paths, workspace_id=workspace_id):
                digest.add(path, entry)
                if entry is None:
                    check()
                    continue
                if file_count % _CHECK_EVERY == 0:
                    check()
                file_count += 1
                size_bytes += entry.size_bytes or 0
                file = file_of(path, entry)
                _write_line(lines, [file.datastore_id, file.path, file.size_bytes, file.stamp])
        draft.seek(0)
        stored = ListingStore(workspace_id).add(draft)
    return Listed(digest.hexdigest(), file_count, size_bytes, stored.sha256)


def read_listing(digest: str, *, workspace_id: int) -> Iterator[ListedFile]:
    """The files of a list, as they were found. Raises FileNotFoundError where it is gone."""
    with ListingStore(workspace_id).open(digest) as stored, gzip.open(stored, "rt", encoding="ascii") as lines:
        next(lines)
        for line in lines:
            yield ListedFile(*json.loads(line))


def file_of(path: DataPath, entry: Entry) -> ListedFile:
    return ListedFile(path.datastore_id, path.path if path.is_web else entry.path, entry.size_bytes, stamp_of(entry))


def _write_line(lines: gzip.GzipFile, value: Any) -> None:
    """In ASCII: names that are not text come back as they were."""
    lines.write(json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n")

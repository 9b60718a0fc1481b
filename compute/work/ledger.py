"""What has been moved: in a file of this machine, however many files there are, and in notes for the next attempt."""

import hashlib
import io
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from compute.data.retrying import Patience
from compute.execution.outputs import fingerprint_part
from compute.work.order import Written
from datastores.backends import Backend, Entry, NoSuchPath
from datastores.paths import join

NOTE_EVERY_S = 2.0
NOTE_FILES = 1000
NOTE_BYTES = 64 * 1024 * 1024  # so much is not moved twice
MOST_NOTE_BYTES = 16 * 1024 * 1024  # of one note: paths are long at most, and there are `NOTE_FILES`


@dataclass(frozen=True, slots=True)
class Moved:
    """A file that arrived and was verified. The stamps tell the file that was read, and the one that was written."""

    path: str  # below the output's folder
    source: str
    target: str
    digest: str  # SHA-256, in hexadecimal
    size_bytes: int


_NOTES = TypeAdapter(list[Moved])


def stamp_of(entry: Entry) -> str:
    """Empty where nothing tells one content from the next."""
    said = entry.etag or entry.modified_ns
    return "" if said is None or entry.size_bytes is None else f"{entry.size_bytes}:{said}"


class Ledger:
    """Used by one thread."""

    def __init__(self, folder: Path) -> None:
        self._rows = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)
        self._rows.execute("PRAGMA synchronous = OFF")
        for name in ("moved", "noted"):
            columns = "path BLOB PRIMARY KEY, source TEXT, target TEXT, digest TEXT, size_bytes INTEGER"
            self._rows.execute(f"CREATE TABLE {name} ({columns})")

    def put(self, moved: Moved, *, into: str = "moved") -> None:
        _path, *rest = astuple(moved)
        self._rows.execute(f"INSERT OR REPLACE INTO {into} VALUES (?, ?, ?, ?, ?)", (os.fsencode(moved.path), *rest))  # noqa: S608

    def noted(self, path: str) -> Moved | None:
        """What an earlier attempt noted of it."""
        row = self._rows.execute("SELECT * FROM noted WHERE path = ?", (os.fsencode(path),)).fetchone()
        return None if row is None else Moved(path, *row[1:])

    def has(self, path: str) -> bool:
        found = self._rows.execute("SELECT 1 FROM moved WHERE path = ?", (os.fsencode(path),)).fetchone()
        return found is not None

    def written(self) -> Written:
        """With the fingerprint as any step's output has it."""
        digest = hashlib.sha256()
        files = size_bytes = 0
        for path, content, size in self._rows.execute("SELECT path, digest, size_bytes FROM moved ORDER BY path"):
            digest.update(fingerprint_part(path, content.encode()))
            files, size_bytes = files + 1, size_bytes + size
        return Written(fingerprint=digest.hexdigest(), file_count=files, size_bytes=size_bytes)


class Notes:
    """Small files in the output's datastore: an attempt on any node finds what those before it moved."""

    def __init__(self, backend: Backend, folder: str, attempt: int, patience: Patience) -> None:
        self.backend, self.folder, self.attempt, self.patience = backend, folder, attempt, patience
        self._waiting: list[Moved] = []
        self._waiting_bytes = self._count = 0
        self._at = time.monotonic()

    def read_into(self, ledger: Ledger) -> bool:
        """Whether an earlier attempt began."""
        entries = self.patience.call(lambda: list(entries_below(self.backend, self.folder)))
        for entry in entries:
            if (entry.size_bytes or 0) <= MOST_NOTE_BYTES:
                data = self.patience.call(lambda entry=entry: self._read(entry))  # type: ignore[misc]
                for each in _noted_in(data):
                    ledger.put(each, into="noted")
        return bool(entries)

    def are_there(self) -> bool:
        return self.patience.call(lambda: next(entries_below(self.backend, self.folder), None)) is not None

    def begin(self) -> None:
        """Say that there is one."""
        self._write([])

    def add(self, moved: Moved) -> None:
        self._waiting.append(moved)
        self._waiting_bytes += moved.size_bytes

    def write_if_due(self, *, now: bool = False) -> None:
        if not self._waiting:
            return
        is_due = time.monotonic() - self._at > NOTE_EVERY_S or self._waiting_bytes > NOTE_BYTES
        if now or is_due or len(self._waiting) >= NOTE_FILES:
            waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._write(waiting)
            self._at = time.monotonic()

    def remove(self) -> None:
        try:
            self.backend.delete(self.folder)
        except NoSuchPath:
            return

    def _write(self, moved: list[Moved]) -> None:
        path = join(self.folder, f"{self.attempt:05d}-{self._count:07d}.json")
        self._count += 1
        data = _NOTES.dump_json(moved)
        self.patience.call(lambda: self.backend.write(path, io.BytesIO(data)))

    def _read(self, entry: Entry) -> bytes:
        with self.backend.open_read(entry.path) as stream:
            return stream.read()


def _noted_in(data: bytes) -> list[Moved]:
    """None where it is no note of ours: others may write there, too."""
    try:
        return _NOTES.validate_json(data)
    except ValidationError:
        return []


def entries_below(backend: Backend, path: str) -> Iterator[Entry]:
    """The files of a folder that may not be there yet."""
    try:
        yield from backend.glob(path)
    except NoSuchPath:
        return

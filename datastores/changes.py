"""What became of a version's data since it was made: files added, removed and changed, or a query's columns."""

import hashlib
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from datastores.backends import get_database
from datastores.datasets import walked
from datastores.listings import ListedFile, file_of, read_listing
from datastores.models import DatasetVersion, Datastore
from datastores.sources import Column, QuerySource, TabularDefinition, paths_of
from studio.lib.problems import UserError

NAMES_SHOWN = 20
BUDGET_S = 2.0  # a page is waiting
_CHECK_EVERY = 64

ChangeKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class FileChange:
    kind: ChangeKind
    file: ListedFile


@dataclass(slots=True)
class Changes:
    """How many files changed, and the first of them. `is_complete` is false where time ran out before the end."""

    counts: dict[ChangeKind, int] = field(default_factory=lambda: {"added": 0, "removed": 0, "changed": 0})
    first: list[FileChange] = field(default_factory=list)
    is_complete: bool = True
    looked_at: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def note(self, kind: ChangeKind, file: ListedFile) -> None:
        self.counts[kind] += 1
        if len(self.first) < NAMES_SHOWN:
            self.first.append(FileChange(kind, file))


def changes_since(version: DatasetVersion, *, budget_s: float = BUDGET_S) -> Changes | None:
    """What changed since `version` was made; None where it was never listed, or reads no files.

    The order in which a datastore names its files does not matter, and a million of them take some 20 MB. Raises
    UserError where a path can't be looked into any more.
    """
    workspace_id = version.dataset.workspace_id
    if not version.listing:
        return None
    deadline = time.monotonic() + budget_s
    try:
        before = _Before(read_listing(version.listing, workspace_id=workspace_id))
    except FileNotFoundError:
        return None
    changes = Changes()
    paths = paths_of(version.definition)
    added: set[str] = set()  # a new file that two paths name is one file
    for path, entry in walked(paths, workspace_id=workspace_id):
        if changes.looked_at % _CHECK_EVERY == 0 and time.monotonic() > deadline:
            changes.is_complete = False
            return changes
        if entry is not None:
            changes.looked_at += 1
            file = file_of(path, entry)
            kind = before.meet(file)
            if kind is None or file.key in added:
                continue
            changes.note(kind, file)
            if len(paths) > 1:
                added.add(file.key)
    if before.any_missing:
        for file in read_listing(version.listing, workspace_id=workspace_id):
            if before.is_missing(file):
                changes.note("removed", file)
    return changes


@dataclass(frozen=True, slots=True)
class SchemaChanges:
    """How what a query answers with differs from the columns that its version settled."""

    added: list[Column]
    removed: list[Column]
    retyped: list[tuple[str, str, str]]  # name, type then, type now

    @property
    def total(self) -> int:
        return len(self.added) + len(self.removed) + len(self.retyped)


def schema_changes(version: DatasetVersion, *, timeout_s: float = 5.0) -> SchemaChanges | None:
    """None for what is no query. Raises UserError where the database can't be asked, or refuses the query by now."""
    definition = version.definition
    if not isinstance(definition, TabularDefinition) or not isinstance(definition.source, QuerySource):
        return None
    datastore = Datastore.objects.filter(
        workspace_id=version.dataset.workspace_id, pk=definition.source.datastore_id
    ).first()
    if datastore is None:
        raise UserError("The datastore that its query asks has been removed.")
    database = get_database(datastore)
    try:
        now = database.columns(definition.source.query, timeout_s=timeout_s)
    finally:
        database.close()
    return compared(definition.columns, now)


def compared(before: Sequence[Column], now: Sequence[Column]) -> SchemaChanges:
    types_before = {column.name: column.type for column in before}
    types_now = {column.name: column.type for column in now}
    return SchemaChanges(
        added=[column for column in now if column.name not in types_before],
        removed=[column for column in before if column.name not in types_now],
        retyped=[
            (name, type_, types_now[name])
            for name, type_ in types_before.items()
            if types_now.get(name, type_) != type_
        ],
    )


class _Before:
    """A list as sorted numbers: 8 bytes for each file's name, 8 for its name, size and stamp, and whether it was met.

    That two of a million files have the same 64 bits is as likely as one in forty million.
    """

    def __init__(self, files: Iterator[ListedFile]) -> None:
        names, states = array("Q"), array("Q")
        for file in files:
            names.append(_number(file.key))
            states.append(_state(file))
        # A file that two paths name stands there twice.
        self._names = array("Q", (number for number, _ in groupby(sorted(names))))
        self._states = array("Q", sorted(states))
        self._met = bytearray(len(self._names))

    def meet(self, file: ListedFile) -> ChangeKind | None:
        """What `file`, as it is now, is to the list; None where it is as it was, or was met before."""
        place = _place(self._names, _number(file.key))
        if place is None:
            return "added"
        was_met, self._met[place] = self._met[place], 1
        return None if was_met or _place(self._states, _state(file)) is not None else "changed"

    @property
    def any_missing(self) -> bool:
        return 0 in self._met

    def is_missing(self, file: ListedFile) -> bool:
        """Whether `file` of the list was not met; says so once."""
        place = _place(self._names, _number(file.key))
        if place is None or self._met[place]:
            return False
        self._met[place] = 1
        return True


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _state(file: ListedFile) -> int:
    return _number(f"{file.key}\0{file.size_bytes or 0}\0{file.stamp}")


def _place(numbers: "array[int]", number: int) -> int | None:
    place = bisect_left(numbers, number)
    return place if place < len(numbers) and numbers[place] == number else None

"""What a way of looking at a file must say."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, ClassVar

from datastores.backends import Backend, Entry
from datastores.models import Datastore

HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Looked:
    """A file that somebody looks at, and how they want it shown. Only what is shown is read."""

    datastore: Datastore
    backend: Backend
    entry: Entry
    wishes: Mapping[str, str]  # of the address: a sheet, a place in the file

    @property
    def size_bytes(self) -> int:
        return self.entry.size_bytes or 0

    @cached_property
    def head(self) -> bytes:
        return self.part(0, HEAD_BYTES)

    def part(self, start: int, count: int) -> bytes:
        return self.backend.read_part(self.entry, start, count)


class Viewer(ABC):
    """One way of showing files. `look` gives what the template needs; UserError where it can't be shown so."""

    name: ClassVar[str]
    label: ClassVar[str]
    template: ClassVar[str]
    suffixes: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def fits(cls, entry: Entry) -> bool:
        """Whether the file's name says that it is one of these."""
        return suffix_of(entry.name) in cls.suffixes

    @abstractmethod
    def look(self, file: Looked) -> dict[str, Any]: ...


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()

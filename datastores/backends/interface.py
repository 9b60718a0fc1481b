"""What a datastore can do, whatever its kind. Paths are below its root, see `datastores.paths.clean_path`."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict
from rest_framework import status

from datastores.paths import name_of
from studio.lib.problems import UserError

EntryKind = Literal["folder", "file", "other"]


class NoSuchPath(UserError):  # noqa: N818 (an answer, more than an error)
    """Nothing is there. Becomes a 404."""

    status_code = status.HTTP_404_NOT_FOUND


class DiskFull(UserError):  # noqa: N818
    """The datastore has no room left. Becomes a 507."""

    status_code = status.HTTP_507_INSUFFICIENT_STORAGE


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a folder, or something that is shown and never opened: a link out of the datastore, a socket."""

    path: str
    kind: EntryKind
    size_bytes: int | None = None  # of a file
    modified_ns: int | None = None  # since the epoch

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def modified_at(self) -> datetime | None:
        return None if self.modified_ns is None else datetime.fromtimestamp(self.modified_ns / 1e9, tz=UTC)

    @property
    def is_addressable(self) -> bool:
        """Whether the name is text that an address can carry; a disk can hold other bytes too."""
        return not any("\ud800" <= character <= "\udfff" for character in self.path)

    @property
    def label(self) -> str:
        """The name, fit to be shown."""
        return self.name.encode("utf-8", "replace").decode() if not self.is_addressable else self.name


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a folder: folders first, then by name. `after` asks for the next page; None at the end."""

    entries: list[Entry]
    after: str | None


class BackendConfig(BaseModel):
    """What a kind of datastore must be told; the form and the API's schema are made from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Backend(ABC):
    """A datastore's files.

    Every method raises `UserError` (`NoSuchPath`, `DiskFull`) with a sentence for the person who asked, and none ever
    touches anything outside of the root.
    """

    do_not_call_in_templates: ClassVar[bool] = True  # a class is callable, and Django's templates would call it

    kind: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]  # one sentence for the form
    Config: ClassVar[type[BackendConfig]]

    @classmethod
    @abstractmethod
    def settle(cls, config: BackendConfig, *, workspace_id: int, name: str) -> BackendConfig:
        """`config` with everything filled in that was left open, checked, and the root made where it can be.

        Raises UserError with problems at the fields of `config`.
        """

    @classmethod
    @abstractmethod
    def open(cls, config: BackendConfig) -> Self:
        """The backend behind a settled `config`. Raises UserError where it is no longer allowed."""

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the files lie, for people."""

    @abstractmethod
    def list(self, path: str = "", *, after: str | None = None, limit: int = 200) -> Listing:
        """One page of a folder. Memory is bounded by `limit`, however large the folder."""

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """What is at `path`."""

    @abstractmethod
    def open_read(self, path: str) -> BinaryIO:
        """A file's bytes, from the beginning. The caller closes it."""

    @abstractmethod
    def write(self, path: str, stream: BinaryIO) -> Entry:
        """Keep all of `stream` as the file `path`, making its folders. A file of that name is replaced as a whole."""

    def take(self, path: str, file: Path) -> Entry:
        """Like `write`, from a file of this machine that the datastore may move away."""
        with file.open("rb") as stream:
            return self.write(path, stream)

    @abstractmethod
    def make_folder(self, path: str) -> Entry:
        """A folder at `path`, with those above it. One that is there already stays as it is."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it. A link goes, never what it leads to."""

    @abstractmethod
    def glob(self, pattern: str) -> Iterator[Entry]:
        """The files that `pattern` means, each once, in the order of their paths: lazily.

        A file's path means that file, a folder's every file below it, a glob the files that it matches (see
        `datastores.paths.Glob`). Nothing there means no files. Folders behind links are not entered.
        """

    @abstractmethod
    def local_path(self, path: str) -> Path | None:
        """Where processes of this machine find `path` (there or not), if they can at all."""

    def fingerprint(self, pattern: str) -> str:
        """SHA-256 over path, size and time of change of every file that `pattern` means, in hexadecimal."""
        digest = hashlib.sha256()
        for entry in self.glob(pattern):
            name = entry.path.encode("utf-8", "surrogateescape")
            digest.update(b"%d:%b:%d:%d\n" % (len(name), name, entry.size_bytes or 0, entry.modified_ns or 0))
        return digest.hexdigest()

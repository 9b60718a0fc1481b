"""What a datastore of files can do, whatever its kind. Paths are below its root, see `datastores.paths.clean_path`.

`datastores.backends.database` says what one of tables can do.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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


class Unreachable(UserError):  # noqa: N818
    """The place could not be reached, or the connection broke: trying again may help. Becomes a 502."""

    status_code = status.HTTP_502_BAD_GATEWAY


class ChangedMeanwhile(UserError):  # noqa: N818
    """The file is another one by now. Becomes a 409."""

    status_code = status.HTTP_409_CONFLICT


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a folder, or something that is shown and never opened: a link out of the datastore, a socket."""

    path: str
    kind: EntryKind
    size_bytes: int | None = None  # of a file
    modified_ns: int | None = None  # since the epoch
    etag: str | None = None  # changes with the content, where the kind has one

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
    """A page of a folder. `after` asks for the next page; None at the end."""

    entries: list[Entry]
    after: str | None


class BackendConfig(BaseModel):
    """What a kind of datastore must be told; the form and the API's schema are made from it. Holds no secret.

    A field's `json_schema_extra` may say `{"when": {"auth": ["key", …]}}`: it matters only for these choices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Credentials(BaseModel):
    """The secrets of a kind of datastore: `SecretStr` fields, empty where they are not given. `when` as above."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    def plain(self) -> dict[str, str]:
        """The secrets that were given, readable: for `Sealed.seal`, and for nothing else."""
        secrets = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value.get_secret_value() for name, value in secrets.items() if value.get_secret_value()}


class NoCredentials(Credentials):
    """Of a kind that needs none."""


class Store(ABC):
    """A datastore of any kind: how it is registered, opened and tried.

    Every method raises `UserError` with a sentence for the person who asked; no secret is ever in it.
    """

    do_not_call_in_templates: ClassVar[bool] = True  # a class is callable, and Django's templates would call it

    kind: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]  # one sentence for the form
    icon: ClassVar[str] = "database"  # of Tabler's
    holds: ClassVar[Literal["files", "tables"]]
    is_writable: ClassVar[bool] = True
    Config: ClassVar[type[BackendConfig]]
    Secrets: ClassVar[type[Credentials]] = NoCredentials

    @classmethod
    @abstractmethod
    def settle(cls, config: BackendConfig, credentials: Credentials, *, workspace_id: int, name: str) -> BackendConfig:
        """`config` with everything filled in that was left open, checked without a connection.

        Raises UserError with problems at `("config", FIELD)` and `("credentials", FIELD)`.
        """

    @classmethod
    @abstractmethod
    def open(cls, config: BackendConfig, credentials: Credentials) -> Self:
        """The store behind a settled `config`; connects as late as it can. Raises UserError where it is not allowed."""

    @classmethod
    def from_afar(cls, config: BackendConfig) -> "Store | None":  # noqa: ARG003
        """What a machine opens instead that shares none of the studio's folders; None where it opens the same.

        Raises UserError for what can't be had there.
        """
        return None

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the data lies, for people, as in `s3://bucket/folder`."""

    @abstractmethod
    def test(self, *, write: bool = True) -> None:
        """Reach it, sign in, look, and (where `write` and it can be) write and delete a small file, within 10 s.

        Raises UserError at the field that is to blame: name not found, refused, TLS, credentials, bucket or database
        missing, no permission to write.
        """

    def close(self) -> None:  # noqa: B027 (most hold nothing open)
        """Let go of connections."""


class Backend(Store):
    """A datastore that holds files. Nothing ever touches anything outside of its root."""

    holds: ClassVar[Literal["files", "tables"]] = "files"
    is_on_disk: ClassVar[bool] = False  # a look at a file is a matter of microseconds: `local_path` has an answer
    has_addresses: ClassVar[bool] = True  # that other programs can open: `address` is more than a name for people
    small_at_once: ClassVar[int] = 1  # how many files `read_small` is best asked for

    @abstractmethod
    def list(self, path: str = "", *, after: str | None = None, limit: int = 200, prefix: str = "") -> Listing:
        """One page of a folder, of the names that begin with `prefix`.

        Time and memory are bounded by `limit`, however large the folder: a kind that can't sort a large one gives it in
        its own order, folders first within a page.
        """

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """What is at `path`."""

    @abstractmethod
    def open_read(self, path: str) -> BinaryIO:
        """A file's bytes, from the beginning: seekable, reading only what is asked for. The caller closes it."""

    def read_part(self, entry: Entry, start: int, count: int) -> bytes:
        """`count` bytes of the file that was seen as `entry`, from `start` on; fewer only at its end.

        May be called by many threads at once. Raises ChangedMeanwhile where the kind notices without asking twice that
        the file is another one by now (an `If-Match`), and Unreachable where a retry may help.
        """
        pieces: list[bytes] = []
        with self.open_read(entry.path) as stream:
            stream.seek(start)
            while count and (piece := stream.read(count)):
                pieces.append(piece)
                count -= len(piece)
        return b"".join(pieces)

    def read_small(self, entries: Sequence[Entry]) -> Sequence[bytes | None]:
        """All bytes of several files that are small and of known size, in their order.

        None stands for one that did not come: `read_part` says why. May be called by many threads at once.
        """
        return [self._all_or_nothing(entry) for entry in entries]

    def _all_or_nothing(self, entry: Entry) -> bytes | None:
        try:
            return self.read_part(entry, 0, entry.size_bytes or 0)
        except (UserError, OSError):
            return None

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

    def local_path(self, path: str) -> Path | None:  # noqa: ARG002 (for those that can)
        """Where processes of this machine find `path` (there or not), if they can at all."""
        return None

    @abstractmethod
    def address(self, path: str) -> str:
        """How other programs name `path`, as in `s3://bucket/folder/file`: what the mode `direct` gives to a step."""

    def fingerprint(self, pattern: str) -> str:
        """SHA-256 over path, size and etag or time of change of every file that `pattern` means, in hexadecimal."""
        digest = hashlib.sha256()
        for entry in self.glob(pattern):
            name = entry.path.encode("utf-8", "surrogateescape")
            stamp = entry.etag or entry.modified_ns or 0
            digest.update(f"{len(name)}:".encode() + name + f":{entry.size_bytes or 0}:{stamp}\n".encode())
        return digest.hexdigest()

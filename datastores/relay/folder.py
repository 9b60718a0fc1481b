"""A local datastore as a machine sees it that does not share its folder."""

import builtins
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import count
from typing import Any, BinaryIO, ClassVar, Self, cast

from datastores.backends.interface import Backend, BackendConfig, Credentials, Entry, Listing
from datastores.backends.local import LocalFolderConfig
from datastores.backends.ranges import AHEAD, open_ranges
from datastores.paths import clean_path
from datastores.relay.client import ask
from datastores.relay.frames import MOST_BYTES, of_entry, to_entry
from datastores.source_paths import shown
from studio.lib.problems import UserError


class FolderFromAfar(Backend):
    kind: ClassVar[str] = "local"
    label: ClassVar[str] = "Local folder"
    icon: ClassVar[str] = "folder"
    summary: ClassVar[str] = "A folder on the studio's own disk, read and written over the studio's Redis."
    small_at_once: ClassVar[int] = 64
    has_addresses: ClassVar[bool] = False
    Config: ClassVar[type[BackendConfig]] = LocalFolderConfig

    def __init__(self, config: LocalFolderConfig) -> None:
        self._config = config

    @classmethod
    def settle(
        cls,
        config: BackendConfig,  # noqa: ARG003
        _credentials: Credentials,
        *,
        workspace_id: int,  # noqa: ARG003
        name: str,  # noqa: ARG003
    ) -> BackendConfig:
        raise UserError("A local folder is registered on the studio's own machine.", loc=("kind",))

    @classmethod
    def open(cls, config: BackendConfig, _credentials: Credentials) -> Self:
        return cls(cast("LocalFolderConfig", config))

    @property
    def location(self) -> str:
        return f"the studio's folder {self._config.path}"

    def test(self, *, write: bool = True) -> None:
        self._ask("test", write=write)

    def list(self, path: str = "", *, after: str | None = None, limit: int = 200, prefix: str = "") -> Listing:
        said, _ = self._ask("list", path=path, after=after, limit=limit, prefix=prefix)
        return Listing([to_entry(entry) for entry in said["entries"]], said["after"])

    def stat(self, path: str) -> Entry:
        return to_entry(self._ask("stat", path=path)[0]["entry"])

    def open_read(self, path: str) -> BinaryIO:
        entry = self.stat(path)
        if entry.kind != "file":
            raise UserError(f"“{shown(path)}” is not a file.", loc=("path",))

        def fetch(start: int, end: int) -> "Future[bytes]":
            return self._readers.submit(self.read_part, entry, start, end - start)

        return open_ranges(fetch, entry.size_bytes or 0)

    def read_part(self, entry: Entry, start: int, count: int) -> bytes:
        pieces: list[bytes] = []
        while count > 0:
            _, piece = self._ask("read", entry=of_entry(entry), start=start, count=min(count, MOST_BYTES))
            if not piece:
                break
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_small(self, entries: Sequence[Entry]) -> Sequence[bytes | None]:
        said, content = self._ask("read small", entries=[of_entry(entry) for entry in entries])
        found: builtins.list[bytes | None] = []
        at = 0
        for size_bytes in said["sizes"]:
            found.append(None if size_bytes is None else content[at : at + size_bytes])
            at += size_bytes or 0
        return found

    def write(self, path: str, stream: BinaryIO) -> Entry:
        draft, start = secrets.token_hex(16), 0
        for number in count():
            data = _whole_piece(stream)
            if data or not number:  # an empty file is a file
                self._ask("write", data, draft=draft, start=start)
            start += len(data)
            if len(data) < MOST_BYTES:
                break
        return to_entry(self._ask("take", draft=draft, path=path)[0]["entry"])

    def make_folder(self, path: str) -> Entry:
        return to_entry(self._ask("make folder", path=path)[0]["entry"])

    def delete(self, path: str) -> None:
        self._ask("delete", path=path)

    def glob(self, pattern: str) -> Iterator[Entry]:
        said, _ = self._ask("glob", pattern=pattern)
        while True:
            yield from map(to_entry, said["entries"])
            if said["walk"] is None:
                return
            said, _ = self._ask("go on", walk=said["walk"], server=said["server"])

    def address(self, path: str) -> str:
        return f"{self.location}/{clean_path(path)}"

    def local_path(self, path: str) -> None:
        clean_path(path)

    def close(self) -> None:
        if (readers := self.__dict__.pop("_readers", None)) is not None:
            readers.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(AHEAD + 1, "folders")

    def _ask(self, what: str, body: bytes = b"", **arguments: Any) -> tuple[dict[str, Any], bytes]:
        return ask(what, {"config": self._config.model_dump(), **arguments}, body)


def _whole_piece(stream: BinaryIO) -> bytes:
    """As much as a message takes; less only at the stream's end."""
    pieces: list[bytes] = []
    room = MOST_BYTES
    while room and (piece := stream.read(room)):
        pieces.append(piece)
        room -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)

"""What can be asked of the studio's folders. Each ask takes about a second at most and answers with some megabytes."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from datastores.backends.interface import ChangedMeanwhile, Entry, NoCredentials, NoSuchPath
from datastores.backends.local import LocalFolder
from datastores.content import ContentStore
from datastores.relay.frames import MOST_BYTES, of_entry, to_entry
from datastores.source_paths import shown
from studio.lib.problems import UserError

ENTRIES_AT_ONCE = 2000
WALKING_S = 1.0  # after which a walk answers with what it has found
_WALKS_S = 600.0  # after which one that nobody goes on with is forgotten

Answer = tuple[dict[str, Any], bytes]
Asked = Mapping[str, Any]


@dataclass
class _Walk:
    entries: Iterator[Entry]
    used_at: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Operations:
    """Of one server: walks through folders are remembered here, everything else is not."""

    def __init__(self, server: str) -> None:
        self.server = server
        self._walks: dict[str, _Walk] = {}
        self._operations: dict[str, Callable[[Asked, bytes], Answer]] = {
            "test": self._test,
            "list": self._list,
            "stat": self._stat,
            "read": self._read,
            "read small": self._read_small,
            "glob": self._glob,
            "go on": self._go_on,
            "make folder": self._make_folder,
            "delete": self._delete,
            "write": self._write,
            "take": self._take,
            "content": self._content,
            "contents": self._contents,
        }

    def answer(self, asked: Asked, body: bytes) -> Answer:
        """Raises UserError, OSError."""
        operation = self._operations.get(str(asked.get("what")))
        if operation is None:
            raise UserError("The studio runs another version than this node. Start the node with the same one.")
        return operation(asked, body)

    def _test(self, asked: Asked, _: bytes) -> Answer:
        _folder(asked).test(write=asked["write"])
        return {}, b""

    def _list(self, asked: Asked, _: bytes) -> Answer:
        limit = min(int(asked["limit"]), ENTRIES_AT_ONCE)
        found = _folder(asked).list(asked["path"], after=asked["after"], limit=limit, prefix=asked["prefix"])
        return {"entries": [of_entry(entry) for entry in found.entries], "after": found.after}, b""

    def _stat(self, asked: Asked, _: bytes) -> Answer:
        return {"entry": of_entry(_folder(asked).stat(asked["path"]))}, b""

    def _read(self, asked: Asked, _: bytes) -> Answer:
        folder, entry = _folder(asked), to_entry(asked["entry"])
        _require_same(folder, entry)
        return {}, folder.read_part(entry, int(asked["start"]), min(int(asked["count"]), MOST_BYTES))

    def _read_small(self, asked: Asked, _: bytes) -> Answer:
        """As many as an answer has room for; the sizes say which, None for one that did not come."""
        folder = _folder(asked)
        sizes: list[int | None] = []
        pieces: list[bytes] = []
        room = MOST_BYTES
        for entry in map(to_entry, asked["entries"]):
            data = folder.read_small([entry])[0] if (entry.size_bytes or 0) <= room else None
            sizes.append(None if data is None else len(data))
            if data is not None:
                pieces.append(data)
                room -= len(data)
        return {"sizes": sizes}, b"".join(pieces)

    def _glob(self, asked: Asked, body: bytes) -> Answer:
        self._forget_old_walks()
        name = secrets.token_hex(16)
        self._walks[name] = _Walk(_folder(asked).glob(asked["pattern"]))
        return self._go_on({"walk": name}, body)

    def _go_on(self, asked: Asked, _: bytes) -> Answer:
        name = asked["walk"]
        walk = self._walks.get(name)
        if walk is None:
            raise UserError("The studio was started anew meanwhile. List the folder again.")
        with walk.lock:
            walk.used_at = time.monotonic()
            until = walk.used_at + WALKING_S
            found: list[list[Any]] = []
            for entry in islice(walk.entries, ENTRIES_AT_ONCE):
                found.append(of_entry(entry))
                if time.monotonic() > until:
                    break
            else:
                if len(found) < ENTRIES_AT_ONCE:
                    self._walks.pop(name, None)
                    return {"entries": found, "walk": None}, b""
        return {"entries": found, "walk": name, "server": self.server}, b""

    def _forget_old_walks(self) -> None:
        now = time.monotonic()
        for name, walk in list(self._walks.items()):
            if now - walk.used_at > _WALKS_S:
                self._walks.pop(name, None)

    def _make_folder(self, asked: Asked, _: bytes) -> Answer:
        return {"entry": of_entry(_folder(asked).make_folder(asked["path"]))}, b""

    def _delete(self, asked: Asked, _: bytes) -> Answer:
        _folder(asked).delete(asked["path"])
        return {}, b""

    def _write(self, asked: Asked, body: bytes) -> Answer:
        _folder(asked).write_draft(asked["draft"], int(asked["start"]), body)
        return {}, b""

    def _take(self, asked: Asked, _: bytes) -> Answer:
        return {"entry": of_entry(_folder(asked).take_draft(asked["draft"], asked["path"]))}, b""

    def _content(self, asked: Asked, _: bytes) -> Answer:
        """A part of one file of a source folder."""
        with _contents(asked).open(asked["sha256"]) as stream:
            stream.seek(int(asked["start"]))
            return {}, stream.read(MOST_BYTES)

    def _contents(self, asked: Asked, _: bytes) -> Answer:
        """The first of several files, as many as an answer has room for: the sizes say which; at least one."""
        store, sizes, pieces, room = _contents(asked), [], [], MOST_BYTES
        for sha256 in asked["sha256s"]:
            with store.open(sha256) as stream:
                data = stream.read(room + 1)
            if len(data) > room:
                break
            sizes.append(len(data))
            pieces.append(data)
            room -= len(data)
        return {"sizes": sizes}, b"".join(pieces)


def _folder(asked: Asked) -> LocalFolder:
    """As anybody here opens it: what an administrator has not allowed is not opened for a node either."""
    return LocalFolder.open(LocalFolder.Config.model_validate(asked["config"]), NoCredentials())


def _contents(asked: Asked) -> ContentStore:
    return ContentStore(int(asked["workspace_id"]))


def _require_same(folder: LocalFolder, entry: Entry) -> None:
    now = folder.stat(entry.path)
    if now.kind != "file":
        raise NoSuchPath(f"“{shown(entry.path)}” is not a file.", loc=("path",))
    if entry.modified_ns is not None and (now.size_bytes, now.modified_ns) != (entry.size_bytes, entry.modified_ns):
        raise ChangedMeanwhile(f"“{shown(entry.path)}” was changed while it was read. Read it anew.", loc=("path",))

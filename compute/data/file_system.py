"""A store as a file system that can be read: FUSE's questions, answered by a `Backend`.

It is served by a process of its own, see `compute.data.helper`. Reads that follow one another are fetched ahead, some
at once.
"""

import errno
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import mfusepy

from compute.data.answering import Answers, Order
from compute.data.retrying import Patience
from compute.execution.processes import unmount
from datastores.backends import Backend, Entry, NoSuchPath, open_store
from datastores.paths import join
from studio.lib.problems import UserError

_BLOCK_BYTES = 1024 * 1024
_BLOCKS_KEPT = 96
_BLOCKS_AHEAD = 8
_READERS = 8
_BELIEVED_S = 60.0  # what was seen of the store
_ENTRIES_KEPT = 200_000
_TROUBLES = 100
_FOLDER = stat.S_IFDIR | 0o555
_FILE = stat.S_IFREG | 0o444


def serve(order: Order, answers: Answers, until: int) -> None:
    """Mount, say so, and answer FUSE until the descriptor `until` ends."""
    try:
        store = open_store(order["kind"], order["config"], order["secrets"])
        assert isinstance(store, Backend)
    except UserError as error:
        answers.give({"is": "failed", "why": str(error)})
        return
    finally:
        order.pop("secrets")
    point = order["point"]
    threading.Thread(target=_until_told, args=(until, point), daemon=True).start()
    try:
        mfusepy.FUSE(
            StoreFiles(store, answers, root=order["view"]["root"], files=order["view"]["files"]),
            point,
            foreground=True,
            ro=True,
            nosuid=True,
            nodev=True,
            fsname=order["device"],
            attr_timeout=_BELIEVED_S,
            entry_timeout=_BELIEVED_S,
        )
    except RuntimeError:
        answers.give({"is": "no fuse", "why": "the system does not let it mount anything"})


def _until_told(until: int, point: str) -> None:
    with suppress(OSError):
        while os.read(until, 4096):
            pass
    unmount(point)
    os._exit(0)


@dataclass(slots=True)
class _Opened:
    entry: Entry
    next_block: int = 0  # where one goes on who reads from the beginning to the end
    is_sequential: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)


class StoreFiles(mfusepy.Operations):  # type: ignore[misc] # comes without types
    """Read-only. What a store refuses becomes an I/O error here, and its sentence goes to the step's log."""

    use_ns = True

    def __init__(self, backend: Backend, answers: Answers, *, root: str, files: dict[str, str]) -> None:
        self.backend, self.root, self.files = backend, root, files
        self._answers = answers
        self._patience = Patience(threading.Event())
        self._entries: OrderedDict[str, tuple[float, Entry | None]] = OrderedDict()
        self._blocks: OrderedDict[tuple[str, str, int], Future[bytes]] = OrderedDict()
        self._opened: dict[int, _Opened] = {}
        self._next_handle = 0
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(_READERS, "read")
        self._troubles: set[str] = set()
        self._began_ns = time.time_ns()

    def init(self, path: str) -> None:  # noqa: ARG002 (what FUSE asks)
        self._answers.give({"is": "mounted"})

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:  # noqa: ARG002
        if path == "/":
            return self._attributes(None)
        entry = self._entry(path)
        return self._attributes(entry if entry.kind == "file" else None, entry.modified_ns)

    def readdir(self, path: str, fh: int) -> Iterator[str]:  # noqa: ARG002
        yield "."
        yield ".."
        if path == "/" and self.files:
            yield from self.files
            return
        folder = self._path(path)
        after = None
        while True:
            with self._said():
                page = self.backend.list(folder, after=after, limit=1000)
            for entry in page.entries:
                if entry.kind != "other" and entry.name not in {"", ".", ".."}:
                    self._remember(entry.path, entry)
                    yield entry.name
            after = page.after
            if after is None:
                return

    def open(self, path: str, flags: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise mfusepy.FuseOSError(errno.EROFS)
        entry = self._entry(path)
        with self._lock:
            self._next_handle += 1
            self._opened[self._next_handle] = _Opened(entry)
            return self._next_handle

    def release(self, path: str, fh: int) -> int:  # noqa: ARG002
        with self._lock:
            self._opened.pop(fh, None)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:  # noqa: ARG002
        opened = self._opened[fh]
        length = opened.entry.size_bytes or 0
        end = min(offset + size, length)
        pieces: list[bytes] = []
        while offset < end:
            number, at = divmod(offset, _BLOCK_BYTES)
            block = self._block(opened, number, length)
            piece = block[at : at + end - offset]
            if not piece:
                break  # it became shorter meanwhile
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def statfs(self, path: str) -> dict[str, int]:  # noqa: ARG002
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 1024}

    def _block(self, opened: _Opened, number: int, length: int) -> bytes:
        with opened.lock:
            if number not in {opened.next_block, opened.next_block - 1}:
                opened.is_sequential = number == 0
            elif number == opened.next_block:
                opened.is_sequential = True
            ahead = range(number + 1, number + 1 + _BLOCKS_AHEAD) if opened.is_sequential else range(0)
            opened.next_block = max(number + 1, opened.next_block) if opened.is_sequential else number + 1
        wanted = self._fetched(opened.entry, number)
        for following in ahead:
            if following * _BLOCK_BYTES < length:
                self._fetched(opened.entry, following)
        with self._said():
            try:
                return wanted.result()
            except BaseException:
                with self._lock:  # another try may do better
                    self._blocks.pop(self._name(opened.entry, number), None)
                raise

    def _fetched(self, entry: Entry, number: int) -> "Future[bytes]":
        name = self._name(entry, number)
        with self._lock:
            block = self._blocks.get(name)
            if block is None:
                block = self._blocks[name] = self._readers.submit(self._fetch, entry, number)
                while len(self._blocks) > _BLOCKS_KEPT:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(name)
            return block

    def _fetch(self, entry: Entry, number: int) -> bytes:
        return self._patience.call(lambda: self.backend.read_part(entry, number * _BLOCK_BYTES, _BLOCK_BYTES))

    @staticmethod
    def _name(entry: Entry, number: int) -> tuple[str, str, int]:
        return entry.path, f"{entry.etag} {entry.modified_ns}", number

    def _entry(self, path: str) -> Entry:
        store_path = self._path(path)
        with self._lock:
            seen = self._entries.get(store_path)
        if seen is None or time.monotonic() - seen[0] > _BELIEVED_S:
            with self._said():
                try:
                    found = self._patience.call(lambda: self.backend.stat(store_path))
                except NoSuchPath:
                    found = None
            self._remember(store_path, found)
        else:
            found = seen[1]
        if found is None or found.kind == "other":
            raise mfusepy.FuseOSError(errno.ENOENT)
        return found

    def _remember(self, path: str, entry: Entry | None) -> None:
        with self._lock:
            self._entries[path] = (time.monotonic(), entry)
            self._entries.move_to_end(path)
            while len(self._entries) > _ENTRIES_KEPT:
                self._entries.popitem(last=False)

    def _path(self, path: str) -> str:
        relative = path.strip("/")
        if not self.files:
            return join(self.root, relative) if relative else self.root
        if relative not in self.files:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return self.files[relative]

    def _attributes(self, file: Entry | None, modified_ns: int | None = None) -> dict[str, Any]:
        changed_ns = (file.modified_ns if file else modified_ns) or self._began_ns
        return {
            "st_mode": _FILE if file else _FOLDER,
            "st_nlink": 1 if file else 2,
            "st_size": (file.size_bytes or 0) if file else 0,
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
            "st_atime": changed_ns,
            "st_mtime": changed_ns,
            "st_ctime": changed_ns,
        }

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except mfusepy.FuseOSError:
            raise
        except NoSuchPath:
            raise mfusepy.FuseOSError(errno.ENOENT) from None
        except Exception as error:  # noqa: BLE001 (told, and an error for who reads)
            self._tell(str(error) if isinstance(error, (UserError, OSError)) else f"{type(error).__name__}: {error}")
            raise mfusepy.FuseOSError(errno.EIO) from None

    def _tell(self, trouble: str) -> None:
        with self._lock:
            is_new = trouble not in self._troubles and len(self._troubles) < _TROUBLES
            self._troubles.add(trouble)
        if is_new:
            self._answers.give({"trouble": trouble})

"""Copies of remote files on this machine, shared by all steps and node processes that run on it.

    NODE_HOME/cache/data/objects/<2 digits>/<key>   a whole file; its time of change is that of its source
    NODE_HOME/cache/data/parts/<key>[.blocks]       what has come of a file, and which of its blocks are whole
    NODE_HOME/cache/data/tables/<key>/              a table as Parquet, see `compute.data.tables`
    NODE_HOME/cache/data/usage                      about how many bytes lie there; its lock orders the removals

A step gets hard links: what is linked is in use, and removing it would free nothing. Whoever fetches a file holds a
lock on its part; the part becomes the object by being renamed, so that half a file is never taken for one. Nothing is
synced: what a machine's crash left too short, or with another time of change, is not whole and is fetched anew.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Self

from django.conf import settings

from compute.data.progress import size
from compute.data.retrying import StoppedError
from compute.execution.reasons import StepFailure, of_full_disk
from datastores.backends import Entry

BLOCK_BYTES = 4 * 1024 * 1024
MIN_FREE_BYTES = 200 * 1024 * 1024
_LOW_WATER = 0.9  # of the limit: a removal makes room for more than the next file
_AHEAD_BYTES = 16 * 1024 * 1024
_FRUITLESS_S = 30.0  # when all is in use, looking again for each file would cost more than the files
_SOME_DAY_NS = 1_000_000_000 * 10**9  # the time of change of what has none
_PRECISION_NS = 10**9  # a listing may say more of a second than the file's own answer


@dataclass(frozen=True)
class Remote:
    """A file of a store, as it was seen. `store` tells its place from all others: see `store_digest`."""

    store: str
    entry: Entry

    @cached_property
    def key(self) -> str | None:
        """What its copy is called; None where nothing tells one content from the next."""
        stamp = self.entry.etag or self.entry.modified_ns
        if stamp is None or self.entry.size_bytes is None:
            return None
        said = json.dumps([self.store, self.entry.path, self.entry.size_bytes, stamp])
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def modified_ns(self) -> int:
        return self.entry.modified_ns or _SOME_DAY_NS


def store_digest(kind: str, config: object) -> str:
    """Of all that says where a store is: only who reaches a place by the same words finds what others fetched."""
    return hashlib.sha256(json.dumps([kind, config], sort_keys=True).encode()).hexdigest()


class DataCache:
    """The cache of this machine."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root, self.limit_bytes = root, limit_bytes
        self.objects, self.parts, self.tables = root / "objects", root / "parts", root / "tables"
        self._rest_until = 0.0
        self._allowed_bytes = 0  # reserved ahead: small files come by the thousand
        self._lock = threading.Lock()

    @classmethod
    def of_this_node(cls) -> Self:
        return cls(Path(settings.NODE_HOME) / "cache" / "data", settings.DATA_CACHE_BYTES)

    def object(self, key: str) -> Path:
        return self.objects / key[:2] / key

    def link(self, file: Remote, target: Path) -> bool:
        """Put a whole copy at `target`, whose folder is there. False where there is none."""
        key = file.key
        if key is None:
            return False
        here = self.object(key)
        try:
            found = here.stat()
            if not _is_whole(found, file):
                here.unlink()
                return False
            link(here, target)
            os.utime(here, ns=(time.time_ns(), found.st_mtime_ns))  # the time of access is that of the last use
        except FileNotFoundError:
            return False  # removed at this moment
        return True

    def reserve(self, size_bytes: int) -> None:
        """Room for so many bytes more, removing what was not used for longest. Raises StepFailure on a full disk."""
        with self._lock:
            if size_bytes > self._allowed_bytes:
                ahead_bytes = min(_AHEAD_BYTES, self.limit_bytes // 200)
                self._reserve(size_bytes + ahead_bytes)
                self._allowed_bytes += size_bytes + ahead_bytes
            self._allowed_bytes -= size_bytes

    def _reserve(self, size_bytes: int) -> None:
        with self._usage() as usage:
            used = _number(usage) + size_bytes
            missing = size_bytes + MIN_FREE_BYTES - shutil.disk_usage(self.root).free
            if missing > 0 or (used > self.limit_bytes and time.monotonic() > self._rest_until):
                kept, freed = self._remove_least_used(size_bytes, missing)
                used = kept + size_bytes
                if used > self.limit_bytes:
                    self._rest_until = time.monotonic() + _FRUITLESS_S
                if freed < missing:
                    raise StepFailure(
                        of_full_disk(
                            f"{size(size_bytes)} of the step's data have no room where node files lie "
                            f"({size(shutil.disk_usage(self.root).free)} are free)"
                        )
                    )
            usage.seek(0)
            usage.truncate()
            usage.write(str(used))

    def make_room(self) -> None:
        """As far as the disk is nearly full, what was not used for longest goes."""
        with self._lock, contextlib.suppress(StepFailure, OSError):  # the disk may be full to the last byte
            self._reserve(0)

    def trim(self) -> None:
        """Back below the limit, now that a step has ended."""
        if not self.root.exists():
            return
        with self._usage() as usage:
            if _number(usage) <= self.limit_bytes:
                return
            kept, _ = self._remove_least_used(0, 0)
            usage.seek(0)
            usage.truncate()
            usage.write(str(kept))

    @contextlib.contextmanager
    def _usage(self) -> Iterator[IO[str]]:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / "usage").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file

    def _remove_least_used(self, size_bytes: int, missing_bytes: int) -> tuple[int, int]:
        """Returns the bytes that are left, and those that came free."""
        things = list(self._things())
        kept = sum(thing.size_bytes for thing in things)
        freed = 0
        aim = min(self.limit_bytes - size_bytes, int(self.limit_bytes * _LOW_WATER))
        if kept <= aim and missing_bytes <= 0:
            return kept, 0
        for thing in sorted((thing for thing in things if not thing.is_in_use), key=lambda thing: thing.used_ns):
            if kept <= aim and freed >= missing_bytes:
                break
            if thing.remove():
                kept -= thing.size_bytes
                freed += thing.size_bytes
        return kept, freed

    def _things(self) -> "Iterator[Thing]":
        for folder in _scan(self.objects):
            for found in _scan(Path(folder.path)):
                with contextlib.suppress(FileNotFoundError):
                    stat = found.stat(follow_symlinks=False)
                    yield Thing(Path(found.path), stat.st_size, stat.st_atime_ns, is_in_use=stat.st_nlink > 1)
        for found in _scan(self.parts):
            if not found.name.endswith(".blocks"):
                with contextlib.suppress(FileNotFoundError):
                    stat = found.stat(follow_symlinks=False)
                    yield UnfinishedThing(Path(found.path), stat.st_blocks * 512, stat.st_mtime_ns, is_in_use=False)
        for found in _scan(self.tables):
            if found.is_dir(follow_symlinks=False):
                yield _table(Path(found.path))


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in the cache that can be removed as a whole."""

    path: Path
    size_bytes: int
    used_ns: int
    is_in_use: bool

    def remove(self) -> bool:
        self.path.unlink(missing_ok=True)
        return True


class UnfinishedThing(Thing):
    """Part of a file. Nobody fetches it now, or it stays."""

    def remove(self) -> bool:
        with contextlib.suppress(OSError), self.path.open("r+b") as part:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.path.unlink()
            blocks_of(self.path).unlink(missing_ok=True)
            return True
        return False


class TableThing(Thing):
    def remove(self) -> bool:
        gone = self.path.with_name(f"gone-{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(gone)  # whole or not there
            shutil.rmtree(gone, ignore_errors=True)
        return True


def _table(folder: Path) -> Thing:
    size_bytes = used_ns = 0
    is_in_use = False
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = os.stat(f"{where}/{name}")  # noqa: PTH116 (hundreds of them)
                size_bytes += stat.st_size
                used_ns = max(used_ns, stat.st_atime_ns)
                is_in_use = is_in_use or stat.st_nlink > 1
    # One that is being made is held by its maker, who may be dead: an old one is litter.
    is_in_use = is_in_use or (folder.suffix == ".part" and time.time_ns() - used_ns < 3600 * 10**9)
    return TableThing(folder, size_bytes, used_ns, is_in_use=is_in_use)


class Part:
    """The right to fetch one file, what is there of it, and which blocks are missing. Close it."""

    def __init__(self, cache: DataCache, file: Remote, key: str, descriptor: int) -> None:
        self.cache, self.file, self.key = cache, file, key
        self.path = cache.parts / key
        self._descriptor = descriptor
        self._lock = threading.Lock()  # a thread that hung in a connection must not write to what was closed since
        self.missing = self._missing()

    @classmethod
    def take(cls, cache: DataCache, file: Remote) -> "Part | None":
        """None where somebody else fetches it now. A file without a key is nobody else's."""
        key = file.key or f"once-{uuid.uuid4().hex}"
        cache.parts.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            descriptor = os.open(cache.parts / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same(descriptor, cache.parts / key):
                    return cls(cache, file, key, descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was finished or removed between the two

    def write(self, start: int, data: bytes) -> None:
        with self._open():
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor, view, start)
                view, start = view[written:], start + written

    def cut(self, size_bytes: int) -> None:
        """Its end is here: what an attempt before had written behind it goes."""
        with self._open():
            os.ftruncate(self._descriptor, size_bytes)

    def block_is_whole(self, block: int) -> None:
        """Note it, should all this have to go on after our end."""
        if self._has_blocks:
            with self._open(), blocks_of(self.path).open("ab") as file:
                file.write(block.to_bytes(4, "little"))

    def finish(self, target: Path) -> None:
        """Make it the object, and put it at `target`."""
        with self._open():
            size_bytes = self.file.entry.size_bytes
            if size_bytes is not None and os.fstat(self._descriptor).st_size != size_bytes:
                self._discard()
                raise OSError(errno.EIO, f"{self.path} has another size than it should have")
            os.fchmod(self._descriptor, 0o444)
            os.utime(self._descriptor, ns=(time.time_ns(), self.file.modified_ns))
            link(self.path, target)  # before it can be removed by somebody who needs room
            if self._has_blocks:
                blocks_of(self.path).unlink(missing_ok=True)
            if self.file.key is None:
                self.path.unlink()
                return
            here = self.cache.object(self.key)
            try:
                self.path.replace(here)
            except FileNotFoundError:
                here.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.path.replace(here)

    def discard(self) -> None:
        """What has come is of no use."""
        with self._open():
            self._discard()

    def close(self) -> None:
        """Somebody else may go on with it."""
        with self._lock:
            if self._descriptor < 0:
                return
            if self.file.key is None:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _discard(self) -> None:
        self.path.unlink(missing_ok=True)
        blocks_of(self.path).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._descriptor < 0:
                raise StoppedError
            yield

    @property
    def _has_blocks(self) -> bool:
        return (self.file.entry.size_bytes or 0) > BLOCK_BYTES

    def _missing(self) -> list[int]:
        size_bytes = self.file.entry.size_bytes or 0
        count = -(-size_bytes // BLOCK_BYTES)
        if not self._has_blocks:
            os.ftruncate(self._descriptor, 0)
            return list(range(count))
        notes = blocks_of(self.path)
        head = _head_of_notes()
        said = notes.read_bytes() if notes.exists() else b""
        if not said.startswith(head) or os.fstat(self._descriptor).st_size > size_bytes:
            os.ftruncate(self._descriptor, 0)
            notes.write_bytes(head)
            return list(range(count))
        said = said[len(head) :]
        whole = {int.from_bytes(said[at : at + 4], "little") for at in range(0, len(said) - 3, 4)}
        return [block for block in range(count) if block not in whole]


def blocks_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.blocks")


def arrived_bytes(cache: DataCache, file: Remote) -> int:
    """How much of a file somebody else has fetched so far, about."""
    with contextlib.suppress(FileNotFoundError):
        return min((cache.parts / (file.key or "")).stat().st_blocks * 512, file.entry.size_bytes or 0)
    return 0


@lru_cache(maxsize=1)
def _head_of_notes() -> bytes:
    """Notes from before the machine's last start are not believed: they may have outlived the bytes they speak of."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {BLOCK_BYTES:9d}\n".encode()


def link(here: Path, target: Path) -> None:
    """A hard link; a copy where the two lie on different disks. What is there already stays.

    Raises FileNotFoundError where `here` is gone, IsADirectoryError where a folder is in the way.
    """
    try:
        os.link(here, target)
    except FileExistsError:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder is in the way", str(target)) from None
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EMLINK, errno.EPERM}:
            raise
        shutil.copy2(here, target)


def _is_whole(found: os.stat_result, file: Remote) -> bool:
    return found.st_size == file.entry.size_bytes and abs(found.st_mtime_ns - file.modified_ns) < _PRECISION_NS


def _same(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _number(file: IO[str]) -> int:
    try:
        return int(file.read())
    except ValueError:
        return 0


def _scan(folder: Path) -> "Iterator[os.DirEntry[str]]":
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        yield from found

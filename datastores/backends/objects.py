"""Stores that know keys and no folders: S3, Azure's blobs, and those like them.

A kind says how it lists a page of keys, looks at one, reads, writes and removes them: the methods of `ObjectStore` that
are abstract. What folders are is made of that here: a folder is there as long as a key begins with its path and a
slash; an empty one is kept by an empty object of that name, as all tools for such stores do it, or by one that is
never shown, where a server (rclone's) makes a file of such a name.
"""

import asyncio
import os
import secrets
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar

from datastores.backends.cursors import packed, unpacked
from datastores.backends.interface import Entry, EntryKind, Listing
from datastores.backends.remote import RemoteFiles, nothing_at
from datastores.paths import Glob, clean_path, is_glob, join, name_of, parent_of
from datastores.source_paths import shown
from studio.lib.problems import UserError

PAGE = 1000  # of keys: what such stores give at most
PART_BYTES = 8 * 1024 * 1024
UNKNOWN_PART_BYTES = 16 * 1024 * 1024  # of a stream that nobody knows the length of: enough for 156 GiB
PARTS_AT_ONCE = 4
KNOWN_FOLDERS = 1000
KEEPER = ".studio-folder"
ROOT_STAYS = "The datastore's own folder can't be deleted. Remove the datastore instead."

# A folder that a walk is in: its key with a slash, and the state of the glob.
Folder = tuple[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What lies under a key."""

    key: str
    size_bytes: int
    modified_ns: int | None
    etag: str | None
    is_folder: bool = False  # a marker of a store that calls its folders by a name without a slash


@dataclass(frozen=True, slots=True)
class Page:
    """A page of keys, in the store's order. `folders` end with a slash; `after` asks for the next page."""

    objects: Sequence[StoredObject] = ()
    folders: Sequence[str] = ()
    after: str | None = None


@dataclass
class Draft:
    """An object on its way in: its parts by number, from 1. Nobody sees it until it is finished."""

    key: str
    id: str = ""
    parts: dict[int, str] = field(default_factory=dict)


class ObjectStore(RemoteFiles):
    """Folders and files over keys. `folder` is the datastore's root: "" or a path without slashes at its ends."""

    max_key_bytes: ClassVar[int] = 1024
    max_parts: ClassVar[int] = 10_000

    def __init__(self, folder: str) -> None:
        self._root = f"{folder}/" if folder else ""
        self._free_folders: set[str] = set()  # no file is in their way: looked up once for all files of an upload

    # What a kind gives. Keys are whole ones.

    @abstractmethod
    async def _page(self, prefix: str, *, deep: bool, after: str | None = None, limit: int = PAGE) -> Page:
        """Keys that begin with `prefix`: all (`deep`), or up to the next slash, with the folders that begin there."""

    @abstractmethod
    async def _head(self, key: str) -> StoredObject | None:
        """What lies under `key`; None where nothing does."""

    @abstractmethod
    async def _get(self, key: str, start: int, end: int, etag: str | None) -> bytes:
        """Bytes `start` up to `end`. Raises ChangedMeanwhile where the object is not that of `etag`."""

    @abstractmethod
    async def _put(self, key: str, content: bytes) -> None:
        """An object as a whole."""

    @abstractmethod
    async def _start(self, key: str) -> Draft: ...

    @abstractmethod
    async def _add(self, draft: Draft, number: int, content: bytes) -> None: ...

    @abstractmethod
    async def _finish(self, draft: Draft) -> None: ...

    @abstractmethod
    async def _abandon(self, draft: Draft) -> None: ...

    @abstractmethod
    async def _remove(self, keys: Sequence[str]) -> None:
        """At most `PAGE` of them; one that is gone already is no error."""

    # What is made of it.

    def test(self, *, write: bool = True) -> None:
        self._wait(self._tested(write and self.is_writable))

    def list(self, path: str = "", *, after: str | None = None, limit: int = 200, prefix: str = "") -> Listing:
        path = clean_path(path)
        return self._wait(self._listed(path, prefix, unpacked(after, count=2)[1] if after else None, limit), path)

    def stat(self, path: str) -> Entry:
        path = clean_path(path)
        return self._wait(self._looked_at(path), path)

    def write(self, path: str, stream: BinaryIO) -> Entry:
        path = clean_path(path)
        if not path:
            raise UserError("Give the file a name.", loc=("path",))
        if name_of(path) == KEEPER:
            raise UserError(f"The name {KEEPER} is the studio's own. Choose another one.", loc=("path",))
        key = self._key(path)
        self._wait(self._clear_way(path), path)
        # The stream is read here and not in the loop of connections: it may be slow, and its errors are its own.
        count = self._part_bytes(stream)
        content = _full(stream, count)
        if len(content) < count:
            self._wait(self._put(key, content), path, limit_s=None)
        else:
            self._write_parts(path, key, content, stream, count)
        return self.stat(path)

    def make_folder(self, path: str) -> Entry:
        path = clean_path(path)
        if path:
            self._wait(self._made(path), path)
        return Entry(path, "folder")

    def delete(self, path: str) -> None:
        path = clean_path(path)
        if not path:
            raise UserError(ROOT_STAYS, loc=("path",))
        self._free_folders.clear()
        self._wait(self._deleted(path), path, limit_s=None)

    def glob(self, pattern: str) -> Iterator[Entry]:
        pattern = clean_path(pattern)
        if is_glob(pattern):
            glob = Glob(pattern)
            yield from self._walk(glob.folder, glob)
            return
        found = self._wait(self._head(self._key(pattern)), pattern) if pattern else None
        if found is not None and not found.is_folder:
            yield self._entry(found)
        else:
            yield from self._walk(pattern, Glob("**"))

    async def _read_range(self, entry: Entry, start: int, end: int) -> bytes:
        return await self._get(self._key(entry.path), start, end, entry.etag)

    async def _tested(self, write: bool) -> None:
        await self._page(self._root, deep=False, limit=1)
        if not write:
            return
        probe = f"{self._root}.studio-test-{secrets.token_hex(8)}"
        await self._put(probe, b"The studio tries whether it may write here, and removes this at once.")
        await self._remove([probe])

    async def _listed(self, path: str, prefix: str, after: str | None, limit: int) -> Listing:
        top = self._below(path)
        page = await self._page(top + prefix, deep=False, after=after, limit=min(limit, PAGE))
        while not page.objects and not page.folders and page.after:  # a store may give empty pages on the way
            page = await self._page(top + prefix, deep=False, after=page.after, limit=min(limit, PAGE))
        if path and not after and not page.objects and not page.folders:
            there = prefix and (await self._page(top, deep=True, limit=1)).objects
            marker = await self._head(top.removesuffix("/"))
            if not there and not (marker and marker.is_folder):
                raise nothing_at(path)
        folders = [Entry(join(path, name), _kind("folder", name)) for name in map(_folder_name, page.folders) if name]
        known = {entry.path for entry in folders}
        files = []
        for found in page.objects:
            entry = self._entry(found)
            if _is_shown(found.key) and not (found.is_folder and entry.path in known):
                files.append(entry)
        entries = sorted(folders + files, key=lambda entry: (entry.kind != "folder", entry.name.casefold(), entry.name))
        return Listing(entries, packed(self.kind, page.after) if page.after else None)

    async def _looked_at(self, path: str) -> Entry:
        if path and (found := await self._head(self._key(path))):
            return Entry(path, "folder") if found.is_folder else self._entry(found)
        page = await self._page(self._below(path), deep=True, limit=1)
        if path and not page.objects:
            raise nothing_at(path)
        return Entry(path, "folder")

    async def _clear_way(self, path: str) -> None:
        """Raises UserError where a file would have to be a folder, or a folder a file."""
        above = [folder for folder in _parents(path) if folder not in self._free_folders]
        heads = await asyncio.gather(*(self._head(self._key(folder)) for folder in above))
        if (await self._page(self._below(path), deep=True, limit=1)).objects:
            raise UserError(f"“{shown(path)}” is a folder: a file can't replace it.", loc=("path",))
        if any(head is not None and not head.is_folder for head in heads):
            raise _in_the_way(path)
        if len(self._free_folders) < KNOWN_FOLDERS:
            self._free_folders.update(above)

    async def _made(self, path: str) -> None:
        heads = await asyncio.gather(*(self._head(self._key(folder)) for folder in [*_parents(path), path]))
        if any(head is not None and not head.is_folder for head in heads):
            raise _in_the_way(path)
        if not (await self._page(self._below(path), deep=True, limit=1)).objects:
            marker = self._below(path)
            await self._put(marker, b"")
            if not (await self._page(marker, deep=True, limit=1)).objects:
                await self._remove([marker.removesuffix("/")])
                await self._put(marker + KEEPER, b"")

    async def _deleted(self, path: str) -> None:
        found = await self._head(self._key(path))
        if found is not None:
            await self._remove([found.key])
            if not found.is_folder:
                return
        is_there = found is not None
        async for page in self._pages(self._below(path), deep=True):
            is_there = is_there or bool(page.objects)
            await self._remove([stored.key for stored in page.objects])
        if not is_there:
            raise nothing_at(path)

    def _part_bytes(self, stream: BinaryIO) -> int:
        """All parts have one size (some servers insist), so that the largest that a store takes fits its number."""
        try:
            here = stream.tell()
            count = stream.seek(0, os.SEEK_END) - here
            stream.seek(here)
        except (OSError, ValueError, AttributeError):
            return UNKNOWN_PART_BYTES
        return max(PART_BYTES, -(-count // (self.max_parts - 1)))

    def _write_parts(self, path: str, key: str, content: bytes, stream: BinaryIO, count: int) -> None:
        """In parts, some at once: memory is bounded by them. Nothing of it is seen before the last one has arrived."""
        draft = self._wait(self._start(key), path, limit_s=None)
        under_way: deque[Future[None]] = deque()
        try:
            for number in range(1, self.max_parts + 1):
                under_way.append(self._begin(self._add(draft, number, content), path))
                if len(under_way) == PARTS_AT_ONCE:
                    under_way.popleft().result()
                content = _full(stream, count)
                if not content:
                    break
            while under_way:
                under_way.popleft().result()
            self._wait(self._whole(draft, content, path), path, limit_s=None)
        except BaseException:
            for part in under_way:
                part.cancel()
            with suppress(UserError):
                self._wait(self._abandon(draft), path)
            raise

    async def _whole(self, draft: Draft, left: bytes, path: str) -> None:
        if left:
            raise UserError(f"“{shown(path)}” is too large for this store.", loc=("path",))
        await self._finish(draft)

    def _walk(self, top: str, glob: Glob) -> Iterator[Entry]:
        """The files below `top` that `glob` accepts, in the order of their keys: a page at a time, the next one asked
        for while this one is read."""
        pending: list[Iterator[Folder | StoredObject]] = [iter([(self._below(top), glob.start)])]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
            elif isinstance(following, StoredObject):
                yield self._entry(following)
            elif glob.is_deep(following[1]):
                pending.append(self._all_below(*following, glob))
            else:
                pending.append(self._one_level(*following, glob))

    def _all_below(self, folder: str, state: frozenset[int], glob: Glob) -> Iterator[StoredObject]:
        """Of one long list of keys, however many folders they make: a request for a thousand."""
        states = {"": state}
        for page in self._pages_ahead(folder + glob.name_prefix(state), deep=True):
            for found in page.objects:
                path = found.key[len(folder) :]
                if found.is_folder or not _is_shown(path) or not _is_plain(path):
                    continue
                above = parent_of(path)
                if above not in states:
                    states = {"": state, above: _stepped(glob, state, above)}  # one is enough: keys come in order
                if glob.accepts(glob.step(states[above], name_of(path))):
                    yield found

    def _one_level(self, folder: str, state: frozenset[int], glob: Glob) -> Iterator[Folder | StoredObject]:
        for page in self._pages_ahead(folder + glob.name_prefix(state), deep=False):
            level: list[tuple[str, StoredObject | None]] = [(key, None) for key in page.folders]
            level += [(found.key, found) for found in page.objects if not found.is_folder]
            for key, found in sorted(level, key=lambda each: each[0]):
                name = key[len(folder) :].removesuffix("/")
                following = glob.step(state, name) if name and _is_plain(name) else frozenset[int]()
                if found is None and following:
                    yield key, following
                elif found is not None and _is_shown(key) and glob.accepts(following):
                    yield found

    def _pages_ahead(self, prefix: str, *, deep: bool) -> Iterator[Page]:
        path = prefix.removeprefix(self._root)
        coming = self._begin(self._page(prefix, deep=deep), path)
        while True:
            page = coming.result()
            if page.after:
                coming = self._begin(self._page(prefix, deep=deep, after=page.after), path)
            yield page
            if not page.after:
                return

    async def _pages(self, prefix: str, *, deep: bool) -> AsyncIterator[Page]:
        after = None
        while True:
            page = await self._page(prefix, deep=deep, after=after)
            yield page
            after = page.after
            if not after:
                return

    def _entry(self, found: StoredObject) -> Entry:
        path = found.key.removeprefix(self._root)
        if found.is_folder:
            return Entry(path, "folder")
        return Entry(path, _kind("file", name_of(path)), found.size_bytes, found.modified_ns, found.etag)

    def _key(self, path: str) -> str:
        key = self._root + path
        if len(key.encode()) > self.max_key_bytes:
            raise UserError(
                f"“{shown(path)}” is too long: with its folders it takes {len(key.encode()):,} bytes, and this store "
                f"takes {self.max_key_bytes:,}. Shorten it.",
                loc=("path",),
            )
        return key

    def _below(self, path: str) -> str:
        return f"{self._key(path)}/" if path else self._root


def _kind(kind: EntryKind, name: str) -> EntryKind:
    return kind if name not in {".", ".."} else "other"


def _folder_name(key: str) -> str:
    return name_of(key.removesuffix("/"))


def _is_shown(key: str) -> bool:
    """Whether it is more than what keeps an empty folder."""
    return not key.endswith("/") and name_of(key) not in {"", KEEPER}


def _is_plain(path: str) -> bool:
    """Whether a key can be a path: a store takes `a//b` and `../a` too, which lead nowhere here."""
    return not any(part in {"", ".", ".."} for part in path.split("/"))


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _stepped(glob: Glob, state: frozenset[int], folder: str) -> frozenset[int]:
    for name in folder.split("/"):
        state = glob.step(state, name)
    return state


def _in_the_way(path: str) -> UserError:
    return UserError(f"A file is in the way of “{shown(path)}”: a folder can't have its name.", loc=("path",))


def _full(stream: BinaryIO, count: int) -> bytes:
    """`count` bytes of a stream that may give them in small pieces; fewer only at its end."""
    first = stream.read(count)
    if not first or len(first) == count:
        return first
    pieces = [first]
    missing = count - len(first)
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)

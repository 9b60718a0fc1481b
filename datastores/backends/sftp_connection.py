"""A connection to an SSH server that is signed in, and what is asked over it."""

import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from datastores.backends.interface import (
    Entry,
    EntryKind,
)
from datastores.paths import name_of, parent_of
from datastores.source_paths import shown
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import asyncssh


FOLDER = ("config", "folder")
ASIDE = ".studio-aside"  # what names of files on their way in begin with


class Connected:
    """A connection that is signed in, with the real path of the datastore's root."""

    def __init__(self, connection: "asyncssh.SSHClientConnection", files: "asyncssh.SFTPClient", root: str) -> None:
        self._connection = connection
        self.files = files
        self.root = root

    @property
    def is_closed(self) -> bool:
        return self._connection.is_closed()

    async def close(self) -> None:
        self._connection.close()
        await self._connection.wait_closed()

    def full(self, path: str) -> str:
        return below(self.root, path) if path else self.root

    async def real(self, path: str) -> str:
        """Where `path` really is. Raises UserError where a link on the way leads out of the root."""
        refuse_aside(path)
        if not path:
            return self.root
        real = str(await self.files.realpath(self.full(path)))
        if not is_below(real, self.root):
            raise UserError(
                f"“{shown(path)}” leads out of the datastore through a symbolic link, so the studio does not open it.",
                loc=("path",),
            )
        return real

    async def real_place(self, path: str) -> str:
        """The folder is followed, the last name is not."""
        refuse_aside(path)
        return below(await self.real(parent_of(path)), name_of(path))

    async def kind_at(self, place: str, *, follow: bool = False) -> EntryKind | None:
        try:
            attributes = await (self.files.stat(place) if follow else self.files.lstat(place))
        except Exception as error:
            if is_error(error, "SFTPNoSuchFile", "SFTPNoSuchPath", "SFTPNotADirectory"):
                return None
            raise
        return entry_of("", attributes).kind

    async def names(self, real: str) -> AsyncIterator[tuple[str, "asyncssh.SFTPAttrs"]]:
        async for found in self.files.scandir(real):
            name = str(found.filename)
            if name not in {".", ".."} and not name.startswith(ASIDE):
                yield name, found.attrs

    async def first_name(self, real: str) -> None:
        async for _ in self.names(real):
            return

    async def followed(self, entry: Entry, *, enter: bool = True) -> Entry:
        """What a link leads to, where that lies below the root; folders behind links only where they may be entered."""
        if entry.kind != "other":
            return entry
        with suppress(*some_errors("SFTPError"), UserError):
            attributes = await self.files.stat(await self.real(entry.path))
            target = entry_of(entry.path, attributes)
            return target if enter or target.kind == "file" else entry
        return entry

    async def rename(self, source: str, place: str) -> None:
        """In the place of whatever file is there, at once where the server can."""
        try:
            await self.files.posix_rename(source, place)
        except Exception as error:
            if not is_error(error, "SFTPOpUnsupported"):
                raise
            with suppress(*some_errors("SFTPNoSuchFile")):
                await self.files.remove(place)
            await self.files.rename(source, place)


class Draft:
    """A file on its way in. Nobody sees it until it is finished."""

    def __init__(self, connected: Connected, file: Any, aside: str) -> None:
        self.connected, self.file, self.aside = connected, file, aside

    async def write(self, piece: bytes, position: int) -> None:
        await self.file.write(piece, position)

    async def drop(self) -> None:
        with suppress(Exception):
            await self.file.close()
        await self.connected.files.remove(self.aside)


async def root_of(files: "asyncssh.SFTPClient", folder: str) -> str:
    try:
        root = str(await files.realpath(folder or "."))
        attributes = await files.stat(root)
    except Exception as error:
        if is_error(error, "SFTPNoSuchFile", "SFTPNoSuchPath", "SFTPNotADirectory"):
            raise UserError(f"There is no folder {shown(folder)} on the server. Make it first.", loc=FOLDER) from None
        if is_error(error, "SFTPPermissionDenied"):
            raise UserError(f"The user may not enter the folder {shown(folder)}.", loc=FOLDER) from None
        raise
    if not stat.S_ISDIR(attributes.permissions or 0):
        raise UserError(f"{shown(folder)} is a file, not a folder.", loc=FOLDER)
    return root


def entry_of(path: str, attributes: "asyncssh.SFTPAttrs") -> Entry:
    mode = attributes.permissions or 0
    kind: EntryKind = "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"
    modified_ns = None if attributes.mtime is None else int(attributes.mtime * 10**9 + (attributes.mtime_ns or 0))
    return Entry(path, kind, attributes.size if kind == "file" else None, modified_ns)


def below(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def is_below(real: str, root: str) -> bool:
    return real == root or real.startswith(root.rstrip("/") + "/")


def is_error(error: BaseException, *names: str) -> bool:
    return isinstance(error, some_errors(*names))


def some_errors(*names: str) -> tuple[type[Exception], ...]:
    import asyncssh

    return tuple(getattr(asyncssh, name) for name in names)


def refuse_aside(path: str) -> None:
    if any(part.startswith(ASIDE) for part in path.split("/")):
        raise UserError(f"Names that begin with {ASIDE} are the studio's own. Choose another one.", loc=("path",))

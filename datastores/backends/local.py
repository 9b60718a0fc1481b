"""Files in a folder of the machine (or of a disk that all machines mount at the same place)."""

import builtins
import contextlib
import errno
import heapq
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar, Self, cast

from django.conf import settings
from pydantic import Field

from datastores.backends.cursors import no_cursor, packed, unpacked
from datastores.backends.interface import (
    Backend,
    BackendConfig,
    Credentials,
    DiskFull,
    Entry,
    EntryKind,
    Listing,
    NoSuchPath,
    Store,
)
from datastores.paths import Glob, clean_path, is_glob, join, name_of, parent_of
from datastores.source_paths import shown
from studio.lib.problems import UserError

ASIDE = ".studio-aside"  # below the root: files on their way in, folders on their way out
STALE_S = 24 * 3600
COPY_BYTES = 1024 * 1024
FILE_MODE = 0o644
PATH_LOC = ("config", "path")
_DRAFT = re.compile(r"\A[0-9a-f]{32}\Z")

# The folders that a walk is in: path, state of the glob, names still to come.
Pending = list[tuple[str, frozenset[int], Iterator[str]]]

# Where a name stands in a folder: group, name without case, name.
Key = tuple[int, str, str]
FOLDERS, OTHERS, BY_NAME = 0, 1, 2
SORTED_NAMES = 10_000  # of a larger folder only names are read: folders come first within a page


class LocalFolderConfig(BackendConfig):
    path: str = Field(
        default="",
        title="Folder",
        description=(
            "Leave it empty for a folder of its own below the studio's data. A folder elsewhere on the server, such as "
            "/mnt/data, works where its administrator has allowed it with the setting STUDIO_LOCAL_DATASTORE_ROOTS."
        ),
        max_length=1000,
        json_schema_extra={"fixed": True},
    )


class LocalFolder(Backend):
    kind: ClassVar[str] = "local"
    label: ClassVar[str] = "Local folder"
    icon: ClassVar[str] = "folder"
    is_on_disk: ClassVar[bool] = True
    summary: ClassVar[str] = (
        "A folder on the studio's own disk. Nodes on this machine read it in place, without a copy."
    )
    Config: ClassVar[type[BackendConfig]] = LocalFolderConfig

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = Path(os.path.realpath(root))

    @classmethod
    def settle(
        cls, config: BackendConfig, _credentials: Credentials, *, workspace_id: int, name: str
    ) -> LocalFolderConfig:
        path = cast("LocalFolderConfig", config).path
        home = workspaces_home()
        if not path:
            path = f"{workspace_id}/{name}"
        elif "\0" in path or not Path(path).is_absolute():
            raise UserError("Write the whole path, beginning with “/”, or leave it empty.", loc=PATH_LOC)
        root = Path(os.path.realpath(home / path))
        own = home / str(workspace_id)
        if not root.is_relative_to(own):
            require_allowed(root)
        try:
            if root.is_relative_to(own):
                root.mkdir(parents=True, exist_ok=True)
            if not root.is_dir():
                raise UserError(f"There is no folder {shown(str(root))} on the server. Make it first.", loc=PATH_LOC)
            with os.scandir(root):
                pass
        except OSError as error:
            raise UserError(f"The studio can't open {shown(str(root))}: {error.strerror}.", loc=PATH_LOC) from error
        # What lies below STUDIO_HOME is kept relative to it, so that the installation can be moved.
        return LocalFolderConfig(path=str(root.relative_to(home)) if root.is_relative_to(home) else str(root))

    @classmethod
    def open(cls, config: BackendConfig, _credentials: Credentials) -> Self:
        root = workspaces_home() / cast("LocalFolderConfig", config).path
        if not root.is_relative_to(workspaces_home()):
            require_allowed(Path(os.path.realpath(root)))
        return cls(root)

    @classmethod
    def from_afar(cls, config: BackendConfig) -> Store | None:
        folder = cast("LocalFolderConfig", config)
        if is_shared(folder.path):
            return None
        from datastores.relay.folder import FolderFromAfar

        return FolderFromAfar(folder)

    @property
    def location(self) -> str:
        return str(self.root)

    def test(self, *, write: bool = True) -> None:
        with _said(""):
            if self._is_to_come:
                self._real_root.mkdir(parents=True, exist_ok=True)
            self._require_root()
            with os.scandir(self._real_root):
                pass
            if write:
                probe = self._aside()
                probe.touch()
                probe.unlink()

    def address(self, path: str) -> str:
        return str(self.local_path(path))

    def list(self, path: str = "", *, after: str | None = None, limit: int = 200, prefix: str = "") -> Listing:
        path = clean_path(path)
        start = _unpack(after) if after else None
        if not path and self._is_to_come:
            return Listing([], None)
        with _said(path):
            real = self._real(path)
            page = None
            if start is None or start[0] != BY_NAME:
                page = self._folders_first(real, path, start, limit, prefix)
            if page is None:
                page = self._by_name(real, path, start, limit, prefix)
            entries = [entry for *_, name in page[:limit] if (entry := self._entry(join(path, name)))]
        if page and page[0][0] == BY_NAME:
            entries.sort(key=lambda entry: (entry.kind != "folder", entry.name.casefold(), entry.name))
        return Listing(entries, _pack(page[limit - 1]) if len(page) > limit else None)

    def _folders_first(
        self, real: Path, path: str, start: Key | None, limit: int, prefix: str
    ) -> builtins.list[Key] | None:
        """The next names in the order that people like; None where the folder is too large for it."""
        seen = 0

        def keys(found: "Iterator[os.DirEntry[str]]") -> Iterator[Key]:
            nonlocal seen
            for entry in found:
                seen += 1
                if start is None and seen > SORTED_NAMES:
                    return
                if entry.name.startswith(prefix) and not (path == "" and entry.name == ASIDE):
                    key = self._sort_key(entry)
                    if start is None or key > start:
                        yield key

        with os.scandir(real) as found:
            page = heapq.nsmallest(limit + 1, keys(found))
        return None if start is None and seen > SORTED_NAMES else page

    def _by_name(self, real: Path, path: str, start: Key | None, limit: int, prefix: str) -> builtins.list[Key]:
        """The next names of a folder so large that a question for each would take seconds: nothing but names."""
        last = start[2] if start else ""
        names = os.listdir(real)  # noqa: PTH208 (names)
        if prefix:
            names = [name for name in names if name.startswith(prefix)]
        if last:
            names = [name for name in names if name > last]
        page = heapq.nsmallest(limit + 2, names)
        return [(BY_NAME, "", name) for name in page if path or name != ASIDE][: limit + 1]

    def stat(self, path: str) -> Entry:
        path = clean_path(path)
        if not path and self._is_to_come:
            return Entry("", "folder")
        with _said(path):
            self._real(path)
            entry = self._entry(path)
        if entry is None:
            raise _nothing_at(path)
        return entry

    def open_read(self, path: str) -> BinaryIO:
        path = clean_path(path)
        with _said(path):
            # Not blocking: opening a named pipe would wait for its writer.
            descriptor = os.open(self._real(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise UserError(f"“{shown(path)}” is not a file.", loc=("path",))
            return os.fdopen(descriptor, "rb")

    def write(self, path: str, stream: BinaryIO) -> Entry:
        path = clean_path(path)
        with _said(path):
            real = self._place_for(path)
            aside = self._aside()
            try:
                with aside.open("xb") as draft:
                    shutil.copyfileobj(stream, draft, COPY_BYTES)
                aside.chmod(FILE_MODE)
                aside.replace(real)
            finally:
                aside.unlink(missing_ok=True)
        return self.stat(path)

    def take(self, path: str, file: Path) -> Entry:
        path = clean_path(path)
        with _said(path):
            real = self._place_for(path)
            if file.stat().st_dev == real.parent.stat().st_dev:
                file.chmod(FILE_MODE)
                file.replace(real)
                return self.stat(path)
        return super().take(path, file)

    def write_draft(self, name: str, start: int, data: bytes) -> None:
        """Bytes of a file that comes in pieces, in any order; `name` is 32 hexadecimal digits. Twice is harmless."""
        with _said(""):
            self._require_root()
            descriptor = os.open(self._draft(name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as draft:
                draft.seek(start)
                draft.write(data)

    def take_draft(self, name: str, path: str) -> Entry:
        """Make what `write_draft` has brought the file `path`; a file of that name is replaced as a whole."""
        draft = self._draft(name)
        if not draft.exists():
            raise NoSuchPath(f"What was written for “{shown(path)}” is gone. Write it again.", loc=("path",))
        try:
            return self.take(path, draft)
        finally:
            draft.unlink(missing_ok=True)

    def make_folder(self, path: str) -> Entry:
        path = clean_path(path)
        with _said(path):
            self._require_root()
            self._real(path).mkdir(parents=True, exist_ok=True)
        return self.stat(path)

    def delete(self, path: str) -> None:
        path = clean_path(path)
        if not path:
            raise UserError("The datastore's own folder can't be deleted. Remove the datastore instead.", loc=("path",))
        with _said(path):
            # The folder is followed, the last name is not: a link goes, never what it leads to.
            place = self._real(parent_of(path)) / name_of(path)
            self._refuse_aside(place)
            if not stat.S_ISDIR(place.lstat().st_mode):
                place.unlink()
                return
            aside = self._aside()
            place.rename(aside)  # gone at once for everybody, however long the rest takes
            shutil.rmtree(aside, ignore_errors=True)

    def glob(self, pattern: str) -> Iterator[Entry]:
        pattern = clean_path(pattern)
        if is_glob(pattern):
            glob = Glob(pattern)
            yield from self._walk(glob.folder, glob)
            return
        with _said(pattern):
            self._real(pattern)
            entry = self._entry(pattern)
        if entry is None:
            return
        if entry.kind == "file":
            yield entry
        elif entry.kind == "folder":
            yield from self._walk(pattern, Glob("**"))

    def local_path(self, path: str) -> Path:
        path = clean_path(path)
        self._real(path)
        return self.root / path if path else self.root

    def _walk(self, top: str, glob: Glob) -> Iterator[Entry]:
        """The files below `top` that `glob` accepts, depth first, names in order: one folder's names at a time."""
        pending: Pending = [(top, glob.start, iter(self._names(top)))]
        while pending:
            folder, state, names = pending[-1]
            name = next(names, None)
            if name is None:
                pending.pop()
                continue
            following = glob.step(state, name)
            if not following:
                continue
            path = join(folder, name)
            try:  # a context of `_said` for each of a million files would cost as much as looking at them
                entry = self._entry(path, follow_folders=False)
            except OSError:
                with _said(path):
                    raise
            if entry is None:
                continue
            if entry.kind == "file" and glob.accepts(following):
                yield entry
            elif entry.kind == "folder":
                pending.append((path, following, iter(self._names(path))))

    def _names(self, folder: str) -> Sequence[str]:
        with _said(folder):
            try:
                with os.scandir(self._real(folder)) as found:
                    return sorted(entry.name for entry in found if folder or entry.name != ASIDE)
            except (FileNotFoundError, NotADirectoryError):
                return []  # deleted meanwhile, or never there

    def _entry(self, path: str, *, follow_folders: bool = True) -> Entry | None:
        """What is at `path`, whose folder is known to lie below the root; None where nothing is."""
        place = f"{self._real_root}/{path}"
        try:
            found = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if stat.S_ISLNK(found.st_mode):
            target = self._target(Path(place))
            if target is None or (stat.S_ISDIR(target.st_mode) and not follow_folders):
                return Entry(path, "other", modified_ns=found.st_mtime_ns)
            found = target
        kind: EntryKind = (
            "folder" if stat.S_ISDIR(found.st_mode) else "file" if stat.S_ISREG(found.st_mode) else "other"
        )
        return Entry(path, kind, found.st_size if kind == "file" else None, found.st_mtime_ns)

    def _sort_key(self, entry: "os.DirEntry[str]") -> Key:
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.is_symlink():
            target = self._target(Path(entry.path))
            is_folder = target is not None and stat.S_ISDIR(target.st_mode)
        return FOLDERS if is_folder else OTHERS, entry.name.casefold(), entry.name

    def _real(self, path: str) -> Path:
        """Where `path` really is. Raises UserError where a link on the way leads out of the root."""
        real = Path(os.path.realpath(self._real_root / path))
        if not real.is_relative_to(self._real_root):
            raise UserError(
                f"“{shown(path)}” leads out of the datastore through a symbolic link, so the studio does not open it.",
                loc=("path",),
            )
        self._refuse_aside(real)
        return real

    def _target(self, link: Path) -> os.stat_result | None:
        """What a link leads to; None where that is nothing, itself, or outside of the root."""
        try:
            real = Path(os.path.realpath(link))
            return real.stat() if real.is_relative_to(self._real_root) else None
        except OSError:
            return None

    def _refuse_aside(self, real: Path) -> None:
        if real.is_relative_to(self._real_root / ASIDE):
            raise UserError(f"The name {ASIDE} is the studio's own. Choose another one.", loc=("path",))

    def _place_for(self, path: str) -> Path:
        """Where the file `path` is to be put; its folder is there afterwards."""
        if not path:
            raise UserError("Give the file a name.", loc=("path",))
        self._require_root()
        real = self._real(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        if real.is_dir():
            raise UserError(f"“{shown(path)}” is a folder: a file can't replace it.", loc=("path",))
        return real

    @property
    def _is_to_come(self) -> bool:
        """Whether this is a workspace's own folder that nothing was put into yet: it is made with its first file."""
        return self._is_own and not self._real_root.exists()

    @property
    def _is_own(self) -> bool:
        return self._real_root.is_relative_to(workspaces_home())

    def _require_root(self) -> None:
        """Raise UserError where somebody else's folder is gone: a disk that is not mounted is not made up for."""
        if not self._is_own and not self._real_root.is_dir():
            raise UserError(f"There is no folder {shown(self.location)} on this machine (any more).", loc=PATH_LOC)

    def _aside(self) -> Path:
        return self._draft(secrets.token_hex(16))

    def _draft(self, name: str) -> Path:
        if not _DRAFT.match(name):
            raise ValueError("not 32 hexadecimal digits")
        folder = self._real_root / ASIDE
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        return folder / name


def workspaces_home() -> Path:
    """The folder of all workspaces' own datastores."""
    return Path(os.path.realpath(settings.STUDIO_HOME / "workspaces"))


def is_shared(path: str) -> bool:
    """Whether this machine, which does not share STUDIO_HOME, has that folder of the studio's under the same path."""
    place = Path(path)
    return place.is_absolute() and any(place.is_relative_to(folder) for folder in settings.SHARED_FOLDERS)


def require_allowed(root: Path) -> None:
    """Raise UserError unless an administrator allowed `root` and nothing private of the studio is in reach from it."""
    private = [Path(os.path.realpath(place)) for place in _private_places()]
    if any(root.is_relative_to(place) or place.is_relative_to(root) for place in private):
        raise UserError(
            "The studio keeps its own private files there: choose another folder, or leave it empty.", loc=PATH_LOC
        )
    allowed = [Path(os.path.realpath(place)) for place in settings.LOCAL_DATASTORE_ROOTS]
    if not any(root.is_relative_to(place) for place in allowed):
        raise UserError(
            "The studio may not use this folder. An administrator of the server can allow it with the setting "
            "STUDIO_LOCAL_DATASTORE_ROOTS; or leave it empty for a folder of its own.",
            loc=PATH_LOC,
        )


def _private_places() -> Iterator[Path]:
    yield settings.STUDIO_HOME
    yield settings.NODE_HOME
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        yield Path(database["NAME"])


def _sweep(aside: Path) -> None:
    """Remove what a process that died left there long ago."""
    with contextlib.suppress(OSError), os.scandir(aside) as found:
        for entry in found:
            if entry.stat(follow_symlinks=False).st_ctime < time.time() - STALE_S:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink()


def _pack(key: Key) -> str:
    return packed(str(key[0]), key[2])


def _unpack(after: str) -> Key:
    group, name = unpacked(after, count=2)
    if group not in {"0", "1", "2"} or not name:
        raise no_cursor()
    return int(group), "" if group == "2" else name.casefold(), name


def _nothing_at(path: str) -> NoSuchPath:
    name = f"“{shown(path)}”" if path else "The datastore's folder"
    return NoSuchPath(f"{name} is not there (any more).", loc=("path",))


@contextlib.contextmanager
def _said(path: str) -> Iterator[None]:
    """Turn what the operating system refuses into a sentence about `path`. Anything else is our fault and goes on."""
    name = f"“{shown(path)}”" if path else "The datastore's folder"
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.ENOENT:
                raise _nothing_at(path) from error
            case errno.ENAMETOOLONG:
                length = max(len(os.fsencode(part)) for part in path.split("/"))
                raise UserError(
                    f"{name} is too long: one of its names takes {length} bytes, and the disk takes 255 for a name and "
                    "4,095 for a whole path. Shorten it.",
                    loc=("path",),
                ) from error
            case errno.ENOSPC | errno.EDQUOT:
                raise DiskFull(
                    f"The datastore's disk is full: {name} was not kept. Make room and try again.", loc=("path",)
                ) from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise UserError(
                    f"The studio is not allowed to do this with {name} on its disk.", loc=("path",)
                ) from error
            case errno.ENOTDIR | errno.EEXIST:
                raise UserError(
                    f"A file is in the way of {name}: a folder can't have its name.", loc=("path",)
                ) from error
            case errno.EISDIR:
                raise UserError(f"{name} is a folder, not a file.", loc=("path",)) from error
            case errno.ELOOP:
                raise UserError(f"{name} is a symbolic link that leads to itself.", loc=("path",)) from error
            case errno.EINVAL | errno.EILSEQ:
                raise UserError(
                    f"The datastore's disk can't hold {name}. Choose another name.", loc=("path",)
                ) from error
            case _:
                raise

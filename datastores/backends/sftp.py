"""Files of an SSH server, over SFTP.

asyncssh speaks the protocol, on the event loop of all connections. The server must prove with its host key that it is
the one that was registered: a name or an address says nothing about who answers there.
"""

import asyncio
import heapq
import secrets
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import BinaryIO, ClassVar, Literal, Self, cast

from pydantic import Field, SecretStr

from datastores import ssh
from datastores.backends.cursors import NameKey, packed_name, unpacked_name
from datastores.backends.interface import (
    BackendConfig,
    ChangedMeanwhile,
    Credentials,
    DiskFull,
    Entry,
    Listing,
    Unreachable,
)
from datastores.backends.remote import Loc, RemoteFiles, nothing_at
from datastores.backends.sftp_connection import (
    ASIDE,
    FOLDER,
    Connected,
    Draft,
    below,
    entry_of,
    is_error,
    refuse_aside,
    root_of,
    some_errors,
)
from datastores.backends.ssh_host_keys import fingerprint_of
from datastores.paths import Glob, clean_path, is_glob, join, name_of, parent_of
from datastores.source_paths import shown
from studio.lib.problems import Problem, UserError

HOST, USER = ("config", "host"), ("config", "user")
PASSWORD, KEY = ("credentials", "password"), ("credentials", "private_key")
PIECE_BYTES = 1024 * 1024
PIECES_AT_ONCE = 8
NAME_BYTES = 255
LISTING_S = 120.0  # the protocol gives a folder's names in no order, so all of them are asked for

# A folder that a walk is in: the names still to come, with the state of the glob.
Level = Iterator[tuple[Entry, frozenset[int]]]


class SftpConfig(BackendConfig):
    host: str = Field(title="Host", description="A name or an address, as in files.example.com.", max_length=255)
    port: int = Field(default=22, title="Port", ge=1, le=65535)
    auth: Literal["key", "password", "identity"] = Field(
        default="key",
        title="Sign in with",
        json_schema_extra={
            "choices": {"key": "Private key", "password": "Password", "identity": "The node's own identity"}
        },
    )
    user: str = Field(title="User", max_length=255)
    folder: str = Field(
        default="",
        title="Folder",
        description="Beginning with “/”, or from the user's home. Leave it empty for the home.",
        max_length=1000,
    )
    host_key: str = Field(
        default="",
        title="Host key",
        description=(
            "Its fingerprint (SHA256:…) or the public key itself. Leave it empty and test the connection to see the "
            "one that the server shows, and compare it with what its administrator says."
        ),
        max_length=5000,
    )


class SftpSecrets(Credentials):
    private_key: SecretStr = Field(
        default=SecretStr(""),
        title="Private key",
        description="The whole file, beginning with -----BEGIN.",
        json_schema_extra={"widget": "textarea", "when": {"auth": ["key"]}},
    )
    passphrase: SecretStr = Field(
        default=SecretStr(""), title="Passphrase of the key", json_schema_extra={"when": {"auth": ["key"]}}
    )
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", json_schema_extra={"when": {"auth": ["password"]}}
    )


class SftpStore(RemoteFiles):
    kind: ClassVar[str] = "sftp"
    label: ClassVar[str] = "SFTP"
    icon: ClassVar[str] = "terminal-2"
    summary: ClassVar[str] = "A folder of a server that is reached by SSH."
    Config: ClassVar[type[BackendConfig]] = SftpConfig
    Secrets: ClassVar[type[Credentials]] = SftpSecrets
    endpoint_loc: Loc = HOST

    def __init__(self, config: SftpConfig, credentials: SftpSecrets) -> None:
        self._config = config
        self._secrets = credentials
        self._connection: Connected | None = None
        self._connecting = asyncio.Lock()

    @classmethod
    def settle(
        cls,
        config: BackendConfig,
        credentials: Credentials,
        *,
        workspace_id: int,  # noqa: ARG003 (other kinds make a folder of it)
        name: str,  # noqa: ARG003
    ) -> SftpConfig:
        config, given = cast("SftpConfig", config), cast("SftpSecrets", credentials)
        problems = []
        if not config.host or any(sign in config.host for sign in "/,@?#\\ \0\t\r\n"):
            problems.append(Problem(HOST, "Write only the host's name or address, as in files.example.com."))
        if not config.user or "\0" in config.user:
            problems.append(Problem(USER, "Name the user."))
        if config.auth == "key" and not given.private_key.get_secret_value():
            problems.append(Problem(KEY, "Enter the private key, or sign in another way."))
        if config.auth == "password" and not given.password.get_secret_value():
            problems.append(Problem(PASSWORD, "Enter the password, or sign in another way."))
        try:
            fingerprint_of(config.host_key)
            _clean_folder(config.folder)
            if config.auth == "key" and given.private_key.get_secret_value():
                ssh.private_key(given.private_key.get_secret_value(), given.passphrase.get_secret_value())
        except UserError as error:
            problems += error.problems
        if problems:
            raise UserError(problems)
        return config.model_copy(update={"folder": _clean_folder(config.folder)})

    @classmethod
    def open(cls, config: BackendConfig, credentials: Credentials) -> Self:
        return cls(cast("SftpConfig", config), cast("SftpSecrets", credentials))

    @property
    def endpoint(self) -> str:
        return ssh.named(self._config.host, self._config.port)

    @property
    def location(self) -> str:
        folder = self._config.folder
        return f"sftp://{self._config.user}@{self.endpoint}/" + (folder.lstrip("/") if folder else "~")

    def address(self, path: str) -> str:
        folder = self._config.folder
        root = folder if folder.startswith("/") else f"/~/{folder}".rstrip("/")
        return f"sftp://{self._config.user}@{self.endpoint}{join(root.rstrip('/'), clean_path(path))}"

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(UserError):
                self._wait(connection.close())

    # What is asked for.

    def test(self, *, write: bool = True) -> None:
        self._wait(self._tested(write=write))

    def list(self, path: str = "", *, after: str | None = None, limit: int = 200, prefix: str = "") -> Listing:
        path = clean_path(path)
        start = unpacked_name(after) if after else None
        return self._wait(self._listed(path, start, limit, prefix), path, limit_s=LISTING_S)

    def stat(self, path: str) -> Entry:
        path = clean_path(path)
        return self._wait(self._looked_at(path), path)

    def write(self, path: str, stream: BinaryIO) -> Entry:
        path = clean_path(path)
        if not path:
            raise UserError("Give the file a name.", loc=("path",))
        draft = self._wait(self._started(path), path)
        under_way: deque[Future[None]] = deque()
        try:
            position = 0
            while piece := stream.read(PIECE_BYTES):
                if len(under_way) == PIECES_AT_ONCE:
                    under_way.popleft().result()
                under_way.append(self._begin(draft.write(piece, position), path))
                position += len(piece)
            while under_way:
                under_way.popleft().result()
            self._wait(self._finished(draft, path), path, limit_s=None)
        except BaseException:
            for each in under_way:
                each.cancel()
            with suppress(UserError):
                self._wait(draft.drop(), path)
            raise
        return self.stat(path)

    def make_folder(self, path: str) -> Entry:
        path = clean_path(path)
        self._wait(self._made(path), path)
        return self.stat(path)

    def delete(self, path: str) -> None:
        path = clean_path(path)
        if not path:
            raise UserError("The datastore's own folder can't be deleted. Remove the datastore instead.", loc=("path",))
        self._wait(self._deleted(path), path, limit_s=None)

    def glob(self, pattern: str) -> Iterator[Entry]:
        pattern = clean_path(pattern)
        if is_glob(pattern):
            glob = Glob(pattern)
            yield from self._walk(glob.folder, glob)
            return
        entry = self._wait(self._entry_at(pattern), pattern)
        if entry is not None and entry.kind == "file":
            yield entry
        elif entry is not None and entry.kind == "folder":
            yield from self._walk(pattern, Glob("**"))

    # How it is done.

    async def _tested(self, *, write: bool) -> None:
        connected = await self._connected()
        folder = f"the folder {shown(self._config.folder)}" if self._config.folder else "the user's home"
        try:
            await connected.first_name(connected.root)
        except Exception as error:
            if is_error(error, "SFTPPermissionDenied"):
                raise UserError(f"The user may not read {folder}. Have the right added.", loc=FOLDER) from None
            raise
        if not write:
            return
        probe = connected.full(f"{ASIDE}.{secrets.token_hex(8)}")
        try:
            async with connected.files.open(probe, "wb") as file:
                await file.write(b"x")
            await connected.files.remove(probe)
        except Exception as error:
            if is_error(error, "SFTPPermissionDenied", "SFTPWriteProtect"):
                raise UserError(
                    f"The user may read {folder}, and not write there. Have the right added.", loc=FOLDER
                ) from None
            raise

    async def _listed(self, path: str, start: NameKey | None, limit: int, prefix: str) -> Listing:
        connected = await self._connected()
        real = await connected.real(path)
        kept: list[tuple[NameKey, Entry]] = []
        async for name, attributes in connected.names(real):
            if not name.startswith(prefix):
                continue
            entry = entry_of(join(path, name), attributes)
            key = _sort_key(entry)
            if start is None or key > start:
                kept.append((key, entry))
            if len(kept) > 10 * (limit + 1):  # memory is bounded by the page, however large the folder
                kept = heapq.nsmallest(limit + 1, kept, key=_key_of)
        page = heapq.nsmallest(limit + 1, kept, key=_key_of)
        after = packed_name(page[limit - 1][0]) if len(page) > limit else None
        entries = [await connected.followed(entry) for _, entry in page[:limit]]
        return Listing(sorted(entries, key=_sort_key), after)

    async def _looked_at(self, path: str) -> Entry:
        entry = await self._entry_at(path, strict=True)
        if entry is None:
            raise nothing_at(path)
        return entry

    async def _entry_at(self, path: str, *, strict: bool = False) -> Entry | None:
        """None where nothing is."""
        connected = await self._connected()
        try:
            real = await connected.real(parent_of(path)) if path else connected.root
            attributes = await connected.files.lstat(below(real, name_of(path)) if path else real)
        except Exception as error:
            if strict or not is_error(error, "SFTPNoSuchFile", "SFTPNoSuchPath", "SFTPNotADirectory"):
                raise
            return None
        entry = await connected.followed(entry_of(path, attributes))
        if entry.kind == "other" and stat.S_ISLNK(attributes.permissions or 0):
            await connected.real(path)  # says so where it leads out
        return entry

    async def _read_range(self, entry: Entry, start: int, end: int) -> bytes:
        connected = await self._connected()
        async with connected.files.open(await connected.real(entry.path), "rb") as file:
            content, attributes = await asyncio.gather(file.read(end - start, start), file.stat())
        seen = entry_of(entry.path, attributes)
        if (seen.size_bytes, seen.modified_ns) != (entry.size_bytes, entry.modified_ns):
            raise ChangedMeanwhile(f"“{shown(entry.path)}” was changed while it was read. Read it anew.", loc=("path",))
        return cast("bytes", content)

    async def _started(self, path: str) -> "Draft":
        connected = await self._connected()
        _require_short_names(path)
        folder = await self._folder_for(connected, parent_of(path), path)
        place = below(folder, name_of(path))
        if await connected.kind_at(place) == "folder":
            raise UserError(f"“{shown(path)}” is a folder: a file can't replace it.", loc=("path",))
        aside = below(folder, f"{ASIDE}.{secrets.token_hex(16)}")
        return Draft(connected, await connected.files.open(aside, "wb"), aside)

    async def _finished(self, draft: "Draft", path: str) -> None:
        await draft.file.close()
        place = await draft.connected.real_place(path)
        await draft.connected.rename(draft.aside, place)

    async def _made(self, path: str) -> None:
        _require_short_names(path)
        await self._folder_for(await self._connected(), path, path)

    async def _folder_for(self, connected: "Connected", folder: str, path: str) -> str:
        """The real path of `folder`, which is there afterwards. Raises UserError where a file is in the way."""
        kind = await connected.kind_at(connected.full(folder), follow=True)
        if kind is None:
            above = await self._folder_for(connected, parent_of(folder), path)
            with suppress(*some_errors("SFTPFailure", "SFTPFileAlreadyExists")):  # somebody else was quicker
                await connected.files.mkdir(below(above, name_of(folder)))
            kind = await connected.kind_at(connected.full(folder), follow=True)
        if kind != "folder":
            raise UserError(f"A file is in the way of “{shown(path)}”: a folder can't have its name.", loc=("path",))
        return await connected.real(folder)

    async def _deleted(self, path: str) -> None:
        connected = await self._connected()
        place = await connected.real_place(path)
        if await connected.kind_at(place) is None:
            raise nothing_at(path)
        if await connected.kind_at(place) != "folder":
            await connected.files.remove(place)  # a link goes, never what it leads to
            return
        aside = below(parent_of(place) or "/", f"{ASIDE}.{secrets.token_hex(16)}")
        await connected.files.rename(place, aside)  # gone at once for everybody, however long the rest takes
        await connected.files.rmtree(aside)

    def _walk(self, top: str, glob: Glob) -> Iterator[Entry]:
        """The files below `top` that `glob` accepts, depth first, names in order: one folder's names at a time."""
        pending: list[Level] = [self._level(top, glob.start, glob)]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                pending.pop()
                continue
            entry, state = following
            if entry.kind == "file" and glob.accepts(state):
                yield entry
            elif entry.kind == "folder":
                pending.append(self._level(entry.path, state, glob))

    def _level(self, folder: str, state: frozenset[int], glob: Glob) -> Level:
        for entry in self._wait(self._all_in(folder), folder, limit_s=LISTING_S):
            following = glob.step(state, entry.name)
            if following:
                yield entry, following

    async def _all_in(self, folder: str) -> Sequence[Entry]:
        connected = await self._connected()
        try:
            real = await connected.real(folder)
            found = [entry_of(join(folder, name), attributes) async for name, attributes in connected.names(real)]
        except Exception as error:
            if is_error(error, "SFTPNoSuchFile", "SFTPNoSuchPath", "SFTPNotADirectory", "SFTPFailure"):
                return []  # deleted meanwhile, or never there
            raise
        found.sort(key=lambda entry: entry.name)
        return [await connected.followed(entry, enter=False) for entry in found]

    async def _connected(self) -> "Connected":
        async with self._connecting:
            if self._connection is None or self._connection.is_closed:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> "Connected":
        config = self._config
        identity = ssh.identity_of(config.auth, self._secrets.plain())
        connection = await ssh.signed_in(
            config.host, config.port, config.user, host_key=config.host_key, identity=identity, loc=HOST
        )
        try:
            files = await connection.start_sftp_client(path_errors="surrogateescape")
            root = await root_of(files, config.folder)
        except BaseException:
            connection.close()
            raise
        return Connected(connection, files, root)

    def _explained(self, error: BaseException, path: str) -> UserError | None:
        import asyncssh

        name = f"“{shown(path)}”" if path else "The datastore's folder"
        if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
            return nothing_at(path)
        if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPWriteProtect):
            return UserError(f"The user may not do this with {name} on the server.", loc=("path",))
        if isinstance(error, asyncssh.SFTPNoSpaceOnFilesystem | asyncssh.SFTPQuotaExceeded):
            return DiskFull(f"The server's disk is full: {name} was not kept. Make room and try again.", loc=("path",))
        if isinstance(error, asyncssh.ConnectionLost) and "timeout" in str(error).lower():
            return self._too_slow()
        if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
            return Unreachable(f"The connection to {shown(self.endpoint)} broke. Try again.", loc=HOST)
        if isinstance(error, asyncssh.SFTPError):
            return UserError(
                f"The server refused this with {name}, and does not say why (it may be no file, or the disk is full).",
                loc=("path",),
            )
        if isinstance(error, asyncssh.ChannelOpenError):
            return UserError(f"{shown(self.endpoint)} offers no SFTP. Ask its administrator to turn it on.", loc=HOST)
        auth_loc = {"key": KEY, "password": PASSWORD, "identity": USER}[self._config.auth]
        return ssh.explained(
            error,
            server=self.endpoint,
            user=self._config.user,
            auth=self._config.auth,
            loc=HOST,
            auth_loc=auth_loc,
        )


def _clean_folder(folder: str) -> str:
    """Absolute, or from the user's home."""
    folder = folder.removeprefix("~/") if folder != "~" else ""
    plain = clean_path(folder.strip("/"), loc=FOLDER)
    return f"/{plain}" if folder.startswith("/") else plain


def _require_short_names(path: str) -> None:
    refuse_aside(path)
    length = max(len(part.encode(errors="surrogateescape")) for part in path.split("/"))
    if length > NAME_BYTES:
        raise UserError(
            f"“{shown(path)}” is too long: one of its names takes {length} bytes, and a server's disk takes "
            f"{NAME_BYTES}. Shorten it.",
            loc=("path",),
        )


def _sort_key(entry: Entry) -> NameKey:
    return entry.kind != "folder", entry.name.casefold(), entry.name


def _key_of(keyed: tuple[NameKey, Entry]) -> NameKey:
    return keyed[0]

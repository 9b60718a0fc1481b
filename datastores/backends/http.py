"""Files of a web server, read only; and single web addresses, which need no datastore.

A web server knows no folders. Many show an index of one, a page with links: what it links to right below itself is what
is in the folder.
"""

import asyncio
import builtins
import os
import re
import string
import tempfile
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, NoReturn, Self, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

from pydantic import Field, SecretStr

from datastores.backends.cursors import NameKey, packed_name, unpacked_name
from datastores.backends.interface import (
    BackendConfig,
    ChangedMeanwhile,
    Credentials,
    Entry,
    Listing,
    NoSuchPath,
    Unreachable,
)
from datastores.backends.ranges import open_ranges
from datastores.backends.remote import (
    CONNECT_S,
    FETCH_AT_ONCE,
    READ_S,
    Loc,
    RemoteFiles,
    clean_url,
    close_with,
    gathered,
    nothing_at,
)
from datastores.paths import Glob, clean_path, is_glob, join
from datastores.source_paths import shown
from studio.lib.problems import Problem, UserError

if TYPE_CHECKING:
    import aiohttp

INDEX_BYTES = 64 * 1024 * 1024  # of a page with links; a million take about so much
LOOKED_AT = 64  # files of a folder that a glob asks about at once
COPY_BYTES = 1024 * 1024
MOST_COPIES = 4  # of files that come as a whole only, kept on disk while parts of them are read
URL_LOC = ("config", "url")
PATH_LOC = ("path",)
AS_WRITTEN = "".join(set(string.punctuation) - set('"<>\\^`{|}'))  # what an address may hold as it stands
INDEX_WORDS = re.compile(r"index of|directory (listing|index)|listing (of|for)|files in", re.IGNORECASE)
INDEX_LINKS = frozenset({"..", "../", "?C", "?sort"})  # those of Apache, nginx, lighttpd, Caddy and rclone
ONLY_READ = "A web server is only read: nothing can be put there or deleted."

# A folder that a walk is in: path, state of the glob, entries still to come.
Level = tuple[str, frozenset[int], Iterator[Entry]]


class HttpConfig(BackendConfig):
    url: str = Field(
        title="Address",
        description="Files are named below it, as in https://data.example.com/public.",
        max_length=1000,
    )
    auth: Literal["none", "basic", "bearer"] = Field(
        default="none",
        title="Sign in with",
        json_schema_extra={"choices": {"none": "Nothing", "basic": "User and password", "bearer": "A token"}},
    )
    user: str = Field(default="", title="User", max_length=200, json_schema_extra={"when": {"auth": ["basic"]}})


class HttpSecrets(Credentials):
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", json_schema_extra={"when": {"auth": ["basic"]}}
    )
    token: SecretStr = Field(default=SecretStr(""), title="Token", json_schema_extra={"when": {"auth": ["bearer"]}})


class HttpStore(RemoteFiles):
    """A settled address ends with a slash, and paths are names below it. Without the slash it is the origin of web
    addresses: then a path is the rest of an address as somebody wrote it, with its query, and means one file."""

    kind: ClassVar[str] = "http"
    label: ClassVar[str] = "Web server"
    icon: ClassVar[str] = "world"
    summary: ClassVar[str] = "Files that a web server gives over HTTP or HTTPS. They are only read."
    is_writable: ClassVar[bool] = False
    Config: ClassVar[type[BackendConfig]] = HttpConfig
    Secrets: ClassVar[type[Credentials]] = HttpSecrets

    endpoint_loc: Loc = URL_LOC

    def __init__(self, config: HttpConfig, secrets: HttpSecrets) -> None:
        self._config = config
        self._is_one_file = not config.url.endswith("/")
        self._base = config.url.removesuffix("/") + "/"
        self._headers = {"Accept-Encoding": "identity", **_signed(config, secrets)}
        self._connections: aiohttp.ClientSession | None = None
        self._whole_only: set[str] = set()  # files that the server gave all of where a part was asked for
        self._copies: OrderedDict[str, BinaryIO] = OrderedDict()  # of such files, the one used last stands last
        self._copying = threading.Lock()

    @classmethod
    def settle(
        cls,
        config: BackendConfig,
        credentials: Credentials,
        *,
        workspace_id: int,  # noqa: ARG003 (other kinds make a folder of it)
        name: str,  # noqa: ARG003
    ) -> HttpConfig:
        config, secrets = cast("HttpConfig", config), cast("HttpSecrets", credentials)
        problems = []
        if config.auth == "basic" and not config.user:
            problems.append(Problem(("config", "user"), "Enter the user, or sign in another way."))
        if config.auth == "basic" and ":" in config.user:
            problems.append(Problem(("config", "user"), "A user's name can't hold a colon."))
        if config.auth == "basic" and not secrets.password.get_secret_value():
            problems.append(Problem(("credentials", "password"), "Enter the password."))
        token = secrets.token.get_secret_value()
        if config.auth == "bearer" and not re.fullmatch(r"[\x21-\x7e]+", token):
            problems.append(Problem(("credentials", "token"), "Enter the token: one line without spaces."))
        url = config.url
        try:
            url = clean_url(url, loc=URL_LOC) + "/"
        except UserError as error:
            problems += error.problems
        if problems:
            raise UserError(problems)
        return config.model_copy(update={"url": url})

    @classmethod
    def open(cls, config: BackendConfig, credentials: Credentials) -> Self:
        return cls(cast("HttpConfig", config), cast("HttpSecrets", credentials))

    @property
    def location(self) -> str:
        return self._base.removesuffix("/")

    @property
    def endpoint(self) -> str:
        return self.location

    def address(self, path: str) -> str:
        return self._url(self._clean(path))

    def close(self) -> None:
        with self._copying:
            while self._copies:
                self._copies.popitem()[1].close()
        connections, self._connections = self._connections, None
        if connections is not None:
            self._wait(connections.close())

    def test(self, *, write: bool = True) -> None:  # noqa: ARG002 (there is no writing)
        self._wait(self._tested())

    def list(self, path: str = "", *, after: str | None = None, limit: int = 200, prefix: str = "") -> Listing:
        self._require_folders()
        path = clean_path(path)
        start = unpacked_name(after) if after else None
        found = self._wait(self._in_folder(path), path)
        ordered = sorted((entry for entry in found if entry.name.startswith(prefix)), key=_order)
        coming = [entry for entry in ordered if start is None or _order(entry) > start]
        page = self._wait(self._looked_at([entry.path for entry in coming[:limit]], coming[:limit]), path)
        return Listing(page, packed_name(_order(coming[limit - 1])) if len(coming) > limit else None)

    def stat(self, path: str) -> Entry:
        path = self._clean(path)
        return self._wait(self._stat(path), path)

    def open_read(self, path: str) -> BinaryIO:
        path = self._clean(path)
        entry, gives_parts = self._wait(self._opened(path), path)
        if entry.kind != "file":
            raise UserError(f"“{shown(path)}” is a folder, not a file.", loc=PATH_LOC)
        if gives_parts and entry.size_bytes is not None:
            return open_ranges(lambda start, end: self._fetch(entry, start, end), entry.size_bytes)
        return self._copied(entry)

    def read_part(self, entry: Entry, start: int, count: int) -> bytes:
        if start and entry.path in self._whole_only:
            return self._part_of_copy(entry, start, count)
        return super().read_part(entry, start, count)

    def _part_of_copy(self, entry: Entry, start: int, count: int) -> bytes:
        """Of a file that comes as a whole or not at all: once, and not once for each of its parts."""
        with self._copying:
            copy = self._copies.pop(entry.path, None)
            if copy is None:
                copy = self._copied(entry)
            self._copies[entry.path] = copy
            while len(self._copies) > MOST_COPIES:
                self._copies.popitem(last=False)[1].close()
            return os.pread(copy.fileno(), count, start)

    def glob(self, pattern: str) -> Iterator[Entry]:
        pattern = self._clean(pattern)
        if not self._is_one_file and is_glob(pattern):
            glob = Glob(pattern)
            yield from self._walk(glob.folder, glob)
            return
        try:
            found = self.stat(pattern)
        except NoSuchPath:
            return
        if found.kind == "file":
            yield found
        else:
            yield from self._walk(pattern, Glob("**"))

    def write(self, path: str, stream: BinaryIO) -> Entry:
        _only_read(path, stream)

    def make_folder(self, path: str) -> Entry:
        _only_read(path)

    def delete(self, path: str) -> None:
        _only_read(path)

    async def _read_range(self, entry: Entry, start: int, end: int) -> bytes:
        async with self._asked("GET", self._url(entry.path), {"Range": f"bytes={start}-{end - 1}"}) as answer:
            if answer.status == 416:
                return b""
            self._require_success(answer, entry.path)
            _require_same(entry, answer)
            if answer.status == 206:
                return await answer.read()
            if start or end < (entry.size_bytes or end):
                self._whole_only.add(entry.path)
            pieces: list[bytes] = []  # all of it comes: what is before is passed over
            position = 0
            async for piece in answer.content.iter_chunked(COPY_BYTES):
                pieces.append(piece[max(0, start - position) : max(0, end - position)])
                position += len(piece)
                if position >= end:
                    break
            return b"".join(pieces)

    async def _tested(self) -> None:
        async with self._asked("GET", self._base, {"Range": "bytes=0-0"}) as answer:
            signs_in = self._config.auth != "none"
            if answer.status == 404 and urlsplit(self._base).path != "/":
                raise UserError(f"{shown(self.location)} is not there. Check the address.", loc=URL_LOC)
            if answer.status == 401 or (answer.status == 403 and signs_in) or answer.status >= 500:
                self._require_success(answer, "")

    async def _stat(self, path: str) -> Entry:
        if not path and not self._is_one_file:
            await self._tested()
            return Entry("", "folder")
        async with self._asked("HEAD", self._url(path)) as answer:
            if answer.status == 200 and "Content-Length" in answer.headers:
                return self._entry(path, answer)
            status = answer.status
        if status not in {404, 410}:  # many servers know no HEAD, and a signed address is only for GET
            async with self._asked("GET", self._url(path), {"Range": "bytes=0-0"}) as answer:
                if answer.status in {200, 206}:
                    return self._entry(path, answer)
                status = answer.status
                if status not in {404, 410, 416}:
                    self._require_success(answer, path)
                if status == 416:
                    return Entry(path, "file", 0, _modified(answer), _etag(answer))
        if not self._is_one_file and await self._is_folder(path):
            return Entry(path, "folder")
        raise nothing_at(path)

    async def _opened(self, path: str) -> tuple[Entry, bool]:
        """What is at `path`, and whether the server gives parts of it."""
        async with self._asked("GET", self._url(path), {"Range": "bytes=0-0"}) as answer:
            if answer.status == 206:
                return self._entry(path, answer), True
            if answer.status == 200:
                return self._entry(path, answer), False
        return await self._stat(path), False

    async def _is_folder(self, path: str) -> bool:
        try:
            await self._links(path)
        except UserError:
            return False
        return True

    async def _in_folder(self, path: str) -> builtins.list[Entry]:
        links = await self._links(path)
        return [Entry(join(path, name), "folder" if is_folder else "file") for name, is_folder in links]

    async def _links(self, path: str) -> Sequence[tuple[str, bool]]:
        """What the index of a folder links to right below it: names, and whether they are folders."""
        url = self._base + (f"{quote(path)}/" if path else "")
        async with self._asked("GET", url) as answer:
            self._require_success(answer, path)
            if "html" not in answer.content_type:
                raise _no_index(path)
            page = bytearray()
            async for piece in answer.content.iter_chunked(COPY_BYTES):
                page += piece
                if len(page) > INDEX_BYTES:
                    raise UserError(
                        f"The index of “{shown(path) or '/'}” is too large to be read. Name files by their path.",
                        loc=PATH_LOC,
                    )
            at, encoding = str(answer.url), answer.charset or "utf-8"
        return await asyncio.to_thread(_children, bytes(page), encoding, at, path)

    async def _looked_at(self, paths: Sequence[str], known: Sequence[Entry]) -> builtins.list[Entry]:
        """The entries with what the server says of each file; one that it says nothing of stays as it is known."""

        async def one(entry: Entry) -> Entry:
            if entry.kind != "file":
                return entry
            async with self._asked("HEAD", self._url(entry.path)) as answer:
                return self._entry(entry.path, answer) if answer.status == 200 else entry

        return await gathered([one(entry) for _, entry in zip(paths, known, strict=True)])

    def _walk(self, top: str, glob: Glob) -> Iterator[Entry]:
        """The files below `top` that `glob` accepts, depth first, names in order."""
        pending: builtins.list[Level] = [(top, glob.start, self._level(top, glob, glob.start))]
        while pending:
            _folder, state, entries = pending[-1]
            entry = next(entries, None)
            if entry is None:
                pending.pop()
                continue
            following = glob.step(state, entry.name)
            if entry.kind == "folder" and following:
                pending.append((entry.path, following, self._level(entry.path, glob, following)))
            elif entry.kind == "file":
                yield entry

    def _level(self, folder: str, glob: Glob, state: frozenset[int]) -> Iterator[Entry]:
        """The folders of a folder, and its files that match, by name: looked at some at a time."""
        try:
            found = self._wait(self._in_folder(folder), folder)
        except NoSuchPath:
            return
        wanted = []
        for entry in sorted(found, key=lambda entry: entry.name):
            following = glob.step(state, entry.name)
            if entry.kind == "folder" or glob.accepts(following):
                wanted.append(entry)
        for start in range(0, len(wanted), LOOKED_AT):
            some = wanted[start : start + LOOKED_AT]
            yield from self._wait(self._looked_at([entry.path for entry in some], some), folder, limit_s=None)

    def _copied(self, entry: Entry) -> BinaryIO:
        """All of a file that the server does not give parts of, in a file that vanishes when it is closed."""
        copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 (the caller closes it)
        try:
            self._wait(self._copy(entry, copy), entry.path, limit_s=None)
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return copy

    async def _copy(self, entry: Entry, copy: BinaryIO) -> None:
        async with self._asked("GET", self._url(entry.path)) as answer:
            self._require_success(answer, entry.path)
            _require_same(entry, answer)
            async for piece in answer.content.iter_chunked(COPY_BYTES):
                await asyncio.to_thread(copy.write, piece)
        await asyncio.to_thread(copy.flush)

    @asynccontextmanager
    async def _asked(
        self, method: str, url: str, headers: dict[str, str] | None = None
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """An answer, after redirects: each is checked by the guard, and none to another origin takes credentials along
        (aiohttp drops the header; it must not be the session's)."""
        import aiohttp
        from yarl import URL

        from datastores.connector import GuardedConnector

        if self._connections is None:
            self._connections = aiohttp.ClientSession(
                connector=GuardedConnector(limit=FETCH_AT_ONCE),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
            close_with(self, self._connections.close)
        async with self._connections.request(
            method, URL(url, encoded=True), headers={**self._headers, **(headers or {})}, allow_redirects=True
        ) as answer:
            yield answer

    def _explained(self, error: BaseException, path: str) -> UserError | None:
        import aiohttp

        if isinstance(error, aiohttp.NonHttpUrlClientError | aiohttp.InvalidUrlRedirectClientError):
            return UserError(f"“{shown(path)}” redirects to what is no web address.", loc=URL_LOC)
        return None

    def _require_success(self, answer: "aiohttp.ClientResponse", path: str) -> None:
        """Raise the sentence for an answer that is none."""
        status, server = answer.status, shown(self.location)
        if status in {200, 206}:
            return
        if status in {404, 410}:
            raise nothing_at(path)
        if status == 401:
            loc = {"basic": ("credentials", "password"), "bearer": ("credentials", "token")}
            said = (
                "asks for a password or a token" if self._config.auth == "none" else "does not accept these credentials"
            )
            raise UserError(f"{server} {said}.", loc=loc.get(self._config.auth, ("config", "auth")))
        if status == 403:
            raise UserError(f"{server} does not allow to read “{shown(path) or '/'}”.", loc=PATH_LOC)
        if status == 429 or status >= 500:
            raise Unreachable(f"{server} is busy or out of order ({status}). Try again.", loc=URL_LOC)
        raise UserError(f"{server} does not give “{shown(path) or '/'}”: it answers with {status}.", loc=PATH_LOC)

    def _entry(self, path: str, answer: "aiohttp.ClientResponse") -> Entry:
        led_to_folder = answer.url.raw_path.endswith("/") and not path.endswith("/")
        if led_to_folder and not self._is_one_file:
            return Entry(path, "folder")
        return Entry(path, "file", _size(answer), _modified(answer), _etag(answer))

    def _clean(self, path: str) -> str:
        if not self._is_one_file:
            return clean_path(path)
        if not path.isprintable():
            raise UserError("An address holds no line breaks and no other control characters.", loc=PATH_LOC)
        return path.partition("#")[0]

    def _url(self, path: str) -> str:
        return self._base + (quote(path, safe=AS_WRITTEN) if self._is_one_file else quote(path))

    def _require_folders(self) -> None:
        if self._is_one_file:
            raise UserError(
                "A web address is one file. Register its server as a datastore to see folders.", loc=PATH_LOC
            )


class _Index(HTMLParser):
    """The links of a page, and what it calls itself."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.title = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag in {"title", "h1"}
        if tag == "a" and (href := dict(attrs).get("href")):
            self.links.append(href)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 (Python calls it)
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def _children(page: bytes, encoding: str, url: str, path: str) -> Sequence[tuple[str, bool]]:
    """The links of an index to what is right below `url`. Raises UserError where the page is no index."""
    index = _Index()
    try:
        index.feed(page.decode(encoding, "replace"))
    except LookupError:  # an encoding that nobody knows
        index.feed(page.decode("utf-8", "replace"))
    here = urlsplit(url)
    top = here.path[: here.path.rfind("/") + 1]
    found: dict[str, bool] = {}
    for link in index.links:
        try:
            target = urlsplit(urljoin(url, link))
        except ValueError:
            continue
        if (target.scheme, target.netloc) != (here.scheme, here.netloc) or target.query or target.fragment:
            continue
        if target.path.startswith(top):
            name, slash, rest = target.path[len(top) :].partition("/")
            name = unquote(name, errors="strict") if _is_text(name) else ""
            if name and not rest and "/" not in name and "\0" not in name and name not in {".", ".."}:
                found[name] = bool(slash)
    # Any page has links; an index says that it is one, is called as its folder, or can be sorted or left upwards.
    folder = unquote(top).rstrip("/")
    is_called_so = bool(folder) and index.title.strip().rstrip("/").endswith(folder)
    if not (INDEX_WORDS.search(index.title) or is_called_so or INDEX_LINKS.intersection(map(_shape, index.links))):
        raise _no_index(path)
    return list(found.items())


def _shape(link: str) -> str:
    return link.partition("=")[0]


def _is_text(quoted: str) -> bool:
    try:
        unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _no_index(path: str) -> UserError:
    return UserError(
        f"The web server shows no index of “{shown(path) or '/'}”, so its files can't be listed. Name a file by its "
        "whole path instead.",
        loc=PATH_LOC,
    )


def _signed(config: HttpConfig, secrets: HttpSecrets) -> dict[str, str]:
    if config.auth == "basic":
        pair = f"{config.user}:{secrets.password.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    if config.auth == "bearer":
        return {"Authorization": f"Bearer {secrets.token.get_secret_value()}"}
    return {}


def _size(answer: "aiohttp.ClientResponse") -> int | None:
    if answer.status == 206:
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(total) if total.isdecimal() else None
    return answer.content_length


def _modified(answer: "aiohttp.ClientResponse") -> int | None:
    try:
        return int(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()) * 10**9
    except (KeyError, ValueError, OverflowError):
        return None


def _etag(answer: "aiohttp.ClientResponse") -> str | None:
    return answer.headers.get("ETag", "").removeprefix("W/").strip('"') or None


def _require_same(entry: Entry, answer: "aiohttp.ClientResponse") -> None:
    pairs = ((entry.etag, _etag(answer)), (entry.modified_ns, _modified(answer)), (entry.size_bytes, _size(answer)))
    if any(before is not None and now is not None and before != now for before, now in pairs):
        raise ChangedMeanwhile(f"“{shown(entry.path)}” was changed while it was read. Read it anew.", loc=PATH_LOC)


def _order(entry: Entry) -> NameKey:
    return entry.kind != "folder", entry.name.casefold(), entry.name


def _only_read(path: str, _stream: Any = None) -> NoReturn:
    clean_path(path)
    raise UserError(ONLY_READ, loc=PATH_LOC)

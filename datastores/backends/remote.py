"""What the kinds share that reach their files over a network with one of fsspec's family.

Not in charge of folders and names: `datastores.backends.objects` is, for stores that know only keys. A kind says how it
connects, how a few bytes are read, and what its server's errors mean; everything else stands here.

All connections live on fsspec's own event loop, in its own thread; `_wait` runs a coroutine there.
"""

import asyncio
import contextlib
import ssl
import weakref
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cached_property
from typing import Any, BinaryIO, ClassVar, TypeVar
from urllib.parse import urlsplit

from datastores.backends.interface import Backend, Entry, NoSuchPath, Unreachable
from datastores.backends.ranges import open_ranges
from datastores.paths import clean_path
from datastores.source_paths import shown
from studio.lib.problems import UserError

T = TypeVar("T")
Loc = tuple[str | int, ...]

# A person waits for an answer: connecting and each answer have some seconds, and a whole question ten.
CONNECT_S = 3.0
READ_S = 8.0
ANSWER_S = 9.0
FETCH_AT_ONCE = 16  # requests of one store at the same time
# What libraries raise, unawares, where an answer is nothing that they know.
NONSENSE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)


class RemoteFiles(Backend):
    """Files behind a network. Give `endpoint`, and the methods that are abstract here."""

    endpoint_loc: Loc = ("config", "endpoint")
    small_at_once: ClassVar[int] = 2 * FETCH_AT_ONCE

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The server's address, for messages."""

    @abstractmethod
    async def _read_range(self, entry: Entry, start: int, end: int) -> bytes:
        """Bytes `start` up to `end` of a file; fewer only at its end. Raises ChangedMeanwhile as `read_part`."""

    @abstractmethod
    def _explained(self, error: BaseException, path: str) -> UserError | None:
        """The sentence for an error that this kind's server gave; None for one that it did not."""

    def open_read(self, path: str) -> BinaryIO:
        entry = self.stat(path)
        if entry.kind != "file":
            raise UserError(f"“{shown(entry.path)}” is a folder, not a file.", loc=("path",))
        return open_ranges(lambda start, end: self._fetch(entry, start, end), entry.size_bytes or 0)

    def read_part(self, entry: Entry, start: int, count: int) -> bytes:
        size = entry.size_bytes
        end = start + count if size is None else min(start + count, size)
        return self._fetch(entry, start, end).result() if start < end else b""

    def read_small(self, entries: Sequence[Entry]) -> Sequence[bytes | None]:
        # One thread waits for all of them: one for each would take the interpreter from the loop at every turn.
        return self._begin(self._read_all(entries), "").result()

    async def _read_all(self, entries: Sequence[Entry]) -> Sequence[bytes | None]:
        return await asyncio.gather(*(self._read_whole(entry) for entry in entries))

    async def _read_whole(self, entry: Entry) -> bytes | None:
        if not entry.size_bytes:
            return b""
        async with self._small_gate:
            try:
                return await self._read_range(entry, 0, entry.size_bytes)
            except Exception:  # noqa: BLE001 (asked for alone, it says why)
                return None

    @cached_property
    def _small_gate(self) -> asyncio.Semaphore:
        """Of all who read small files of this store."""
        return asyncio.Semaphore(FETCH_AT_ONCE)

    def local_path(self, path: str) -> None:
        clean_path(path)

    def _fetch(self, entry: Entry, start: int, end: int) -> "Future[bytes]":
        return self._begin(self._read_range(entry, start, end), entry.path)

    def _begin(self, work: Coroutine[Any, Any, T], path: str) -> "Future[T]":
        """Start `work` on the loop of connections; its errors come as sentences."""
        from fsspec.asyn import get_loop

        async def said() -> T:
            try:
                return await work
            except Exception as error:
                sentence = self.explained(error, path)
                if sentence is error:
                    raise
                raise sentence from None  # no library's error goes on: it may hold an address with a signature

        return asyncio.run_coroutine_threadsafe(said(), get_loop())

    def _wait(self, work: Coroutine[Any, Any, T], path: str = "", *, limit_s: float | None = ANSWER_S) -> T:
        """What `work` gives, within `limit_s`: None is for those that move a lot of bytes."""
        future = self._begin(work, path)
        try:
            return future.result(limit_s)
        except FutureTimeoutError as error:
            if future.done():  # it is the work's own
                raise
            future.cancel()
            raise self._too_slow() from error

    def explained(self, error: BaseException, path: str = "") -> BaseException:
        """`error` as a UserError where it is the server's, the network's or the person's; itself where it is ours."""
        chain = list(_chain(error))
        for each in chain:
            if isinstance(each, UserError):  # the guard's: libraries pack it into theirs
                return _at(each, self.endpoint_loc)
        for each in chain:
            if sentence := self._explained(each, path):
                return sentence
        for told in (self._of_the_network, self._of_the_connection):  # what is said more exactly goes first
            for each in chain:
                if sentence := told(each):
                    return sentence
        return error

    def _of_the_network(self, error: BaseException) -> UserError | None:
        import aiohttp

        loc = self.endpoint_loc
        server = shown(self.endpoint)
        if isinstance(error, ssl.SSLCertVerificationError | aiohttp.ClientConnectorCertificateError):
            reason = getattr(error, "verify_message", "") or "it is not signed by an authority that this machine trusts"
            return UserError(
                f"The certificate of {server} can't be trusted: {reason}. Use the name that the certificate is for, or "
                "have its authority added on this machine.",
                loc=loc,
            )
        if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
            return UserError(
                f"{server} does not speak TLS, or none that is safe. Check whether the address begins with http:// or "
                "https://, and its port.",
                loc=loc,
            )
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(
                f"{server} refuses the connection. Check the address and its port, and whether the server runs.",
                loc=loc,
            )
        if isinstance(error, TimeoutError | asyncio.TimeoutError):
            return self._too_slow()
        if isinstance(error, aiohttp.InvalidURL):
            return UserError(f"{server} is not an address that can be connected to. Check it.", loc=loc)
        if isinstance(error, aiohttp.TooManyRedirects):
            return UserError(f"{server} redirects from one address to the next without an end.", loc=loc)
        return None

    def _of_the_connection(self, error: BaseException) -> UserError | None:
        import aiohttp

        if isinstance(error, aiohttp.ClientConnectorError):
            return Unreachable(
                f"{shown(self.endpoint)} can't be reached. Check the address, its port, and whether the server runs.",
                loc=self.endpoint_loc,
            )
        if isinstance(error, aiohttp.ClientError | ConnectionError | asyncio.IncompleteReadError):
            return Unreachable(f"The connection to {shown(self.endpoint)} broke. Try again.", loc=self.endpoint_loc)
        return None

    def _of_another_kind(self, meant: str) -> UserError:
        """What answers is no such server."""
        return UserError(
            f"{shown(self.endpoint)} does not answer as {meant} does. Check the address.", loc=self.endpoint_loc
        )

    def _too_slow(self) -> Unreachable:
        return Unreachable(
            f"{shown(self.endpoint)} did not answer within {ANSWER_S:.0f} seconds. Check the address, and whether a "
            "firewall is in the way.",
            loc=self.endpoint_loc,
        )


def close_with(owner: RemoteFiles, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let connections go with the store that made them, where nobody closes it. `close` must not hold `owner`."""
    loop = asyncio.get_running_loop()
    weakref.finalize(owner, _close_soon, loop, close)


def _close_soon(loop: asyncio.AbstractEventLoop, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(close(), loop)


def nothing_at(path: str) -> NoSuchPath:
    name = f"“{shown(path)}”" if path else "The datastore's folder"
    return NoSuchPath(f"{name} is not there (any more).", loc=("path",))


def clean_folder(folder: str) -> str:
    """The folder of a configuration. Raises UserError at its field."""
    return clean_path(folder.strip("/"), loc=("config", "folder"))


def clean_url(url: str, *, loc: Loc) -> str:
    """A server's address without a slash at its end. Raises UserError at `loc`: a password does not belong into it."""
    try:
        split = urlsplit(url.strip())
        port = split.port
    except ValueError as error:
        raise UserError("This is not an address: write it as in https://storage.example.com.", loc=loc) from error
    if split.scheme not in {"http", "https"} or not split.hostname or port == 0:
        raise UserError("Write the whole address, beginning with https:// or http://.", loc=loc)
    if split.username is not None or split.password is not None:
        raise UserError("Leave the user and the password out of the address: they have fields of their own.", loc=loc)
    if split.query or split.fragment:
        raise UserError("Leave out what follows “?” or “#” in the address.", loc=loc)
    return f"{split.scheme}://{split.netloc}{split.path.rstrip('/')}"


async def gathered(works: Iterable[Awaitable[T]], *, at_once: int = FETCH_AT_ONCE) -> list[T]:
    """The results in order, so many at once. The first error ends the rest."""
    gate = asyncio.Semaphore(at_once)

    async def one(work: Awaitable[T]) -> T:
        async with gate:
            return await work

    async with _errors_alone(), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(work)) for work in works]
    return [task.result() for task in tasks]


@contextlib.asynccontextmanager
async def _errors_alone() -> Any:
    """The first error of a group, not the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def raised_in(error: BaseException, *packages: str) -> bool:
    """Whether one of these packages was at work: an error of no class of its own means that an answer made no sense."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    return last is not None and str(last.tb_frame.f_globals.get("__name__")).partition(".")[0] in packages


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what led to it, each once. Botocore keeps what it packed in `kwargs`."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        packed = getattr(each, "kwargs", {})
        inner = packed.get("error") if isinstance(packed, dict) else None
        named = (getattr(each, name, None) for name in ("inner_exception", "os_error"))  # azure-core's, aiohttp's
        followers = (inner, each.__cause__, each.__context__, *named)
        waiting += [follower for follower in followers if isinstance(follower, BaseException)]


def _at(error: UserError, loc: Loc) -> UserError:
    """The same sentence at a field, where it stood at none."""
    if all(problem.loc for problem in error.problems):
        return error
    moved = type(error)(str(error), loc=loc)
    moved.__cause__ = error
    return moved

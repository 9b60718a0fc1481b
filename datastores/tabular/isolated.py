"""Functions that read what people brought run in a process of their own, and nothing of it reaches this one.

A file may be damaged, hostile, or larger than the machine: whatever its reader does then, the caller gets a sentence.
Processes are forked from one that has everything imported (`datastores.tabular.nursery`), so a call costs milliseconds.
The one that forks, and whatever it forked, ends with this process, however that ends.
"""

import atexit
import contextlib
import json
import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.conf import settings
from pydantic import TypeAdapter

from studio.lib.problems import Problem, UserError

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

# Raises to stop the work; asked several times a second.
Check = Callable[[], None]
# Told of the fraction that is done (None where it can't be known), and of what is being done, for people.
Progress = Callable[[float | None, str], None]

MEMORY_BYTES = 2 * 1024**3
DEADLINE_S = 60.0
LOOK_EVERY_S = 0.2
START_S = 60.0  # until a process is forked: the first call of all waits for the imports
FRAME = struct.Struct(">cQ")
# Nothing else of the settings matters where data is opened; a test's own values go along, too.
SETTINGS = ("STUDIO_HOME", "NODE_HOME", "LOCAL_DATASTORE_ROOTS", "SHARED_FOLDERS", "FOLDERS_GATEWAY", "PRIVATE_HOSTS")
_OWN_MODULES = "datastores."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be run: sent to the process over a socket, never by its arguments."""

    function: str  # as in `datastores.tabular.reading:_preview`
    arguments: Mapping[str, Any] = field(repr=False)
    memory_bytes: int
    settings: Mapping[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)  # never to be seen in a log


def call(
    function: str,
    arguments: Mapping[str, Any],
    *,
    returns: type[T],
    deadline_s: float = DEADLINE_S,
    memory_bytes: int = MEMORY_BYTES,
    preload: Sequence[str] = (),
    secrets: Sequence[str] = (),
    check: Check | None = None,
    progress: Progress | None = None,
) -> T:
    """What `function` (as in `datastores.viewing.images:thumbnail`) returns for `arguments`, from its own process.

    `returns` is its type: bytes, or whatever pydantic can write as JSON and read again. The arguments are pickled.
    `preload` names modules that are imported once for this and all later calls. Inside, the function may tell of its
    progress by `nursery.tell(fraction, text)`. It finds no database there.

    Raises UserError where the function does, where it takes longer than `deadline_s` or more than `memory_bytes`, and
    where its process dies; and whatever `check` raises.
    """
    made = Call(function, arguments, memory_bytes, settings_that_open(), tuple(secrets))
    with _running(made, preload, deadline_s, check, progress) as running:
        for kind, payload in running.frames():
            if kind == b"R":
                return cast(
                    "T", bytes(payload) if returns is bytes else TypeAdapter(returns).validate_json(bytes(payload))
                )
        raise running.broken()


def stream(
    function: str,
    arguments: Mapping[str, Any],
    *,
    deadline_s: float | None = None,
    memory_bytes: int = MEMORY_BYTES,
    preload: Sequence[str] = (),
    secrets: Sequence[str] = (),
    check: Check | None = None,
    progress: Progress | None = None,
) -> "Iterator[pa.RecordBatch]":
    """The record batches that the generator `function` yields, as they come: it goes no faster than they are taken.

    `deadline_s` counts only the time that was spent waiting for them. Closing the iterator ends the process. Raises as
    `call`.
    """
    import pyarrow as pa

    made = Call(function, arguments, memory_bytes, settings_that_open(), tuple(secrets))
    schema: pa.Schema | None = None
    with _running(made, preload, deadline_s, check, progress) as running:
        for kind, payload in running.frames():
            if kind == b"S":
                schema = pa.ipc.read_schema(pa.py_buffer(payload))
            elif kind == b"B":
                batch = pa.ipc.read_record_batch(pa.py_buffer(payload), schema)
                batch.validate()
                yield batch
            elif kind == b"R":
                return
        raise running.broken()


def warm() -> None:
    """Begin to import, without waiting for it: the first call after this is a quick one."""
    with _lock:
        _nursery_now()


@dataclass
class _Running:
    """A process at work, seen from here."""

    data: socket.socket
    control: socket.socket
    deadline_s: float | None
    check: Check | None
    progress: Progress | None
    waited_s: float = 0.0
    looked_at: float = field(default_factory=time.monotonic)
    pidfd: int | None = None

    def begin(self, call: Call) -> bool:
        """Whether a process was forked; it has its work then."""
        with contextlib.suppress(OSError):
            message, descriptors = self._forked()
            if message and descriptors:
                self.pidfd = descriptors[0]
                pickled = pickle.dumps(call)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: `frames` ends at once
                    self.data.sendall(struct.pack(">Q", len(pickled)) + pickled)
                return True
        return False

    def _forked(self) -> tuple[bytes, list[int]]:
        """What says that there is a process. It may wait for imports: somebody may want the end of it meanwhile."""
        until = time.monotonic() + START_S
        self.control.settimeout(LOOK_EVERY_S)
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.control, 16, 1)
            except TimeoutError:
                if time.monotonic() > until:
                    raise
                if self.check is not None:
                    self.check()
            else:
                return message, descriptors

    def frames(self) -> Iterator[tuple[bytes, memoryview]]:
        """What it sends, but for progress and errors, which are dealt with here. Ends when it does."""
        while (head := self._exactly(FRAME.size)) is not None:
            kind, length = FRAME.unpack(head)
            payload = self._exactly(length)
            if payload is None:
                return
            if kind == b"E":
                raise UserError(
                    [Problem(tuple(found["loc"]), found["message"]) for found in json.loads(bytes(payload))]
                )
            if kind == b"P":
                if self.progress is not None:
                    self.progress(*json.loads(bytes(payload)))
            else:
                yield kind, payload

    def broken(self) -> UserError:
        """Why it ended without an answer."""
        self.control.settimeout(2.0)
        try:
            status = int(self.control.recv(64) or b"0")
        except (OSError, ValueError):
            status = 0
        if status in {-signal.SIGKILL, -signal.SIGABRT}:  # the kernel's doing, or C++ that can't go on without memory
            logger.warning("a process that read data ended with %s", signal.Signals(-status).name)
            return UserError(
                "Reading this took more memory than there is, or broke its reader. Split it into smaller files, or "
                "store it as Parquet, and try again."
            )
        logger.error("a process that read data ended with %s", status)
        return UserError(
            "The file broke its reader, so it is damaged or not what its name says. Write it again with the program "
            "that made it, or choose another format."
        )

    def end(self) -> None:
        if self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.close(self.pidfd)
            self.pidfd = None
        self.data.close()
        self.control.close()

    def _exactly(self, length: int) -> memoryview | None:
        """The next `length` bytes; None where it ended before them."""
        found = memoryview(bytearray(length))
        filled = 0
        began = time.monotonic()
        while filled < length:
            self.data.settimeout(LOOK_EVERY_S)
            try:
                count = self.data.recv_into(found[filled:])
            except TimeoutError:
                count = -1
            except ConnectionResetError:
                return None
            if count == 0:
                return None
            filled += max(count, 0)
            now = time.monotonic()
            if self.deadline_s is not None and self.waited_s + now - began > self.deadline_s:
                raise UserError(
                    f"This took longer than {self.deadline_s:g} seconds, so it was stopped. Ask for less of the data, "
                    "or try again when there is less to do."
                )
            if self.check is not None and now - self.looked_at >= LOOK_EVERY_S:
                self.looked_at = now  # kept from frame to frame: there may be many of them
                self.check()
        self.waited_s += time.monotonic() - began
        return found


@contextlib.contextmanager
def _running(
    call: Call, preload: Sequence[str], deadline_s: float | None, check: Check | None, progress: Progress | None
) -> Iterator[_Running]:
    module = call.function.partition(":")[0]
    if not module.startswith(_OWN_MODULES):
        raise ValueError(f"{call.function} is not one of the studio's own functions")
    asked = json.dumps([module, *preload]).encode()
    for _ in range(3):  # the one that forks may just have ended: it does so when nobody needs it
        running = _forked(asked, deadline_s, check, progress)
        try:
            if running.begin(call):
                break
        except BaseException:
            running.end()
            raise
        running.end()
        _forget()
    else:
        raise RuntimeError("The process that reads data does not start: see the log.")
    try:
        yield running
    finally:
        running.end()


def _forked(asked: bytes, deadline_s: float | None, check: Check | None, progress: Progress | None) -> _Running:
    data, data_there = socket.socketpair()
    control, control_there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _lock:
            nursery = _nursery_now()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # then nobody answers, and we see that
                socket.send_fds(nursery.asking, [asked], [data_there.fileno(), control_there.fileno()])
    finally:
        data_there.close()
        control_there.close()
    return _Running(data, control, deadline_s, check, progress)


@dataclass
class _Nursery:
    process: "subprocess.Popen[bytes]"
    asking: socket.socket
    owner: int  # a process that was forked from ours has to have its own


_lock = threading.Lock()
_nursery: _Nursery | None = None


@atexit.register
def _dismiss() -> None:
    """It would end by itself; so nobody sees it still running after us."""
    if _nursery is not None and _nursery.owner == os.getpid():
        _forget()


def _nursery_now() -> _Nursery:
    global _nursery  # noqa: PLW0603 (one for the whole process)
    if _nursery is not None and _nursery.owner == os.getpid() and _nursery.process.poll() is None:
        return _nursery
    if _nursery is not None:
        _nursery.asking.close()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "datastores.tabular.nursery", str(theirs.fileno())],
            cwd=settings.BASE_DIR,
            env=quiet_environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # a Ctrl-C is for us: it ends when we do
        )
    _nursery = _Nursery(process, ours, os.getpid())
    return _nursery


def _forget() -> None:
    """Of one that answers no more."""
    global _nursery  # noqa: PLW0603
    with _lock:
        if _nursery is not None and _nursery.owner == os.getpid():
            _nursery.asking.close()  # it ends now, if it has not
            with contextlib.suppress(subprocess.TimeoutExpired):
                _nursery.process.wait(5)
        _nursery = None


def quiet_environment() -> dict[str, str]:
    """Ours, without what opens the studio's own secrets: a reader needs none of it."""
    variables = dict(os.environ)
    variables["STUDIO_SECRET_KEY"] = "opens nothing"  # noqa: S105 (that is the point)
    if not variables.get("DATABASE_URL", "sqlite").startswith("sqlite"):
        variables["DATABASE_URL"] = "sqlite://:memory:"
    for name in ("REDIS_URL", "BROKER_URL"):
        variables.pop(name, None)
    return variables


def settings_that_open() -> dict[str, Any]:
    """What decides which places may be opened, for a process that opens them."""
    return {name: getattr(settings, name) for name in SETTINGS}

"""The process that `datastores.tabular.isolated` forks others from: everything is imported, nothing is open.

It has one thread, holds no data, and lives as long as somebody holds the other end of its socket. Where it has nothing
to do it forks one ahead.
"""

import contextlib
import ctypes
import importlib
import io
import json
import logging
import os
import pickle
import resource
import select
import selectors
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from datastores.tabular.isolated import Call

IDLE_S = 900.0  # nobody asked for anything so long: the memory is better used elsewhere
TAKING_S = 2.0  # a spare that says nothing so long is no quicker than a new one
UNTOUCHED_BYTES = 1024**3
FRAME = struct.Struct(">cQ")
PR_SET_PDEATHSIG = 1
PRELOADED = (
    "duckdb",
    "fsspec",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "datastores.backends",
    "datastores.tabular.looking",
    "datastores.tabular.previews",
    "datastores.tabular.rehearsal",
    "datastores.tabular.writing",
)

logger = logging.getLogger(__name__)
_answers: socket.socket | None = None


def tell(fraction: float | None, text: str) -> None:
    """Say how far it has come; does nothing outside of an isolated call."""
    if _answers is not None:
        _send(_answers, b"P", json.dumps([fraction, text]).encode())


@dataclass(frozen=True, slots=True)
class _Child:
    pid: int
    pidfd: int
    control: socket.socket


@dataclass(slots=True)
class _Spare:
    """A child that has no call yet, and has rehearsed one: the next call is given to it."""

    pid: int
    pidfd: int
    line: socket.socket
    is_ready: bool = False

    def take(self, data: socket.socket, control: socket.socket) -> _Child | None:
        """The child that it is from now on; None where it has died.

        One that is dying still holds its end of the line: only its own word says that it has the call.
        """
        try:
            socket.send_fds(self.line, [b"call"], [data.fileno()])
            self.line.settimeout(TAKING_S)
            if not self.line.recv(16):
                return None
        except OSError:
            return None
        self.line.close()
        return _Child(self.pid, self.pidfd, control)

    def end(self) -> None:
        self.line.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)


class _Home:
    """All that were forked and live, and the socket by which calls come."""

    def __init__(self, asked: socket.socket) -> None:
        self.asked = asked
        self.children: dict[int, _Child] = {}
        self.spare: _Spare | None = None
        self.selector = selectors.DefaultSelector()
        self.selector.register(asked, selectors.EVENT_READ)

    def serve(self) -> None:
        self._raise_spare()
        try:
            while ready := self.selector.select(None if self.children else IDLE_S):
                for key, _ in ready:
                    if key.fd == self.asked.fileno():
                        message, descriptors, _, _ = socket.recv_fds(self.asked, 65536, 2)
                        if not message:
                            return
                        self._begin(json.loads(message), *(socket.socket(fileno=each) for each in descriptors))
                    elif key.fd in self.children:
                        self._bury(key.fd)
                    elif self.spare is not None and key.fd == self.spare.line.fileno():
                        self._hear_spare(self.spare)
        finally:
            self._end_spare()
            for child in self.children.values():
                os.kill(child.pid, signal.SIGKILL)
            self.selector.close()

    def _begin(self, modules: list[str], data: socket.socket, control: socket.socket) -> None:
        missing = [name for name in modules if name not in sys.modules]
        if missing:
            self._end_spare()  # it would import them again each time
        for name in missing:
            with contextlib.suppress(Exception):  # it will say so again where it is used, and there somebody hears it
                importlib.import_module(name)
        child = self._taken(data, control) or self._forked(data, control)
        data.close()
        with contextlib.suppress(OSError):  # whoever asked is gone: the process will notice when it speaks
            socket.send_fds(control, [b"forked"], [child.pidfd])
        self.children[child.pidfd] = child
        self.selector.register(child.pidfd, selectors.EVENT_READ)

    def _taken(self, data: socket.socket, control: socket.socket) -> _Child | None:
        spare = self.spare
        if spare is None or not spare.is_ready:
            return None
        self.selector.unregister(spare.line)
        child = spare.take(data, control)
        if child is None:
            spare.end()
        self.spare = None
        return child

    def _forked(self, data: socket.socket, control: socket.socket) -> _Child:
        pid = self._fork(lambda: _work(data), [control])
        return _Child(pid, os.pidfd_open(pid), control)

    def _raise_spare(self) -> None:
        if self.spare is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pid = self._fork(lambda: _wait_for_call(theirs), [ours])
        self.spare = _Spare(pid, os.pidfd_open(pid), ours)
        self.selector.register(ours, selectors.EVENT_READ)

    def _hear_spare(self, spare: _Spare) -> None:
        """It is ready, or gone: then the next one comes with the next call."""
        if spare.line.recv(16):
            spare.is_ready = True
        else:
            self._end_spare()

    def _end_spare(self) -> None:
        if self.spare is not None:
            self.selector.unregister(self.spare.line)
            self.spare.end()
            self.spare = None

    def _fork(self, live: Callable[[], None], strange: list[socket.socket]) -> int:
        """A process that does nothing but `live`, and holds none of what is another's."""
        others = [self.asked, *strange, *(child.control for child in self.children.values())]
        if self.spare is not None:
            others.append(self.spare.line)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            for other in others:
                other.close()
            _live(live, parent)
        return pid

    def _bury(self, pidfd: int) -> None:
        self.selector.unregister(pidfd)
        child = self.children.pop(pidfd)
        _, status = os.waitpid(child.pid, 0)
        with contextlib.suppress(OSError):
            child.control.send(str(os.waitstatus_to_exitcode(status)).encode())
        child.control.close()
        os.close(child.pidfd)
        if not self.children:
            self._raise_spare()  # not while others work: they need the processor


def _live(live: Callable[[], None], parent: int) -> NoReturn:
    """The whole life of a forked process."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody wants the answer any more
                live()
            code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait_for_call(line: socket.socket) -> None:
    from datastores.tabular.rehearsal import rehearse

    with contextlib.suppress(Exception):  # the call may do without
        rehearse()
    line.send(b"ready")
    message, descriptors, _, _ = socket.recv_fds(line, 16, 1)
    if message:
        line.send(b"taken")
    line.close()
    if message:
        _work(socket.socket(fileno=descriptors[0]))


def _work(data: socket.socket) -> None:
    global _answers  # noqa: PLW0603 (one process, one call)
    with data.makefile("rb") as incoming:
        head = incoming.read(8)
        if len(head) < 8:
            return
        call: Call = pickle.loads(incoming.read(struct.unpack(">Q", head)[0]))  # noqa: S301 (from our own parent)
    from datastores.tabular import limits

    _answers = data
    limits.allow_memory(call.memory_bytes)
    try:
        _confine(call)
        _answer(data, _function(call.function)(**call.arguments))
    except Exception as error:  # noqa: BLE001 (nothing may go unanswered)
        problems = _problems(error, call)
        _send(data, b"E", json.dumps(problems).encode())


def _function(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def _confine(call: "Call") -> None:
    from django.conf import settings

    for name, value in call.settings.items():
        setattr(settings, name, value)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    # DuckDB holds itself to its part of it; what it maps and doesn't touch would count here.
    limit = _data_bytes() + call.memory_bytes + UNTOUCHED_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")  # where memory ends, a reader goes before the studio does


def _data_bytes() -> int:
    """What this process has mapped for itself already: mostly reserved, never touched."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))


def _answer(data: socket.socket, result: Any) -> None:
    if isinstance(result, Iterator):
        _send_batches(data, result)
    elif isinstance(result, bytes):
        _send(data, b"R", result)
    else:
        from pydantic_core import to_json

        _send(data, b"R", to_json(result, inf_nan_mode="constants"))


def _send_batches(data: socket.socket, batches: Iterator[Any]) -> None:
    is_first = True
    for batch in batches:
        if is_first:
            _send(data, b"S", batch.schema.serialize())
            is_first = False
        _send(data, b"B", batch.serialize())
    _send(data, b"R", b"null")


def _send(data: socket.socket, kind: bytes, payload: Any) -> None:
    data.sendall(FRAME.pack(kind, len(memoryview(payload))))
    data.sendall(payload)


def _problems(error: Exception, call: "Call") -> list[dict[str, Any]]:
    """What the caller is told. What no person can mend is logged, without a word that is secret."""
    from datastores.tabular.failures import sentence_of
    from studio.lib.problems import UserError

    if isinstance(error, UserError):
        return [problem.as_json() for problem in error.problems]
    if sentence := sentence_of(error):
        return [{"loc": [], "message": sentence}]
    import traceback

    text = io.StringIO()
    traceback.print_exception(error, file=text)
    told = text.getvalue()
    for secret in call.secrets:
        told = told.replace(secret, "…")
    logger.error("%s failed:\n%s", call.function, told)
    return [
        {
            "loc": [],
            "message": "The studio could not read this, and its log says why. Try again; if it stays so, tell the "
            "administrator.",
        }
    ]


@contextlib.contextmanager
def _leaving_with(asked: socket.socket) -> Iterator[None]:
    """Inside, the end of whoever would ask is the end of this process at once: imports take a while."""
    over, told = os.pipe()
    poll = select.poll()
    poll.register(asked.fileno(), 0)  # nothing but its hanging up
    poll.register(over, select.POLLIN)

    def watch() -> None:
        if any(descriptor != over for descriptor, _ in poll.poll()):
            os._exit(0)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.write(told, b"!")
        watcher.join()  # who forks has one thread
        os.close(over)
        os.close(told)


def main() -> None:
    # Threads of a library's own would not live on in a forked process, and many cores are not for one reader.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        asked.set_inheritable(False)
        with _leaving_with(asked):
            _import()
        _Home(asked).serve()


def _import() -> None:
    import django
    from django.conf import settings

    django.setup()
    # Whoever is broken into by a file finds nothing to open the studio's secrets with.
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "opens nothing", []
    for name in PRELOADED:
        importlib.import_module(name)


if __name__ == "__main__":
    # Under its own name, so that `tell` speaks for the same module that runs.
    importlib.import_module("datastores.tabular.nursery").main()

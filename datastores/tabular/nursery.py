"""The process that `datastores.tabular.isolated` forks others from: everything is imported, nothing is open.

It has one thread, holds no data, and lives as long as somebody holds the other end of its socket.
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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from datastores.tabular.isolated import Call

IDLE_S = 900.0  # nobody asked for anything so long: the memory is better used elsewhere
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


def serve(asked: socket.socket) -> None:
    """Fork a process for each message until nobody can ask any more, or nobody has asked for long."""
    children: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(asked, selectors.EVENT_READ)
        try:
            while ready := selector.select(None if children else IDLE_S):
                for key, _ in ready:
                    if key.fd != asked.fileno():
                        selector.unregister(key.fd)
                        _bury(children.pop(key.fd))
                        continue
                    message, descriptors, _, _ = socket.recv_fds(asked, 65536, 2)
                    if not message:
                        return
                    child = _fork(json.loads(message), descriptors, [asked, *(c.control for c in children.values())])
                    children[child.pidfd] = child
                    selector.register(child.pidfd, selectors.EVENT_READ)
        finally:
            for child in children.values():
                os.kill(child.pid, signal.SIGKILL)


def _fork(modules: list[str], descriptors: list[int], others: list[socket.socket]) -> _Child:
    for name in modules:
        with contextlib.suppress(Exception):  # it will say so again where it is used, and there somebody hears it
            importlib.import_module(name)
    data, control = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        for other in others:
            other.close()
        control.close()
        _live(data, parent)
    data.close()
    pidfd = os.pidfd_open(pid)
    with contextlib.suppress(OSError):  # whoever asked is gone: the process will notice when it speaks
        socket.send_fds(control, [b"forked"], [pidfd])
    return _Child(pid, pidfd, control)


def _bury(child: _Child) -> None:
    _, status = os.waitpid(child.pid, 0)
    with contextlib.suppress(OSError):
        child.control.send(str(os.waitstatus_to_exitcode(status)).encode())
    child.control.close()
    os.close(child.pidfd)


def _live(data: socket.socket, parent: int) -> NoReturn:
    """The whole life of a forked process."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody wants the answer any more
                _work(data)
            code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


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
        serve(asked)


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

"""Roots for sandboxes that running processes enter, seen from the node: see `make_roots`."""

import contextlib
import os
import socket
import struct
import subprocess
import threading
from typing import Any

from compute.execution.processes import MARKER
from compute.execution.sandbox import make_roots, wire
from compute.execution.sandbox.enter_sandbox import ASKS
from compute.execution.sandbox.system import own_interpreter
from compute.execution.supervision import awaited, spawn

_CREDENTIALS = struct.Struct("3i")
_ANSWER_S = 15.0


class RootMaker:
    """One per node, as root. Thread-safe. Its process is started when it is first needed, and again should it end."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    def let_in(self, to_it: socket.socket, asker: int, mounts: list[Any]) -> None:
        """Make a root for the process `asker`, which waits at the other end of `to_it`. Raises OSError."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(_ANSWER_S)
            with theirs:
                self._ask({"pid": asker, "mounts": mounts}, theirs)
            try:
                answer, fds = wire.receive(ours)
            except wire.GoneError as error:
                raise OSError(f"its sandbox was not made: {error}") from error
        try:
            if not fds:
                raise OSError(f"its sandbox can't be made: {answer}")
            socket.send_fds(to_it, [ASKS], fds)
        finally:
            for fd in fds:
                os.close(fd)

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ask(self, request: dict[str, Any], reply: socket.socket) -> None:
        with self._lock:
            if self._control is None:
                self._start()
            assert self._control is not None
            try:
                wire.send(self._control, request, (reply.fileno(),))
            except OSError:  # it was killed
                self._end()
                self._start()
                wire.send(self._control, request, (reply.fileno(),))

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = spawn(
                [str(own_interpreter()), "-I", "-S", make_roots.__file__, str(theirs.fileno())],
                cwd="/",
                env={MARKER: self._marker, "LANG": "C.UTF-8"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            awaited.discard(self._process.pid)
        self._control = self._process = None


def introduced() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection; the first one hears from which process each message is, see `said_by`."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def said_by(of: socket.socket) -> tuple[bytes, int]:
    """The next byte, and the number that its sender has for us: the kernel's word for it (unix(7), SCM_CREDENTIALS)."""
    said, ancillary, _, _ = of.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return said, int(_CREDENTIALS.unpack(data)[0])
    return said, 0

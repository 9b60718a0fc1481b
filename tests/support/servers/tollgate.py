"""A gate on the way to a real server: it counts what comes through, slows it down, breaks it off, and opens again.

with tollgate(server_port) as gate:
    … connect to gate.port …
    gate.shut()          # every connection breaks, and none is let in
    gate.open_again()
    gate.hold()          # nothing breaks, and nothing comes through either, as where a cable was pulled
    gate.release()
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_READ_BYTES = 64 * 1024
_AT_ONCE = struct.pack("ii", 1, 0)  # closing breaks the connection


class Tollgate:
    """On a port of its own of 127.0.0.1, served by threads."""

    def __init__(self, to: int | str) -> None:
        """`to`: a port of 127.0.0.1, or the path of a socket."""
        self._to = to
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._door: socket.socket | None = None
        self.port = 0
        self.came_bytes = 0  # from the server to its clients
        self.bytes_per_s: float | None = None  # of each connection
        self.open_again()

    def open_again(self) -> None:
        door = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = door.getsockname()[1]
        self._door = door
        self._begin(self._let_in, door)

    def shut(self) -> None:
        self._flows.set()
        door, self._door = self._door, None
        if door is not None:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)  # who waits at it wakes up
            door.close()
        with self._lock:
            for end in self._sockets:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()

    def hold(self) -> None:
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    def _connect(self) -> socket.socket:
        if isinstance(self._to, int):
            return socket.create_connection(("127.0.0.1", self._to), timeout=10)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._to)
        except OSError:
            server.close()
            raise
        return server

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="tollgate", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _let_in(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            with self._lock:
                if self._door is not door:
                    client.close()
                    return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._sockets |= {client, server}
            left = [2]  # whoever is last closes both
            self._begin(self._pass, client, server, left, False)
            self._begin(self._pass, server, client, left, True)

    def _pass(self, here: socket.socket, there: socket.socket, left: list[int], is_counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(_READ_BYTES):
                self._flows.wait()
                if is_counted:
                    self.came_bytes += len(data)
                    if self.bytes_per_s is not None:
                        time.sleep(len(data) / self.bytes_per_s)
                there.sendall(data)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_WR)
        with self._lock:
            left[0] -= 1
            if not left[0]:
                for end in (here, there):
                    self._sockets.discard(end)
                    end.close()


@contextmanager
def tollgate(to: int | str) -> Iterator[Tollgate]:
    gate = Tollgate(to)
    try:
        yield gate
    finally:
        gate.shut()

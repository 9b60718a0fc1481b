"""A gate on the way to a real server: it counts what comes through, slows it down, breaks it off, and opens again.

with tollgate(server_port) as gate:
    … connect to gate.port …
    gate.shut()          # every connection breaks, and none is let in
    gate.open_again()
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_READ_BYTES = 64 * 1024


class Tollgate:
    """On a port of its own of 127.0.0.1, served by a thread."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tollgate", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.came_bytes = 0  # from the server to its clients
        self.bytes_per_s: float | None = None  # of each connection
        self.open_again()

    def open_again(self) -> None:
        self._run(self._open())

    def shut(self) -> None:
        self._run(self._shut())

    def close(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._let_in, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        # Also those that were let in and have not begun.
        while passing := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
        for _ in range(3):  # what was aborted is closed by the loop's next round
            await asyncio.sleep(0)

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, back, counted=False))
                    both.create_task(self._pass(there, writer, counted=True))
            finally:
                back.transport.abort()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        while data := await reader.read(_READ_BYTES):
            if counted:
                self.came_bytes += len(data)
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()


@contextmanager
def tollgate(to_port: int) -> Iterator[Tollgate]:
    gate = Tollgate(to_port)
    try:
        yield gate
    finally:
        gate.close()

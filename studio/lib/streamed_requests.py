"""Uploads reach their view as they arrive.

Django under ASGI spools every request's body before it looks at the request: ten gigabytes would lie in /tmp before
anybody asked whose they are, a connection that breaks would lose all of them, and a full disk would be a bare 500.
"""

import asyncio
import threading
from collections import deque
from io import RawIOBase
from typing import Any

from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIHandler

STREAMED = (b"multipart/form-data", b"application/offset+octet-stream")
HELD = 16  # messages between the socket and the view, of some 64 KB each
SILENCE_S = 120.0


class ConnectionLost(BadRequest):
    """The body ended before its end. Nobody is there any more to be answered."""


class ArrivingBody(RawIOBase):
    """A request's body while it arrives: written by the event loop, read by the view's thread.

    Reading never needs the event loop: at the end of a request it may be waiting for that very thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._is_whole = self._is_lost = False
        self._room = asyncio.Event()

    async def put(self, piece: bytes, *, more: bool) -> None:
        """Waits while the reader is behind: what nobody reads stays with the sender."""
        with self._changed:
            if piece:
                self._pieces.append(piece)
            self._is_whole = not more
            self._changed.notify()
            is_full = len(self._pieces) >= HELD
            if is_full:
                self._room.clear()
        if is_full:
            await self._room.wait()

    def lose(self) -> None:
        with self._changed:
            self._is_lost = not self._is_whole
            self._changed.notify()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        """At least one byte, and at most `size`; none at the end. Raises ConnectionLost."""
        if size is None or size < 0:
            return self.readall()
        with self._changed:
            if not self._changed.wait_for(lambda: self._pieces or self._is_whole or self._is_lost, SILENCE_S):
                raise ConnectionLost("The upload stopped in the middle.")
            if not self._pieces:
                if self._is_lost:
                    raise ConnectionLost("The connection broke in the middle of the upload.")
                return b""
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            has_room = len(self._pieces) < HELD // 2
        if has_room and not self._room.is_set():
            self._loop.call_soon_threadsafe(self._room.set)
        return piece

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(65536), b""))


class StreamingHandler(ASGIHandler):
    """Django's own, but for uploads: their body is given to the view at once."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if not kind.lower().startswith(STREAMED):
            await super().handle(scope, receive, send)
            return
        body = ArrivingBody(asyncio.get_running_loop())
        pump = _Pump(body, receive)
        try:
            await super().handle(scope, pump, send)
        finally:
            body.lose()

    async def read_body(self, receive: Any) -> Any:
        return receive.body if isinstance(receive, _Pump) else await super().read_body(receive)


class _Pump:
    """`receive` as Django listens to it while the view works: what it hears goes into the body, but the end."""

    def __init__(self, body: ArrivingBody, receive: Any) -> None:
        self.body = body
        self._receive = receive

    async def __call__(self) -> Any:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.body.lose()
                return message
            await self.body.put(message.get("body", b""), more=message.get("more_body", False))


def get_streaming_application() -> StreamingHandler:
    """Like `django.core.asgi.get_asgi_application`."""
    import django

    django.setup(set_prefix=False)
    return StreamingHandler()

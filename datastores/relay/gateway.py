"""The node's side of the relay: takes asks on a Unix socket and brings back what the studio answers.

Processes that parse what people brought hold neither the studio's key nor Redis' address: they know this socket's path.
"""

import contextlib
import logging
import os
import secrets
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import redis
from django.conf import settings

from datastores.relay.errors import said_of, unanswered
from datastores.relay.frames import packed, receive, unpacked
from datastores.relay.mailbox import ANSWER_S, ASKS, KEPT_S, answer_key, ask_key, asks_of, connected
from datastores.relay.sealing import NotOurs, opened, seal

logger = logging.getLogger(__name__)

_AT_ONCE = 16  # asks on their way: each has some megabytes in Redis


@contextlib.contextmanager
def gateway() -> Iterator[Path]:
    """Serve as long as the context lasts. The socket's path is one that only this user can go along."""
    folder = Path(tempfile.mkdtemp(prefix="studio-folders-"))
    try:
        with _Server(str(folder / "gateway.sock")) as server:
            threading.Thread(target=server.serve_forever, name="gateway", daemon=True).start()
            try:
                yield folder / "gateway.sock"
            finally:
                server.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str) -> None:
        super().__init__(path, _Asks)
        self.post = _Post()


class _Asks(socketserver.BaseRequestHandler):
    """One connection: ask after ask."""

    request: socket.socket
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked is gone
            while (message := receive(self.request)) is not None:
                self.request.sendall(self.server.post.answer_to(message))


class _Post:
    """Carries messages over Redis."""

    def __init__(self) -> None:
        self._redis = connected(waits_s=ANSWER_S)  # with a pool of connections: threads wait each on its own
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def answer_to(self, message: bytes) -> bytes:
        try:
            with self._room:
                return self._carried(message)
        except redis.RedisError as error:
            logger.warning("an ask for the studio's folders did not get through Redis: %s", type(error).__name__)
            return packed(said_of(unanswered("Redis does not answer.")))
        except Exception:
            logger.exception("an ask for the studio's folders failed here")
            return packed(said_of(unanswered("this node's log says why.")))

    def _carried(self, message: bytes) -> bytes:
        name = secrets.token_hex(16)
        server = unpacked(message)[0].get("server")
        queue = asks_of(server) if server else ASKS
        with self._redis.pipeline() as pipe:
            pipe.set(ask_key(name), seal(message, about=f"ask {name}"), ex=ANSWER_S)
            pipe.rpush(queue, name)
            pipe.expire(queue, KEPT_S)
            pipe.execute()
        found = self._redis.blpop([answer_key(name)], timeout=ANSWER_S)
        if found is None:
            why = f"no data worker of the studio answered within {ANSWER_S} s."
            return packed(said_of(unanswered(why)))
        try:
            return opened(cast("bytes", found[1]), about=f"answer {name}")
        except NotOurs:
            why = "its answer was sealed with another key: give this node the studio's STUDIO_SECRET_KEY."
            return packed(said_of(unanswered(why)))


def use_gateway(path: Path) -> None:
    """From now on, this process and those that it starts ask there."""
    settings.FOLDERS_GATEWAY = os.environ["STUDIO_FOLDERS_GATEWAY"] = str(path)

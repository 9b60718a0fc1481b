"""The studio's side of the relay: some threads of the data worker that answer what nodes from afar ask."""

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from typing import cast

import redis
from django.db import Error as DatabaseFailure
from django.db import connection

from datastores.relay.errors import said_of, unanswered
from datastores.relay.frames import packed, unpacked
from datastores.relay.mailbox import ASKS, KEPT_S, answer_key, ask_key, asks_of, connected
from datastores.relay.operations import Operations
from datastores.relay.sealing import NotOurs, opened, seal
from studio.lib.problems import UserError

logger = logging.getLogger(__name__)

THREADS = 4
LISTEN_S = 5
_PAUSE_S = 1.0
_OTHER_KEY = b"?"


class Server:
    """Serves until it is told to stop. `tell` says in the database whose folders it serves."""

    def __init__(self, tell: Callable[[], None] = lambda: None) -> None:
        self.name = secrets.token_hex(8)
        self._tell = tell
        self._operations = Operations(self.name)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"folders-{number}", daemon=True) for number in range(THREADS)
        ]
        self._threads.append(threading.Thread(target=self._tell_once, name="folders-home", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """What is being answered is; nothing more is taken."""
        self._over.set()
        with contextlib.suppress(redis.RedisError), connected(waits_s=_PAUSE_S) as mail:
            mail.rpush(asks_of(self.name), *[""] * THREADS)  # they wake
            mail.expire(asks_of(self.name), KEPT_S)
        for thread in self._threads:
            thread.join(LISTEN_S)

    def _tell_once(self) -> None:
        """The database may be away when the worker starts."""
        while not self._over.is_set():
            try:
                self._tell()
            except DatabaseFailure as error:
                logger.warning("the database does not take note of this STUDIO_HOME, trying again: %s", error)
                self._over.wait(_PAUSE_S)
            else:
                break
        connection.close()

    def _serve(self) -> None:
        mail = connected(waits_s=LISTEN_S)
        while not self._over.is_set():
            try:
                self._answer_next(mail)
            except redis.RedisError as error:
                logger.debug("Redis is away: %s", error)
                self._over.wait(_PAUSE_S)
            except Exception:
                logger.exception("an ask for the studio's folders could not be answered")
        mail.close()

    def _answer_next(self, mail: redis.Redis) -> None:
        # What this one alone can answer comes first.
        found = mail.blpop([asks_of(self.name), ASKS], timeout=LISTEN_S)
        if found is None:
            return
        name = cast("bytes", found[1]).decode()
        sealed = cast("bytes | None", mail.getdel(ask_key(name)))
        if sealed is None:
            return  # it was asked so long ago that nobody waits for it
        answer = self._answer(name, sealed)
        with mail.pipeline() as pipe:
            pipe.rpush(answer_key(name), answer)
            pipe.expire(answer_key(name), KEPT_S)
            pipe.execute()

    def _answer(self, name: str, sealed: bytes) -> bytes:
        try:
            message = opened(sealed, about=f"ask {name}")
        except NotOurs:
            logger.warning("a node asked for the studio's folders with another STUDIO_SECRET_KEY")
            return _OTHER_KEY
        return seal(self._said(message), about=f"answer {name}")

    def _said(self, message: bytes) -> bytes:
        asked, body = unpacked(message)
        try:
            return packed(*self._operations.answer(asked, body))
        except UserError as error:
            return packed(said_of(error))
        except FileNotFoundError:
            return packed(said_of(UserError("The studio does not have this file (any more).")))
        except Exception:
            logger.exception("an ask for the studio's folders failed: %s", asked.get("what"))
            return packed(said_of(unanswered("the studio failed to do it; the log of its data worker says why.")))

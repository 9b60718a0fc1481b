"""Asking for something of the studio's folders, from any process of a node that does not share them."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings

from datastores.relay.errors import raise_said, unanswered
from datastores.relay.frames import packed, receive, unpacked
from datastores.relay.mailbox import ANSWER_S

_WAITS_S = ANSWER_S + 10.0  # the gateway gives up before we do

# Open connections that nobody uses now, of this process and to this gateway.
_idle: list[socket.socket] = []
_idle_of: tuple[int, str] = (0, "")


def ask(what: str, arguments: Mapping[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
    """What the studio answers. Raises the UserError that it raised there, and Unreachable where it does not answer."""
    connection = None
    try:
        connection = _connected()
        connection.sendall(packed({"what": what, **arguments}, body))
        message = receive(connection)
    except BaseException as error:
        if connection is not None:
            connection.close()  # what comes of it later is the answer to this
        if isinstance(error, OSError):
            raise unanswered(f"the node's own gateway does not answer ({error.strerror or 'too late'}).") from error
        raise
    if message is None:
        connection.close()
        raise unanswered("the node is being stopped.")
    _idle.append(connection)
    said, content = unpacked(message)
    raise_said(said)
    return said, content


def close_idle() -> None:
    while _idle:
        with suppress(IndexError):
            _idle.pop().close()


def _connected() -> socket.socket:
    global _idle_of  # noqa: PLW0603 (one for the whole process)
    if _idle_of != (os.getpid(), settings.FOLDERS_GATEWAY):
        close_idle()  # here: whoever forked this process goes on with its own
        _idle_of = (os.getpid(), settings.FOLDERS_GATEWAY)
    with suppress(IndexError):
        return _idle.pop()
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_WAITS_S)
        connection.connect(settings.FOLDERS_GATEWAY)
    except BaseException:
        connection.close()
        raise
    return connection

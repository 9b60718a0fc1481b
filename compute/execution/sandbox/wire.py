"""Messages between a node and its nests: a length, then JSON, over a Unix socket; descriptors come with the length."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import time

_HEAD = struct.Struct("!I")
_MAX_BYTES = 16 * 1024**2
_MAX_FDS = 8


class GoneError(Exception):
    """The other side is no more, or never made sense."""


def send(to: socket.socket, message: object, fds: tuple[int, ...] = ()) -> None:
    """Raises OSError, TimeoutError included."""
    data = json.dumps(message).encode()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    to.sendmsg([_HEAD.pack(len(data))], ancillary)
    to.sendall(data)


def receive(of: socket.socket) -> tuple[object, list[int]]:
    """The next message and its descriptors, all of it within the socket's time-out. Raises GoneError, OSError."""
    patience_s = of.gettimeout()
    until = None if patience_s is None else time.monotonic() + patience_s
    fds = array.array("i")
    try:
        return _received(of, fds, until), list(fds)
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    finally:
        of.settimeout(patience_s)


def _received(of: socket.socket, fds: array.array[int], until: float | None) -> object:
    head, ancillary, _, _ = of.recvmsg(_HEAD.size, socket.CMSG_SPACE(_MAX_FDS * fds.itemsize))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if not head:
        raise GoneError("it ended")
    head += _exactly(of, _HEAD.size - len(head), until)
    (count,) = _HEAD.unpack(head)
    if count > _MAX_BYTES:
        raise GoneError("it sent too much")
    try:
        return json.loads(_exactly(of, count, until))
    except (ValueError, RecursionError) as error:
        raise GoneError("it made no sense") from error


def _exactly(of: socket.socket, count: int, until: float | None) -> bytes:
    pieces = []
    while count:
        if until is not None:  # for all of it: who sends byte by byte has no more time
            of.settimeout(max(0.001, until - time.monotonic()))
        piece = of.recv(min(count, 1024**2))
        if not piece:
            raise GoneError("it ended in the middle of a message")
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)

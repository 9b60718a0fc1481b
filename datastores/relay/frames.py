"""What goes over the relay: a JSON object and bytes, in one piece."""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from datastores.backends.interface import Entry

MOST_BYTES = 4 * 1024 * 1024  # of the bytes of one message
_HEAD = struct.Struct(">II")

Said = Mapping[str, Any]


def packed(said: Said, body: bytes = b"") -> bytes:
    header = json.dumps(said).encode()
    return _HEAD.pack(len(header), len(body)) + header + body


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    header_bytes, body_bytes = _HEAD.unpack_from(message)
    body_start = _HEAD.size + header_bytes
    said: dict[str, Any] = json.loads(message[_HEAD.size : body_start])
    return said, message[body_start : body_start + body_bytes]


def receive(connection: socket.socket) -> bytes | None:
    """The next message of a stream, packed; None at its end."""
    head = _exactly(connection, _HEAD.size)
    if head is None:
        return None
    rest = _exactly(connection, sum(_HEAD.unpack(head)))
    return None if rest is None else head + rest


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    found = bytearray(count)
    view, filled = memoryview(found), 0
    while filled < count:
        received = connection.recv_into(view[filled:])
        if not received:
            return None
        filled += received
    return bytes(found)


def of_entry(entry: Entry) -> list[Any]:
    return [entry.path, entry.kind, entry.size_bytes, entry.modified_ns, entry.etag]


def to_entry(said: list[Any]) -> Entry:
    return Entry(*said)

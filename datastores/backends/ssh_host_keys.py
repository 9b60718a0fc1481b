"""Host keys of SSH servers: what a person entered, what a server shows, and what is said where they differ."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from datastores.source_paths import shown
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import asyncssh

HOST_KEY = ("config", "host_key")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
KEY_LINE = re.compile(r"(?:\S+\s+)?(?:ssh-|ecdsa-|sk-)\S+\s+(?P<key>AAAA[A-Za-z0-9+/=]+)(?:\s.*)?")


def unknown_host(endpoint: str, key: "asyncssh.SSHKey | None", pinned: str) -> UserError:
    if key is None:
        return UserError(f"{shown(endpoint)} could not prove who it is. Check its host key.", loc=HOST_KEY)
    said = f"{fingerprint(key.public_data)} ({key.get_algorithm()})"
    if not pinned:
        return UserError(
            f"{shown(endpoint)} shows the host key {said}. Ask its administrator whether that is right, and enter the "
            "fingerprint here.",
            loc=HOST_KEY,
        )
    return UserError(
        f"{shown(endpoint)} shows another host key than the one that is registered: {said}. Somebody may be between "
        "you and the server. If its administrator says that it was changed, enter the new one.",
        loc=HOST_KEY,
    )


def fingerprint_of(given: str) -> str:
    """SHA256:… of what a person entered: that itself, a public key, or a line of known_hosts; empty of nothing."""
    given = given.strip()
    if not given:
        return ""
    if FINGERPRINT.fullmatch(given):
        return given.rstrip("=")
    found = KEY_LINE.fullmatch(given)
    if found is None:
        raise UserError(
            "This is no host key: enter its fingerprint, as in SHA256:…, or the line from the server's "
            "/etc/ssh/ssh_host_ed25519_key.pub.",
            loc=HOST_KEY,
        )
    try:
        return fingerprint(b64decode(found["key"], validate=True))
    except ValueError:
        raise UserError("This host key was cut off: enter the whole line.", loc=HOST_KEY) from None


def fingerprint(public_data: bytes) -> str:
    return "SHA256:" + b64encode(sha256(public_data).digest()).decode().rstrip("=")

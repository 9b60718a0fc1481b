"""Signing in to an SSH server: datastores read its files, compute starts nodes on it.

The server must prove with its host key that it is the one that was registered: a name or an address says nothing about
who answers there. No setting of whoever runs the studio plays a part, and a connection goes only where
`datastores.network` lets it.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from datastores import network
from datastores.backends.interface import Unreachable
from datastores.backends.remote import CONNECT_S
from datastores.backends.ssh_host_keys import fingerprint, fingerprint_of, unknown_host
from datastores.source_paths import shown
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import asyncssh

Loc = tuple[str | int, ...]
Auth = Literal["key", "password", "identity"]

PASSPHRASE, KEY = ("credentials", "passphrase"), ("credentials", "private_key")


async def signed_in(
    host: str, port: int, user: str, *, host_key: str, identity: dict[str, Any], loc: Loc = ("config", "host")
) -> "asyncssh.SSHClientConnection":
    """A connection as `user`. `host_key` is what a person entered; empty, or another one, is refused with a sentence.

    Raises UserError, and whatever asyncssh and the network raise: `explained` has the sentences.
    """
    import asyncssh

    pinned = fingerprint_of(host_key)
    addresses = await asyncio.to_thread(network.resolve, host, port, loc=loc)
    seen: list[asyncssh.SSHKey] = []

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
            seen.append(key)
            return bool(pinned) and fingerprint(key.public_data) == pinned

    line = await line_to(addresses, port)
    try:
        return await asyncssh.connect(
            host,
            port,
            sock=line,
            username=user,
            client_factory=Client,
            known_hosts=asyncssh.import_known_hosts(""),
            config=None,  # not the settings of whoever runs the studio: they may start programs
            login_timeout=2 * CONNECT_S,
            keepalive_interval=20,
            gss_host=None,
            **identity,
        )
    except asyncssh.HostKeyNotVerifiable:
        line.close()
        raise unknown_host(named(host, port), seen[-1] if seen else None, pinned) from None
    except BaseException:
        line.close()
        raise


def identity_of(auth: Auth, secrets: dict[str, str]) -> dict[str, Any]:
    """With what to sign in, as asyncssh takes it. Raises UserError where the key can't be read."""
    match auth:
        case "key":
            key = private_key(secrets.get("private_key", ""), secrets.get("passphrase", ""))
            return {"client_keys": [key], "agent_path": None, "password": None}
        case "password":
            return {"client_keys": None, "agent_path": None, "password": secrets.get("password", "")}
    return {"password": None}


def private_key(text: str, passphrase: str) -> "asyncssh.SSHKey":
    """Raises UserError at the key, or at its passphrase."""
    import asyncssh

    try:
        return asyncssh.import_private_key(text.strip() + "\n", passphrase or None)
    except asyncssh.KeyEncryptionError:
        raise UserError("The passphrase does not open this key. Enter it again.", loc=PASSPHRASE) from None
    except asyncssh.KeyImportError as error:
        if "passphrase" in str(error).lower():
            raise UserError("This key has a passphrase. Enter it too.", loc=PASSPHRASE) from None
        raise UserError(
            "This is no private key that can be read. Enter the whole file, from -----BEGIN to the last line.", loc=KEY
        ) from None
    except ValueError:
        raise UserError("This is no private key that can be read.", loc=KEY) from None


def explained(error: BaseException, *, server: str, user: str, auth: Auth, loc: Loc, auth_loc: Loc) -> UserError | None:
    """The sentence for what an SSH server, or the way to it, did; None for anything else."""
    import asyncssh

    if isinstance(error, asyncssh.PermissionDenied):
        return UserError(
            f"{shown(server)} does not let the user “{shown(user)}” in. Check user and {auth}.", loc=auth_loc
        )
    if isinstance(error, asyncssh.ConnectionLost) and "timeout" in str(error).lower():
        return None  # the caller's own words for what is too slow
    if isinstance(error, asyncssh.ConnectionLost):
        return Unreachable(f"The connection to {shown(server)} broke. Try again.", loc=loc)
    if isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported):
        return UserError(f"What answers at {shown(server)} is no SSH server. Check the port.", loc=loc)
    if isinstance(error, asyncssh.DisconnectError):
        return Unreachable(f"{shown(server)} ended the connection. Try again.", loc=loc)
    return None


def named(host: str, port: int) -> str:
    """A server for people: its host, with the port where it is not 22."""
    return host if port == 22 else f"{host}:{port}"


async def line_to(addresses: list[str], port: int) -> Any:
    """A socket to the first address that answers; libraries would look the name up again."""
    import socket

    loop = asyncio.get_running_loop()
    for number, address in enumerate(addresses, 1):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        line = socket.socket(family, socket.SOCK_STREAM)
        line.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(line, (address, port)), CONNECT_S)
        except BaseException as error:
            line.close()
            if number == len(addresses) or not isinstance(error, OSError | TimeoutError):
                raise
        else:
            return line
    raise AssertionError("`resolve` gives at least one address")

"""The guard of every connection that a datastore or a web address makes.

A registered store and a web address are a way into the server's own network: whoever may name a host could read what
only the server reaches, such as a cloud's metadata service. So a connection goes only to addresses that `resolve` gave,
never to a name; names that lead to private addresses are refused, unless an administrator admits them.

    sock = socket.create_connection((resolve("db.example.com", 5432)[0], 5432))

For aiohttp there is `datastores.connector.GuardedConnector`: it asks here at every single connection, redirects and
later look-ups included.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterator, Sequence

from django.conf import settings

from datastores.backends.interface import Unreachable
from datastores.source_paths import shown
from studio.lib.problems import UserError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Loc = tuple[str | int, ...]

LOOK_UP_S = 5.0  # the system's own resolver may take half a minute to give up
ADMIT_ALL = "*"

# Public by their number, and yet a cloud's own services for its machines.
_CLOUD_SERVICES = frozenset({ipaddress.ip_address("168.63.129.16")})
# What is written in these prefixes of IPv6 is delivered to an address of IPv4.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class RefusedAddress(UserError):  # noqa: N818 (an answer, more than an error)
    """The host leads only to addresses that the studio does not connect to."""


class NameNotFound(Unreachable):
    """There is no host of that name, or it can't be looked up now."""


def resolve(host: str, port: int, *, loc: Loc = ()) -> list[str]:
    """The addresses of `host` that may be connected to, as numbers, in the resolver's order; never empty.

    Whoever connects uses one of them, and not the name again: it could lead elsewhere by then.
    Raises RefusedAddress and NameNotFound, both UserErrors, at `loc`.
    """
    return allowed(host, _looked_up(host, port, loc), loc=loc)


def allowed(host: str, addresses: Sequence[str], *, loc: Loc = ()) -> list[str]:
    """Those of `addresses`, to which `host` leads, that may be connected to. Raises RefusedAddress where none may."""
    admitted = _Admitted()
    good = [address for address in addresses if admitted.allows(host, _parsed(address))]
    if not good:
        raise _refused(host, addresses[0], loc)
    return good


def name_not_found(host: str, *, loc: Loc = (), for_now: bool = False) -> NameNotFound:
    if for_now:
        return NameNotFound(
            f"The name {shown(host)} can't be looked up just now: the name server did not answer. Try again, and check "
            "the name's spelling.",
            loc=loc,
        )
    return NameNotFound(f"There is no host named {shown(host)}. Check the spelling.", loc=loc)


class _Admitted:
    """What STUDIO_PRIVATE_HOSTS admits. Read each time: tests change it, and there are few entries."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in settings.PRIVATE_HOSTS:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip().strip("[]"), strict=False))
            except ValueError:
                self._names.add(_plain(entry))

    def allows(self, host: str, address: Address) -> bool:
        if ADMIT_ALL in self._names or _plain(host) in self._names:
            return True
        return all(_is_public(inner) or self._holds(inner) for inner in _delivered_to(address))

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and address not in _CLOUD_SERVICES


def _delivered_to(address: Address) -> Iterator[Address]:
    """`address` itself, or the address of IPv4 that is written in it and would be reached."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped:
        yield address.ipv4_mapped
    elif address.sixtofour:
        yield address.sixtofour
    elif address.teredo:
        yield from address.teredo
    elif address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address


def _looked_up(host: str, port: int, loc: Loc) -> list[str]:
    answer: list[str] = []
    problem: list[Exception] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(_bare(host), port, type=socket.SOCK_STREAM)
            answer.extend(dict.fromkeys(str(entry[4][0]) for entry in found))
        except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name is empty or too long
            problem.append(error)

    # A thread that nobody waits for: the look-up itself can't be ended.
    thread = threading.Thread(target=look_up, daemon=True, name="look-up")
    thread.start()
    thread.join(LOOK_UP_S)
    if answer:
        return answer
    for_now = not problem or is_for_now(problem[0])
    raise name_not_found(host, loc=loc, for_now=for_now) from (problem[0] if problem else None)


def is_for_now(error: BaseException) -> bool:
    """Whether a look-up failed for a reason that may pass."""
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


def _parsed(address: str) -> Address:
    return ipaddress.ip_address(address.partition("%")[0])  # without the zone of a link-local address


def _bare(host: str) -> str:
    return host.strip().removeprefix("[").removesuffix("]")


def _plain(host: str) -> str:
    return _bare(host).rstrip(".").lower()


def _refused(host: str, address: str, loc: Loc) -> RefusedAddress:
    named = address if _plain(host) == address else f"{shown(host)} ({address})"
    return RefusedAddress(
        f"The studio does not connect to {named}: this address belongs to the server's own network. An administrator "
        "of the server can admit it with the setting STUDIO_PRIVATE_HOSTS.",
        loc=loc,
    )

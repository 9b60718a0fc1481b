"""One connection to a host of a pool, and the verbs of `on_host` over it. What goes wrong comes as a sentence."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute.pools.spec import PoolSpec, SshHost
from compute.providers.ssh.source import packed_source, source_digest
from compute.providers.ssh.variables import what_to_reach
from datastores import ssh
from datastores.backends.interface import Unreachable
from datastores.relay.homes import home_mark
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import asyncssh

SCRIPT = Path(__file__).with_name("on_host.py").read_text()
ANSWER_S = 30.0
UNPACK_S = 180.0
_PYTHONS = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"


class Session:
    """Signed in to one host, with a Python found there."""

    def __init__(self, connection: "asyncssh.SSHClientConnection", address: str, spec: PoolSpec, python: str) -> None:
        self._connection = connection
        self.address = address
        self._spec = spec
        self._python = python

    async def check(self) -> dict[str, Any]:
        """What is there. Raises UserError where a node can't serve from this host, with all that stands in the way."""
        asked = {"reach": what_to_reach(), "digest": source_digest()}
        found = await self._verb("check", stdin=json.dumps(asked))
        if found["problems"]:
            raise UserError(" ".join(_sentence(self.address, *problem) for problem in found["problems"]))
        return found

    async def install(self) -> None:
        """Bring this studio's sources there. Their packages are installed by the launcher."""
        await self._verb("unpack", source_digest(), stdin=packed_source(), within_s=UNPACK_S)

    async def start(self, name: str, *, variables: dict[str, str], options: list[str]) -> dict[str, Any]:
        asked = {
            "digest": source_digest(),
            "variables": variables,
            "options": options,
            "script": SCRIPT,
            "home_mark": await asyncio.to_thread(home_mark),
        }
        return await self._verb("start", name, stdin=json.dumps(asked))

    async def look(self, name: str) -> dict[str, Any]:
        return await self._verb("look", name)

    async def stop(self, name: str, *, hard: bool) -> bool:
        """Whether nothing is left of it."""
        answer = await self._verb("stop", name, "8", "1" if hard else "0")
        return not answer["left"]

    async def _verb(
        self, verb: str, *arguments: str, stdin: str | bytes = b"", within_s: float = ANSWER_S
    ) -> dict[str, Any]:
        """Nothing secret goes into `arguments`: a host shows them to everyone. `stdin` is seen by the verb alone."""
        words = [self._python, "-c", SCRIPT, verb, self._folder, *arguments]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = await asyncio.wait_for(
            self._connection.run(shlex.join(words), input=given, encoding=None, check=False), within_s
        )
        assert isinstance(done.stdout, bytes), "no encoding was asked for"
        assert isinstance(done.stderr, bytes)
        err = done.stderr.decode(errors="replace")
        try:
            answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            last = err.strip().splitlines()[-1:] or ["it said nothing"]
            raise UserError(f"{self.address} could not do its part ({verb}): {last[0][:300]}") from None
        return answer

    @property
    def _folder(self) -> str:
        folder = self._spec.folder
        return folder if folder.startswith("/") else f"~/{folder}"


@asynccontextmanager
async def session(host: SshHost, spec: PoolSpec, secrets: dict[str, str]) -> AsyncIterator[Session]:
    """Sign in to `host`. Raises UserError with a sentence that names it."""
    connection = None
    try:
        connection = await asyncio.wait_for(
            ssh.signed_in(
                host.host,
                host.port,
                host.user,
                host_key=host.host_key,
                identity=ssh.identity_of(spec.auth, secrets),
                loc=("hosts",),
            ),
            ANSWER_S,
        )
        yield Session(connection, host.address, spec, await _python_of(connection, host, spec))
    except UserError:
        raise
    except Exception as error:
        sentence = _explained(error, host, spec)
        if sentence is None:
            raise
        raise sentence from None  # no library's error goes on
    finally:
        if connection is not None:
            connection.close()


async def _python_of(connection: "asyncssh.SSHClientConnection", host: SshHost, spec: PoolSpec) -> str:
    names = [spec.python] if spec.python else list(_PYTHONS)
    tries = "; ".join(
        f"{shlex.quote(name)} -c {shlex.quote(_NEW_ENOUGH)} >/dev/null 2>&1 && echo {shlex.quote(name)} && exit 0"
        for name in names
    )
    done = await asyncio.wait_for(connection.run(f"{tries}; exit 1", check=False), ANSWER_S)
    found = str(done.stdout or "").strip().splitlines()
    if not found:
        where = f"“{spec.python}” is no Python 3.11 or newer" if spec.python else "There is no Python 3.11 or newer"
        raise UserError(f"{where} on {host.address}. Install one (Debian: apt-get install python3-venv).")
    return found[-1]


def _explained(error: BaseException, host: SshHost, spec: PoolSpec) -> UserError | None:
    where, loc = host.address, ("hosts",)
    known = ssh.explained(error, server=where, user=host.user, auth=spec.auth, loc=loc, auth_loc=loc)
    if known is not None:
        return known
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{where} refuses the connection. Check the port, and whether its SSH server runs.", loc=loc)
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Unreachable(f"{where} did not answer in time. Check whether it is up, and the network between.", loc=loc)
    if isinstance(error, OSError):
        return Unreachable(f"{where} can't be reached: {error.strerror or 'the network says no'}.", loc=loc)
    import asyncssh

    if isinstance(error, asyncssh.Error):
        return Unreachable(f"{where} broke off: {error.reason or 'it did not say why'}.", loc=loc)
    return None


def _sentence(address: str, kind: str, *facts: str) -> str:
    match kind:
        case "folder":
            return f"On {address} the folder for nodes can't be written to ({facts[0]})."
        case "disk":
            return f"The disk of {address} is nearly full ({facts[0]} MB free): the studio and its packages need 2 GB."
    if "is not on this machine" in facts[1]:
        return (
            f"The studio's {facts[0]} serves one machine only ({facts[1].partition(' ')[0]} is not on {address}): "
            "nodes on other machines need PostgreSQL (DATABASE_URL) and a Redis with an address (REDIS_URL)."
        )
    return f"{address} does not reach the studio's {facts[0]} ({facts[1]})."

"""aiohttp behind the guard. Its own module: aiohttp is imported only when something connects."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.tracing import Trace

from datastores import network


class GuardedConnector(aiohttp.TCPConnector):
    """Every connection asks the guard, whatever led to it: the first address, a redirect, a number instead of a name.

    What was looked up and checked is what is connected to. Nothing is remembered, so that a name which leads elsewhere
    the next time is checked the next time.
    Raises the guard's UserErrors through everything that is built on aiohttp.
    """

    def __init__(self, **options: Any) -> None:
        # The system's own look-up, as `network.resolve` has it: /etc/hosts counts.
        super().__init__(**{**options, "use_dns_cache": False, "resolver": aiohttp.ThreadedResolver()})

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:
        try:
            async with asyncio.timeout(network.LOOK_UP_S):
                found = await super()._resolve_host(host, port, traces=traces)
        except TimeoutError as error:
            raise network.name_not_found(host, for_now=True) from error
        except (OSError, UnicodeError) as error:
            reason = error.__cause__ or error.__context__ or error
            for_now = any(isinstance(each, socket.gaierror) and network.is_for_now(each) for each in (error, reason))
            raise network.name_not_found(host, for_now=for_now) from error
        good = set(network.allowed(host, [entry["host"] for entry in found]))
        return [entry for entry in found if entry["host"] in good]

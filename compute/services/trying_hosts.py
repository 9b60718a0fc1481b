"""Try the hosts of a pool, before it is made or after: sign in to each, see what is there, start nothing."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compute.models import ComputeTarget
from compute.pools.spec import PoolSpec, SshHost
from compute.providers.ssh.session import session
from compute.services.pool_settings import require_administrator, require_password_again, secrets_with, settled
from studio.lib.problems import UserError
from studio.workspaces import audit
from studio.workspaces.models import User, Workspace

DEADLINE_S = 25.0  # of one host
AT_ONCE = 8
MOST = 32


@dataclass(frozen=True, slots=True)
class TriedHost:
    """What one host answered, in words."""

    address: str
    is_good: bool
    message: str


def try_hosts(
    workspace: Workspace,
    *,
    pool: Mapping[str, Any],
    credentials: Mapping[str, str],
    target: ComputeTarget | None = None,
    tried_by: User,
) -> list[TriedHost]:
    """Sign in to each host as a pool of these words would; with `target`, with its secrets where none are given.

    Raises UserError as `create_pool` does, and PermissionDenied where the person is no administrator.
    """
    require_administrator(tried_by)
    secrets = secrets_with(target, credentials)
    spec = settled(pool, secrets)
    if target is not None and target.pool is not None:
        require_password_again(target.pool, spec, credentials)
    if len(spec.hosts) > MOST:
        raise UserError(f"Test {MOST} hosts at a time: take out those that were tested.", loc=("pool", "hosts"))
    audit.record(workspace, tried_by, "compute.test", ", ".join(host.address for host in spec.hosts))
    return asyncio.run(_try_all(spec, secrets))


async def _try_all(spec: PoolSpec, secrets: dict[str, str]) -> list[TriedHost]:
    room = asyncio.Semaphore(AT_ONCE)

    async def try_one(host: SshHost) -> TriedHost:
        async with room:
            try:
                message = await asyncio.wait_for(_look(host, spec, secrets), DEADLINE_S)
            except UserError as error:
                return TriedHost(host.address, is_good=False, message=str(error))
            except TimeoutError:
                return TriedHost(host.address, is_good=False, message=f"There was no answer within {DEADLINE_S:g} s.")
            return TriedHost(host.address, is_good=True, message=message)

    return await asyncio.gather(*(try_one(host) for host in spec.hosts))


async def _look(host: SshHost, spec: PoolSpec, secrets: dict[str, str]) -> str:
    began = time.monotonic()
    async with session(host, spec, secrets) as there:
        found = await there.check()
    is_there = "The studio is installed there." if found["installed"] else "The first node installs the studio there."
    return (
        f"Signed in in {time.monotonic() - began:.1f} s: {found['machine']}, {found['cpus']} CPUs, "
        f"Python {found['python']}. {is_there}"
    )

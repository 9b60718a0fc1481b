"""Nodes on hosts that are reached by SSH. Everything about a node on its host goes by the key of its row."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.utils import timezone

from compute.models import ComputeTarget, PoolNode
from compute.pools.spec import PoolSpec, SshHost
from compute.providers.interface import Provider
from compute.providers.ssh.session import session
from compute.providers.ssh.source import source_digest
from compute.providers.ssh.variables import node_variables
from compute.services.pool_nodes import say_phase
from compute.states import PoolNodeStatus
from studio.lib.problems import UserError

logger = logging.getLogger(__name__)

BACKOFF_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
HARD_AFTER_S = 60.0  # what SIGTERM did not end by then is killed
_PHASES = {
    "starting": "Its launcher starts.",
    "installing": "The studio's packages are being installed.",
    "running": "Its process starts.",
}


class SshHosts(Provider):
    name: ClassVar[str] = "ssh"
    start_s: ClassVar[float] = 15 * 60.0  # the first one on a host fetches every package

    @property
    def source(self) -> str:
        return source_digest()

    def places(self, target: ComputeTarget, live: Sequence[PoolNode], count: int) -> tuple[list[str], str]:
        """The hosts with the fewest nodes first; those that failed lately are left alone for a while."""
        spec = spec_of(target)
        resting = {host: until for host, until in _resting(target).items() if until > timezone.now()}
        used = Counter(row.host for row in live)
        found: list[str] = []
        while len(found) < count:
            free = [
                (used[host.address], number, host.address)
                for number, host in enumerate(spec.hosts)
                if used[host.address] < spec.nodes_per_host and host.address not in resting
            ]
            if not free:
                break
            _, _, address = min(free)
            used[address] += 1
            found.append(address)
        if len(found) < count and resting:
            names = ", ".join(sorted(resting))
            return found, f"Waits before it tries again what failed: {names}."
        return found, ""

    def start(self, row: PoolNode) -> str:
        return asyncio.run(self._start(row))

    def stop(self, row: PoolNode) -> bool:
        since = row.stopping_at or row.ended_at or row.created_at
        hard = (timezone.now() - since).total_seconds() > HARD_AFTER_S
        return asyncio.run(self._stop(row, hard=hard))

    async def _start(self, row: PoolNode) -> str:
        spec, host = spec_of(row.target), host_of(row)
        async with session(host, spec, secrets_of(row.target)) as there:
            found = await there.check()
            if not found["installed"]:
                await asyncio.to_thread(say_phase, row, "The studio is being copied there.")
                await there.install()
            # Said before anything runs there: should this process die now, somebody clears it up.
            await asyncio.to_thread(say_phase, row, row.phase or _PHASES["starting"])
            options = ["--compute", str(row.target_id), "--slots", str(row.slots)]
            options += ["--name", row.name, "--pool-node", str(row.pk)]
            state = await there.start(_name_there(row), variables=node_variables(), options=options)
        if state["runs"]:
            return _PHASES.get(state["phase"], _PHASES["starting"])
        raise UserError(_why_it_ended(state, host))

    async def _stop(self, row: PoolNode, *, hard: bool) -> bool:
        async with session(host_of(row), spec_of(row.target), secrets_of(row.target)) as there:
            return await there.stop(_name_there(row), hard=hard)


def spec_of(target: ComputeTarget) -> PoolSpec:
    assert target.pool is not None, "a pool has its settings"
    spec: PoolSpec = target.pool
    return spec


def secrets_of(target: ComputeTarget) -> dict[str, str]:
    """Raises UserError where no key of the settings opens them."""
    return target.credentials.open() if target.credentials is not None else {}


def host_of(row: PoolNode) -> SshHost:
    """As the pool has it now, or as it was when the node was started, where the pool no longer has it."""
    found = spec_of(row.target).host_at(row.host)
    if found is None:
        assert row.place is not None, "written with the row"
        found = row.place
    return found


@dataclass
class _Run:
    failures: int = 0
    over: bool = False
    last: PoolNode | None = None


def _resting(target: ComputeTarget) -> dict[str, datetime]:
    """Until when each host is left alone: the longer, the more often in a row it failed, as it is entered now."""
    spec = spec_of(target)
    runs: dict[str, _Run] = {}
    for row in PoolNode.objects.filter(target=target).exclude(host="").order_by("-id")[:200]:
        run = runs.setdefault(row.host, _Run())
        if row.place is not None and row.place != spec.host_at(row.host):
            run.over = True
        elif row.status == PoolNodeStatus.FAILED and not run.over:
            run.failures += 1
            run.last = run.last or row
        elif row.status in {PoolNodeStatus.UP, PoolNodeStatus.DRAINING, PoolNodeStatus.GONE}:
            run.over = True
    return {
        host: run.last.ended_at + timedelta(seconds=BACKOFF_S[min(run.failures, len(BACKOFF_S)) - 1])
        for host, run in runs.items()
        if run.last is not None and run.last.ended_at is not None
    }


def _name_there(row: PoolNode) -> str:
    """Of its folder on the host: two studios may share one."""
    studio = hashlib.sha256(f"pool node of {settings.SECRET_KEY}".encode()).hexdigest()[:8]
    return f"{studio}-{row.pk}"


def _why_it_ended(state: dict[str, str], host: SshHost) -> str:
    lines = [line for line in state.get("log", "").strip().splitlines() if line.strip()]
    last = lines[-1].strip()[:500] if lines else "it said nothing"
    if state["phase"] == "not installed":
        return f"The studio's packages could not be installed on {host.address}: {last}"
    return f"The node ended on {host.address} before it had registered: {last}"

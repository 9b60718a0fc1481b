"""A real RabbitMQ (Debian's rabbitmq-server), with folders, ports and a port mapper of its own.

with rabbitmq() as url:
    settings.CELERY_BROKER_URL = url
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from studio.installation.supervisor import leashed
from tests.support.servers.ports import free_port
from tests.support.servers.processes import server_on_a_port
from tests.support.waiting import wait_for

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's own command changes the user first
START_TIMEOUT_S = 180.0  # Erlang takes some seconds, on a busy machine many


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Gives its address, as BROKER_URL takes it."""
    home = Path(tempfile.mkdtemp(prefix="studio-rabbit-", dir="/tmp"))
    try:
        # Erlang's port mapper, which a server would start as a daemon that nobody ends.
        mapper = server_on_a_port(
            "epmd", lambda port: ["/usr/bin/epmd", "-port", str(port), "-address", "127.0.0.1"], log=home / "epmd.log"
        )
        with mapper as mapper_port, _server(home, mapper_port) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _server(home: Path, mapper_port: int) -> Iterator[str]:
    port, log = free_port(), home / "out.log"
    (home / "plugins").write_text("[].")
    variables = {
        **os.environ,
        "HOME": str(home),  # Erlang's cookie lies there
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_NODENAME": f"studio-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            leashed([str(SERVER)], signal.SIGTERM),
            env=variables,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    try:
        wait_for(
            lambda: process.poll() is not None or "completed with" in log.read_text(errors="replace"),
            what="RabbitMQ starts",
            timeout_s=START_TIMEOUT_S,
        )
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            if member.is_running():
                member.kill()
        process.wait()

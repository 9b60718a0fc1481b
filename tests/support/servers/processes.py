"""Server processes of a test session: started on a port that is free, ended by their process, never left behind."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from studio.installation.supervisor import leashed
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_for


@contextmanager
def server_on_a_port(
    name: str,
    command: Callable[[int], Sequence[str]],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> Iterator[int]:
    """Run `command(port)` until it listens on that port of 127.0.0.1; gives the port."""
    for _ in range(3):  # somebody else may take the port first
        port = free_port()
        with log.open("ab") as output:
            process = subprocess.Popen(
                leashed(command(port), signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                cwd=log.parent,
                env=environment,
            )
        try:
            wait_for(
                lambda process=process, port=port: process.poll() is not None or _listens(port),
                what=f"{name} listens",
                timeout_s=timeout_s,
            )
            if process.poll() is None:
                yield port
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True

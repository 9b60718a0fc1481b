"""A whole installation in a folder of its own, started as a person would start it, for as long as it is needed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

# What would make it another installation's: the caller's own database, broker, addresses.
_NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "STUDIO_FOLLOW_PARENT")
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Installation:
    """A running studio."""

    home: Path
    address: str  # as in http://127.0.0.1:8123
    environment: dict[str, str]

    def manage(self, *arguments: str, **variables: str) -> str:
        """Run a management command in it. Returns what it printed; raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments],
            env=self.environment | variables,
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def health(self) -> dict[str, Any] | None:
        """What /healthz says; None while nobody answers or something is not ready."""
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:  # noqa: S310 (our own address)
                body: dict[str, Any] = json.load(answer)
                return body
        except (urllib.error.URLError, OSError, ValueError):
            return None


@contextlib.contextmanager
def temporary_installation(
    *, demo: bool, home: Path | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """Start `manage.py up` below `home`, and stop it at the end. Unless given, `home` is temporary and goes as well.

    Raises RuntimeError with the end of its output where it does not come up.
    """
    with contextlib.ExitStack() as stack:
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="studio-", ignore_cleanup_errors=True)))
        home.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        environment |= {"STUDIO_HOME": str(home), "PYTHONUNBUFFERED": "1", **(variables or {})}
        installation = Installation(home=home, address=f"http://127.0.0.1:{port}", environment=environment)
        output = stack.enter_context((home / "up.log").open("w+"))
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "up", "--port", str(port)]
        process = subprocess.Popen(
            command if demo else [*command, "--no-demo"],
            env=environment | {"STUDIO_FOLLOW_PARENT": str(os.getpid())},  # whoever is killed leaves none behind
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
        try:
            _wait_until_up(installation, process, output.name)
            yield installation
        finally:
            _stop(process)


def _wait_until_up(installation: Installation, process: subprocess.Popen[bytes], output: str) -> None:
    until = time.monotonic() + _START_TIMEOUT_S
    while installation.health() is None:
        if process.poll() is not None or time.monotonic() > until:
            why = "stopped" if process.poll() is not None else f"was not ready after {_START_TIMEOUT_S:.0f} s"
            raise RuntimeError(f"The installation {why}. It said:\n{Path(output).read_text()[-3000:]}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""Start `manage.py up` as a person would, and see what is left of it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings

from tests.support.waiting import wait_for

UP = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "up"]
NOT_INHERITED = {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "STUDIO_HOME"}
START_TIMEOUT_S = 180  # a busy machine takes its time


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def variables(home: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {**inherited, "STUDIO_HOME": str(home), "PYTHONUNBUFFERED": "1", **more}


class Up:
    """One start of the studio."""

    def __init__(
        self,
        home: Path,
        *,
        demo: bool = False,
        prefix: list[str] | None = None,
        terminal: int | None = None,
        **more: str,
    ) -> None:
        self.home, self.port = home, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._output = home.parent / f"{home.name}-{self.port}.out"
        self.variables = variables(home, **more)
        command = [*(prefix or []), *UP, "--port", str(self.port), *([] if demo else ["--no-demo"])]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=self.variables,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=output if terminal is None else terminal,
                stderr=output if terminal is None else terminal,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def until_announced(self) -> "Up":
        try:
            wait_for(
                lambda: "Ctrl-C stops it" in self.output or self.process.poll() is not None,
                what="the studio says that it is running",
                timeout_s=START_TIMEOUT_S,
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None
        assert self.process.poll() is None, self.output
        return self

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and JSON of /healthz; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [*UP[:2], *arguments], env=self.variables, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on behalf of this home, whoever started it."""
        return [process for process in psutil.process_iter() if _belongs(process, self.home)]

    def commands(self) -> dict[int, list[str]]:
        """Their command lines by process id. One that ends while it is looked at has none any more."""
        found = {}
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # a zombie included
                found[process.pid] = process.cmdline()
        return found

    def child(self, word: str) -> psutil.Process:
        """The child whose command line has that word."""
        return psutil.Process(next(pid for pid, command in self.commands().items() if word in command))

    def ends(self, timeout_s: float = 30) -> int:
        """Waits for the end of all of it. Gives the exit code."""
        code = self.process.wait(timeout_s)
        wait_for(lambda: not self.processes(), what="no process is left", timeout_s=timeout_s)
        return code

    def interrupt(self) -> None:
        """What Ctrl-C does: the whole foreground group gets it."""
        os.killpg(self.process.pid, signal.SIGINT)


@contextlib.contextmanager
def started(home: Path, **options: Any) -> Iterator[Up]:
    """A studio that is stopped in any case."""
    up = Up(home, **options)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.interrupt()
            with contextlib.suppress(subprocess.TimeoutExpired):
                up.process.wait(30)
        for process in up.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        up.process.wait()


def _belongs(process: psutil.Process, home: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get("STUDIO_HOME") == str(home)
    except psutil.Error:
        return False

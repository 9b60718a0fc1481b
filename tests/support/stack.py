"""Real workers on the test's own database: processes of `manage.py` and Celery, as the supervisor would start them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from django.conf import settings
from django.db import connection

from studio.installation import services
from studio.installation.supervisor import leashed
from tests.support.postgres import with_database
from tests.support.waiting import wait_for

START_TIMEOUT_S = 90.0  # a busy machine takes its time; one that is free needs two seconds


class Worker:
    """One process of the stack. Its output stands in `log`."""

    def __init__(self, command: tuple[str, ...], variables: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                # A test run that is killed leaves no workers behind.
                leashed(command, signal.SIGTERM),
                cwd=settings.BASE_DIR,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """kill -9, of this process alone."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = 15) -> None:
        """SIGTERM, and whatever is left after that SIGKILL."""
        family = _family(self.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for member in family:
            if member.is_running():
                member.kill()


class Stack:
    """Start what a test needs; `stop` ends all of it."""

    def __init__(self, logs: Path, variables: dict[str, str]) -> None:
        self._logs = logs
        self._variables = {**_variables_of_the_studio(), **variables}
        self.workers: list[Worker] = []

    def control(self) -> Worker:
        return self._start(services.control(()).command, "control")

    def data(self) -> Worker:
        return self._start(services.data(()).command, "data")

    def scheduler(self) -> Worker:
        schedule = str(self._logs / "schedule")
        return self._start((*services.scheduler(()).command, "--schedule", schedule), "scheduler")

    def nodes(self, *, local: bool = False) -> Worker:
        """The supervisor of nodes: those that pools of processes want, and with `local` each local target's."""
        command = (sys.executable, services.MANAGE, "nodes")
        return self._start(command if local else (*command, "--no-local"), "nodes")

    def node(
        self,
        compute: str | int = "local",
        *,
        slots: int = 2,
        name: str = "",
        options: tuple[str, ...] = (),
        under: tuple[str, ...] = (),
        **variables: str,
    ) -> Worker:
        """A node of a compute target, by name or id; returns once it is known to live.

        `under` is the beginning of a command that becomes the node, as in `setpriv …`.
        """
        from compute.models import Node

        before = set(Node.objects.values_list("incarnation", flat=True))
        command = (sys.executable, services.MANAGE, "node", "--compute", str(compute), "--slots", str(slots))
        if name:
            command = (*command, "--name", name)
        command = (*command, *options)
        if under:
            command = (shutil.which(under[0]) or under[0], *under[1:], *command)
        worker = self._start(command, "node", variables)
        try:
            wait_for(
                lambda: worker.process.poll() is not None or Node.objects.exclude(incarnation__in=before).exists(),
                what="the node registers",
                timeout_s=START_TIMEOUT_S,
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{worker.log.read_text()[-3000:]}") from None
        assert worker.process.poll() is None, f"the node ended:\n{worker.log.read_text()[-3000:]}"
        return worker

    @contextmanager
    def script(self, text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A program of Python with what a worker knows, for a test to talk to."""
        with subprocess.Popen(
            leashed((sys.executable, "-c", text, *arguments), signal.SIGTERM),
            cwd=settings.BASE_DIR,
            env=self._variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def stop(self) -> None:
        for worker in reversed(self.workers):
            worker.stop()

    def _start(self, command: tuple[str, ...], name: str, variables: dict[str, str] | None = None) -> Worker:
        log = self._logs / f"{name}-{len(self.workers)}.log"
        worker = Worker(command, self._variables | (variables or {}), log)
        self.workers.append(worker)
        return worker


@contextmanager
def stack_of_workers(logs: Path, variables: dict[str, str]) -> Iterator[Stack]:
    stack = Stack(logs, variables)
    try:
        yield stack
    finally:
        stack.stop()


def database_url() -> str:
    """Where another process finds the database of this test."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return with_database(os.environ["DATABASE_URL"], name)


def _variables_of_the_studio() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return inherited | {
        "STUDIO_HOME": str(settings.STUDIO_HOME),
        "STUDIO_NODE_HOME": str(settings.NODE_HOME),
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "PYTHONUNBUFFERED": "1",
    }


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []

"""The nodes of this machine and nothing else, kept running: where web, control worker and scheduler run elsewhere."""

import os
import signal
import socket
import time
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import DatabaseError, connection

from studio.installation import preflight, services
from studio.installation.running import say
from studio.installation.supervisor import TICK_S, Supervisor

LOOK_EVERY_S = 1.0


class Nodes:
    """Follows the database: each local target's node (unless left out), and the nodes that pools of processes want."""

    def __init__(self, *, local: bool, logs: Path | None = None) -> None:
        self._local = local
        self._variables = services.environment()
        self._machine = socket.gethostname()
        self._supervisor = Supervisor(
            folder=Path(settings.BASE_DIR), logs=logs or Path(settings.NODE_HOME) / "logs", say=say
        )
        self._stop_requested = False

    def run(self) -> None:
        """Until a signal says stop; then no process is left. Raises PreflightError."""
        lock = preflight.lock_nodes()
        preflight.note_in(lock, f"process {os.getpid()}, manage.py nodes")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            look_at = 0.0
            while not self._stop_requested:
                if time.monotonic() >= look_at:
                    self._follow()
                    look_at = time.monotonic() + LOOK_EVERY_S
                self._supervisor.tick()
                time.sleep(TICK_S)
        finally:
            connection.close()
            self._supervisor.stop_all()
            lock.close()

    def _follow(self) -> None:
        try:
            nodes = services.local_nodes(self._variables) if self._local else []
            nodes += services.pool_nodes(self._variables, machine=self._machine)
        except DatabaseError as error:
            connection.close()
            say(f"The pools could not be read, trying again: {error}")
        else:
            self._supervisor.want(nodes, prefix=services.NODE_PREFIX)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop_requested:
            self._supervisor.hurry = True
        self._stop_requested = True

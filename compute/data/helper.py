"""The process that serves the mounted file systems of an attempt, seen from the node.

It is told what to mount on its standard input, secrets included, and ends when that ends. What it answers comes as
lines of JSON. Its marker is one of the node's incarnation, but not the attempt's: it is no process of the step.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any

from django.conf import settings

from compute.data.desk import Desk
from compute.execution.processes import MARKER, kill_until_gone, members
from compute.execution.supervision import awaited, spawn

_STOP_S = 2.0
_STDERR = 2  # the node's own

Answer = dict[str, Any]


class Helper:
    """Started by the first order. Whatever happens, `end` it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        of_node, _, token = desk.handle.marker.rpartition("/")
        self.marker = f"{of_node}/mount-{token}"
        self._process: subprocess.Popen[bytes] | None = None
        self._orders = 0
        self._answers: list[Answer] = []

    def order(self, order: dict[str, Any]) -> Answer:
        """The first answer to it; empty where the process ended without one. Raises InterruptedByWish."""
        if self._process is None:
            self._start()
        number = self._orders
        self._orders += 1
        with contextlib.suppress(BrokenPipeError):  # it ended: there is no answer
            self._stdin.write(json.dumps({**order, "number": number}).encode() + b"\n")

        def found() -> Answer | None:
            return next((answer for answer in self._answers if answer["number"] == number and "is" in answer), None)

        self.desk.wait_until(lambda: found() is not None or not self._reader.is_alive())
        return found() or {}

    def end(self) -> list[tuple[int, str]]:
        """Ends it, kindly at first. Returns the troubles that it told of, each with the number of its order."""
        process = self._process
        if process is None:
            return []
        with contextlib.suppress(OSError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        kill_until_gone(lambda: members(marker=self.marker), give_up_s=_STOP_S)
        process.wait()
        awaited.discard(process.pid)
        self._reader.join(_STOP_S)
        if process.stdout is not None:
            process.stdout.close()
        self._process = None
        return [(answer["number"], str(answer["trouble"])) for answer in self._answers if "trouble" in answer]

    def _start(self) -> None:
        reading, writing = os.pipe()
        try:
            self._process = spawn(
                [sys.executable, "-m", "compute.data.mount_process"],
                cwd=str(settings.BASE_DIR),
                env={**os.environ, MARKER: self.marker},
                stdin=reading,
                stderr=_STDERR,
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._stdin = os.fdopen(writing, "wb", buffering=0)
        self._reader = threading.Thread(target=self._read, args=(self._process,), name="data", daemon=True)
        self._reader.start()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                self._answers.append(json.loads(line))

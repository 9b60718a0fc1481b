"""The process that serves one mounted file system, seen from the node.

It is told what to do on its standard input, secrets included, and ends when that ends. What it answers comes as lines
of JSON. Its marker is one of the node's incarnation, but not the attempt's: it is no process of the step.
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
    """One process. Whatever happens, `end` it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        of_node, _, token = desk.handle.marker.rpartition("/")
        self.marker = f"{of_node}/mount-{token}-{os.urandom(4).hex()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._answers: list[Answer] = []
        self._has_answered = False

    def start(self, order: dict[str, Any]) -> None:
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
        self._reader = threading.Thread(target=self._read, name="data", daemon=True)
        self._reader.start()
        with contextlib.suppress(BrokenPipeError):  # it says why it ended, or its exit code does
            self._stdin.write(json.dumps(order).encode() + b"\n")

    def first_answer(self) -> Answer:
        """Empty where it ended without one. Raises InterruptedByWish."""
        self.desk.wait_until(lambda: bool(self._answers) or self._is_over())
        self._has_answered = bool(self._answers)
        return self._answers.pop(0) if self._answers else {}

    def _is_over(self) -> bool:
        return self._reader is None or not self._reader.is_alive()

    def end(self) -> list[str]:
        """Ends it, kindly at first. Returns the troubles that it told of."""
        process = self._process
        if process is None:
            return []
        if process.poll() is not None and not self._answers and self._has_answered:
            self._answers.append({"trouble": "the process that served it ended, so reading broke off."})
        with contextlib.suppress(OSError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        kill_until_gone(lambda: members(marker=self.marker), give_up_s=_STOP_S)
        process.wait()
        awaited.discard(process.pid)
        if self._reader is not None:
            self._reader.join(_STOP_S)
        if process.stdout is not None:
            process.stdout.close()
        self._process = None
        return [str(answer["trouble"]) for answer in self._answers if "trouble" in answer]

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._answers.append(json.loads(line))

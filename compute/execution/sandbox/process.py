"""A command in its sandbox, seen from the node.

bubblewrap's process outside and the sandbox's first process inside are of our making: they get no SIGTERM and nobody
counts them as the step's, though they end with the rest when the rest is killed.
"""

import contextlib
import marshal
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from resource import struct_rusage
from typing import IO

from compute.execution.processes import MARKER, children_of, send
from compute.execution.sandbox.bubblewrap import wrap
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import SandboxPlan
from compute.execution.supervision import PlainProcess, orphans, spawn, waited_for

_KILLED = 128  # added to the signal by bubblewrap


class SandboxError(Exception):
    """The sandbox could not be made; what bubblewrap says about it stands in the step's log."""


class CommandNotStartedError(Exception):
    """As `error`, which came inside, says."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class SandboxedProcess:
    """What `compute.execution.supervision.StepProcess` asks for."""

    def __init__(self, process: "subprocess.Popen[bytes]", report: int) -> None:
        self._process, self._report = process, report
        self._heard = b""
        self._status: int | None = None
        self._is_over = False
        self._left = False
        self._has_started = False
        self._failure: OSError | None = None  # of the command's start

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes] | None:
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        return self._process.stderr

    @property
    def news(self) -> int:
        return self._report

    @property
    def left_some(self) -> bool:
        """Said with the command's end: nothing can get out of a sandbox, so there is no need to look elsewhere."""
        return self._left

    def has_ended(self) -> bool:
        while not self._is_over:
            try:
                data = os.read(self._report, 4096)
            except BlockingIOError:
                break
            self._is_over = not data
            *lines, self._heard = (self._heard + data).split(b"\n")
            for line in lines:
                self._hear(line)
        return self._is_over

    def not_the_step(self) -> set[int]:
        return {self.pid} | children_of(self.pid)

    def wait(self) -> tuple[int, struct_rusage | None]:
        """As Python reports it. Raises CommandNotStartedError, SandboxError where it came to no command."""
        code, account = waited_for(self._process)
        self.has_ended()
        if self._status is not None:
            return os.waitstatus_to_exitcode(self._status), account
        if self._failure is not None:
            raise CommandNotStartedError(self._failure)
        if not self._has_started and 0 < code < _KILLED:
            raise SandboxError("bubblewrap did not reach the command; the last lines of the log say why")
        return (_KILLED - code if code > _KILLED else code), account

    def kill(self) -> None:
        """With all inside."""
        send(self.not_the_step(), signal.SIGKILL)

    def said(self) -> str:
        """All that comes on the standard error, until its end."""
        assert self.stderr is not None
        return self.stderr.read().decode(errors="replace")

    def close(self) -> None:
        os.close(self._report)

    def _hear(self, line: bytes) -> None:
        match line.split():
            case [b"started"]:
                self._has_started = True
            case [b"ended", status, left]:
                self._status, self._left, self._is_over = int(status), left == b"1", True
            case [b"failed", number]:
                self._failure = OSError(int(number), os.strerror(int(number)))


class EnteredProcess(PlainProcess):
    """A warm step that shut itself in: see `enter_sandbox`."""

    def not_the_step(self) -> set[int]:
        """The process outside, and the first one inside, which is ours by adoption once the other has ended."""
        return {self.pid} | {pid for pid in children_of(self.pid) | orphans() if _is_first_inside(pid)}


def _is_first_inside(pid: int) -> bool:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[2:] != [] and line.endswith("\t1")
    return False


def launch(
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    sandbox: Sandbox,
    plan: SandboxPlan,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> SandboxedProcess:
    """Raises OSError. The variables reach nobody but the command: a loader's would load into bubblewrap outside."""
    ordered = marshal.dumps(
        (
            [os.fsencode(part) for part in command],
            {os.fsencode(name): os.fsencode(variables[name]) for name in variables},
        )
    )
    report, reporting = os.pipe()
    order = -1
    try:
        order = os.memfd_create("order", 0)
        with os.fdopen(os.dup(order), "wb") as file:
            file.write(ordered)
        os.lseek(order, 0, os.SEEK_SET)
        process = spawn(
            wrap(
                plan,
                bwrap=sandbox.bwrap,
                with_user_namespace=sandbox.with_user_namespace,
                order=order,
                report=reporting,
            ),
            cwd="/",
            env={MARKER: variables[MARKER], "LANG": "C.UTF-8"},
            stdout=stdout,
            stderr=stderr,
            pass_fds=(order, reporting),
        )
    except BaseException:
        os.close(report)
        raise
    finally:
        os.close(reporting)
        if order >= 0:
            os.close(order)
    os.set_blocking(report, False)
    return SandboxedProcess(process, report)

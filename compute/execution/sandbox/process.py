"""A command in its sandbox, seen from the node.

bubblewrap's process outside and the sandbox's first process inside are of our making: they get no SIGTERM and nobody
counts them as the step's, though they end with the rest when the rest is killed.
"""

import marshal
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from resource import struct_rusage
from typing import IO

from compute.execution.processes import MARKER, children_of, send
from compute.execution.sandbox.bubblewrap import wrap
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import SandboxPlan
from compute.execution.sandbox.report import Report, Reported
from compute.execution.supervision import spawn, waited_for

_KILLED = 128  # added to the signal by bubblewrap


class SandboxError(Exception):
    """The sandbox could not be made; what bubblewrap says about it stands in the step's log."""


class CommandNotStartedError(Exception):
    """As `error`, which came inside, says."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class SandboxedProcess(Reported):
    """What `compute.execution.supervision.StepProcess` asks for."""

    def __init__(self, process: "subprocess.Popen[bytes]", report: Report) -> None:
        self._process, self._report = process, report

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes] | None:
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        return self._process.stderr

    def not_the_step(self) -> set[int]:
        return {self.pid} | children_of(self.pid)

    def wait(self) -> tuple[int, struct_rusage | None]:
        """As Python reports it. Raises CommandNotStartedError, SandboxError where it came to no command."""
        code, account = waited_for(self._process)
        self._report.is_over()
        if self._report.status is not None:
            return os.waitstatus_to_exitcode(self._report.status), account
        if self._report.failure is not None:
            raise CommandNotStartedError(self._report.failure)
        if not self._report.has_started and 0 < code < _KILLED:
            raise SandboxError("bubblewrap did not reach the command; the last lines of the log say why")
        return (_KILLED - code if code > _KILLED else code), account

    def ended_by_itself(self, within_s: float) -> int | None:
        """The command's exit code; None where it does not end in that time."""
        until = time.monotonic() + within_s
        while not self._report.is_over() and select.select([self.news], [], [], max(0.0, until - time.monotonic()))[0]:
            pass
        return None if self._report.status is None else os.waitstatus_to_exitcode(self._report.status)

    def kill(self) -> None:
        """With all inside."""
        send(self.not_the_step(), signal.SIGKILL)

    def said(self) -> str:
        """All that comes on the standard error, until its end."""
        assert self.stderr is not None
        return self.stderr.read().decode(errors="replace")

    def close(self) -> None:
        self._report.close()


def launch(
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    sandbox: Sandbox,
    plan: SandboxPlan,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: tuple[int, ...] = (),
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
            pass_fds=(order, reporting, *pass_fds),
        )
    except BaseException:
        os.close(report)
        raise
    finally:
        os.close(reporting)
        if order >= 0:
            os.close(order)
    return SandboxedProcess(process, Report(report))

"""A step that started warm, as the rest of the node sees it: a `compute.execution.supervision.StepProcess`."""

import contextlib
import json
import os
import select
import signal
from collections.abc import Callable
from resource import struct_rusage

from compute.execution.processes import kill_until_gone, processes, with_descendants
from compute.execution.sandbox.report import Report, Reported
from compute.execution.supervision import orphans_for_certain

_GOING_S = 10.0  # the end was told, and nobody is left inside
_MAX_TOLD_BYTES = 4 * 1024**2


class Learning:
    """What a step says of its imports, in a file in memory."""

    def __init__(self, told: int) -> None:
        self.learn: Callable[[list[object]], None] = lambda _modules: None
        self._told = told

    def close(self, exit_code: int | None) -> None:
        """What a step imported that ended well is worth knowing."""
        fd, self._told = self._told, -1
        if fd < 0:
            return
        try:
            if exit_code == 0:
                os.lseek(fd, 0, os.SEEK_SET)
                told = json.loads(os.read(fd, _MAX_TOLD_BYTES) or b"null")
                if isinstance(told, list):
                    self.learn(told)
        except (OSError, ValueError, RecursionError):
            pass  # whatever the script did to the descriptor
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)


class WarmProcess:
    """A child of this process by adoption, and the leader of its own session. Somebody must `wait` for it."""

    def __init__(self, pid: int, out: int, err: int, outside: int, learning: Learning) -> None:
        """Descriptors: of what it says, and of the process itself."""
        self.pid = pid
        self.stdout, self.stderr = os.fdopen(out, "rb", 0), os.fdopen(err, "rb", 0)
        self.learning = learning
        self.exit_code: int | None = None
        self._outside = outside

    @property
    def news(self) -> int:
        return self._outside

    @property
    def left_some(self) -> bool:
        return orphans_for_certain()

    def has_ended(self) -> bool:
        return True

    def not_the_step(self) -> set[int]:
        return set()

    def wait(self) -> tuple[int, struct_rusage | None]:
        _, status, account = os.wait4(self.pid, 0)
        self.exit_code = os.waitstatus_to_exitcode(status)
        return self.exit_code, account

    def close(self) -> None:
        os.close(self._outside)
        self.learning.close(self.exit_code)


class EnteredProcess(Reported, WarmProcess):
    """One that shut itself in, and is nobody's child here: see `enter_sandbox`. `first` is the first process inside."""

    def __init__(
        self, pid: int, out: int, err: int, outside: int, learning: Learning, *, report: Report, first: int
    ) -> None:
        super().__init__(pid, out, err, outside, learning)
        self._report, self._first = report, first

    def not_the_step(self) -> set[int]:
        return {self.pid, self._first}

    def wait(self) -> tuple[int, struct_rusage | None]:
        """With all around it gone too."""
        if not select.select([self._outside], [], [], _GOING_S)[0]:  # it told of an end that was none
            kill_until_gone(self._family)
        self._report.is_over()
        status = self._report.status
        self.exit_code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
        return self.exit_code, self._report.account

    def _family(self) -> set[int]:
        if select.select([self._outside], [], [], 0)[0]:
            return set()
        return with_descendants({self.pid}, processes())

    def close(self) -> None:
        super().close()
        self._report.close()

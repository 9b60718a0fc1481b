"""A warm step's process, as the rest of the node sees it: what `subprocess.Popen` is for a cold one."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import IO

_MAX_TOLD_BYTES = 4 * 1024**2


class WarmProcess:
    """A child of this process by adoption, and the leader of its own session. Somebody must `wait` for it."""

    def __init__(self, pid: int, stdout: IO[bytes], stderr: IO[bytes], told: int) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = stdout
        self.stderr: IO[bytes] | None = stderr
        self.returncode: int | None = None
        self.learn: Callable[[list[object]], None] = lambda _modules: None
        self._told = told

    def wait(self) -> int:
        """The exit code as Python has it: negative for a signal."""
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def close(self) -> None:
        """After its end. What a step imported that ended well is worth knowing."""
        fd, self._told = self._told, -1
        if fd < 0:
            return
        try:
            if self.returncode == 0:
                os.lseek(fd, 0, os.SEEK_SET)
                told = json.loads(os.read(fd, _MAX_TOLD_BYTES) or b"null")
                if isinstance(told, list):
                    self.learn(told)
        except (OSError, ValueError, RecursionError):
            pass  # whatever the script did to the descriptor
        finally:
            with contextlib.suppress(OSError):
                os.close(fd)

"""Commands of a build: one after another, their output into the build's log, ended on a wish or after their time."""

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from compute.environments.enclosure import Enclosed
from compute.execution.handle import Handle
from compute.execution.processes import MARKER, kill_until_gone, members
from compute.execution.reasons import StepFailure
from compute.execution.sandbox.process import CommandNotStartedError, SandboxedProcess, SandboxError, launch
from compute.execution.supervision import PlainProcess, StepProcess, awaited, spawn

_READ_BYTES = 64 * 1024
_PATIENCE_S = 0.5
_LAST_WORDS = 64 * 1024
MAX_LOG_BYTES = 8 * 1024**2


def run_aside(command: list[str], *, env: Mapping[str, str], limit_s: float) -> tuple[int | None, str]:
    """A short look or a tidying-up beside the builds. Returns its exit code, None after `limit_s`, and its output."""
    process = spawn(command, cwd="/", env=dict(env), stderr=subprocess.DEVNULL)
    try:
        out, _ = process.communicate(timeout=limit_s)
        return process.returncode, out.decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, ""
    finally:
        awaited.discard(process.pid)


class Tail:
    """Follows a growing file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def pass_on(self, say: Callable[[bytes], None]) -> None:
        if self._file is None:
            with contextlib.suppress(FileNotFoundError):
                self._file = self.path.open("rb")
        while self._file is not None and (data := self._file.read(_READ_BYTES)):
            say(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Hidden:
    """Takes out what nobody should read: the passwords of package indexes, should a command print its settings."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        addresses = [word for value in variables.values() for word in re.split(r"[\s,]+", value) if "://" in word]
        found = {urlsplit(re.sub(r"^[\w.-]+=", "", address)).password for address in addresses}
        words = sorted((word for word in found if word and len(word) >= 4), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, words)).encode()) if words else None

    def __call__(self, data: bytes) -> bytes:
        return self._pattern.sub(b"****", data) if self._pattern else data


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, None where its own time was over, and the last of what it said."""

    exit_code: int | None
    last_words: str

    @property
    def is_good(self) -> bool:
        return self.exit_code == 0


class Commands:
    """The hands of one build. `say` gets all output as it comes; so does the log file, for others who wait.

    `limit_s` is how long all of it together may take. `meanwhile` is called now and then while a command runs.
    """

    def __init__(
        self,
        log_file: Path,
        *,
        handle: Handle,
        say: Callable[[bytes], None],
        limit_s: float,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self.log_file, self.handle, self.limit_s, self._meanwhile = log_file, handle, limit_s, meanwhile
        self.said_bytes = 0
        self._say = say
        self._until = time.monotonic() + limit_s
        log_file.write_bytes(b"")

    def tell(self, text: str) -> None:
        """A line of the studio's own."""
        self._pass_on(f"{text}\n".encode())

    def run(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        limit_s: float | None = None,
        is_quiet: bool = False,
        is_silent: bool = False,
        within: Enclosed | None = None,
    ) -> Ended:
        """Run to its end; `is_quiet` leaves its standard output out of the log, `is_silent` all that it says.

        Raises OSError where it can't be started, InterruptedByWish, and StepFailure where the build took too long or
        said too much, or the sandbox could not be made. Nothing of the command is left then.
        """
        until = self._until if limit_s is None else min(self._until, time.monotonic() + limit_s)
        lines = _Lines(Hidden(env), _nobody_hears if is_silent else self._pass_on)
        reading, writing = os.pipe()
        try:
            process = _begin(
                command,
                cwd,
                {**env, MARKER: self.handle.marker},
                within,
                stdout=subprocess.DEVNULL if is_quiet else writing,
                stderr=writing,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        try:
            os.set_blocking(reading, False)
            exit_code = self._watch(process, reading, until, lines)
        finally:
            os.close(reading)
        lines.end()
        if exit_code is None and time.monotonic() >= self._until:
            raise StepFailure(
                f"The environment was not built within {self.limit_s:g} s. Ask for fewer packages, or have the "
                "administrator raise STUDIO_BUILD_TIMEOUT_S."
            )
        return Ended(exit_code, lines.last_words)

    def _watch(self, process: StepProcess, out: int, until: float, lines: "_Lines") -> int | None:
        self.handle.root = process.pid
        is_over = False
        try:
            open_fds = [out]
            while True:
                patience_s = max(0.0, min(_PATIENCE_S, until - time.monotonic()))
                ready, _, _ = select.select([self.handle.fd, process.news, *open_fds], [], [], patience_s)
                self.handle.check()
                self._meanwhile()
                if out in ready and not _read(out, lines):
                    open_fds.clear()
                if process.news in ready and process.has_ended():
                    while _read(out, lines):
                        pass
                    if isinstance(process, SandboxedProcess) and process.left_some:
                        self._kill(process)
                    is_over = True
                    return _exit_code(process)
                if time.monotonic() >= until:
                    return None
        finally:
            if not is_over:
                self._kill(process)
                with contextlib.suppress(SandboxError, CommandNotStartedError):  # what came first counts
                    process.wait()
            awaited.discard(process.pid)
            process.close()
            self.handle.root = None

    def _kill(self, process: StepProcess) -> None:
        kill_until_gone(lambda: members(marker=self.handle.marker, root=process.pid))

    def _pass_on(self, data: bytes) -> None:
        self.said_bytes += len(data)
        if self.said_bytes > MAX_LOG_BYTES:
            raise StepFailure(
                f"The build of the environment said more than {MAX_LOG_BYTES // 1024**2} MB and was ended: "
                "let the setup script write less."
            )
        with self.log_file.open("ab") as log:
            log.write(data)
        self._say(data)


def _begin(
    command: list[str], cwd: Path, env: dict[str, str], within: Enclosed | None, *, stdout: int, stderr: int
) -> StepProcess:
    if within is None:
        return PlainProcess(spawn(command, cwd=str(cwd), env=env, stdout=stdout, stderr=stderr))
    return launch(command, env, sandbox=within.sandbox, plan=within.plan, stdout=stdout, stderr=stderr)


def _exit_code(process: StepProcess) -> int:
    try:
        return process.wait()[0]
    except CommandNotStartedError as error:
        raise error.error from error
    except SandboxError as error:
        raise StepFailure(
            "The sandbox in which the environment is built could not be made; the last lines of the build's log say "
            "why. Try again, or ask the administrator.",
            may_retry=True,
        ) from error


def _nobody_hears(_data: bytes) -> None:
    """It is looked at by the studio alone."""


def _read(fd: int, lines: "_Lines") -> bool:
    """False where there is nothing more now."""
    try:
        data = os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return False
    if data:
        lines.feed(data)
    return bool(data)


class _Lines:
    """Whole lines only, as far as they have a sane length: what is hidden could lie across two pieces."""

    def __init__(self, hidden: Hidden, give: Callable[[bytes], None]) -> None:
        self._hidden, self._give = hidden, give
        self._rest = b""
        self._last = b""

    @property
    def last_words(self) -> str:
        return self._last.decode(errors="replace")

    def feed(self, data: bytes) -> None:
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if newline:
            self._pass_on(whole + newline)
        if len(self._rest) > _LAST_WORDS:
            self.end()

    def end(self) -> None:
        if self._rest:
            self._pass_on(self._rest)
        self._rest = b""

    def _pass_on(self, data: bytes) -> None:
        data = self._hidden(data)
        self._last = (self._last + data)[-_LAST_WORDS:]
        self._give(data)

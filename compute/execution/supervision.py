"""One process and all that it starts: its streams are read, its time is kept, and nothing of it outlives it."""

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from resource import struct_rusage
from typing import IO, Literal, Protocol

from django.conf import settings
from django.db import DatabaseError

from compute.execution.handle import Handle, Wish
from compute.execution.processes import children, kill_until_gone, members, send
from compute.execution.reasons import is_full_disk
from compute.logs.lines import Stream
from compute.logs.writer import LogFullError, LogWriter
from compute.metrics.writer import MetricWriter

Cause = Wish | Literal["timeout", "log full", "disk full", "breach"]

READ_BYTES = 256 * 1024
PIPE_BYTES = 1024 * 1024
# A child that a finished script left behind gets so long to go by itself.
LEFTOVER_GRACE_S = 2.0
_POLL_S = 0.02
_LOOK_AT_LEAST_EVERY_S = 3600.0  # what waits in the kernel can't be told of more than 24 days
_F_SETPIPE_SZ = 1031

# Children of this process that have somebody who waits for them: everything else below it is an orphan.
awaited: set[int] = set()
_starting = threading.Lock()  # between a child's birth and its name in `awaited` nobody may take it for an orphan


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: by itself (no cause) or because it was made to."""

    exit_code: int
    cause: Cause | None
    account: struct_rusage | None = None  # what the kernel says it used, all that it waited for included


def spawn(
    command: list[str],
    *,
    cwd: str,
    env: dict[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own. No `preexec_fn`: the fast path shares the node's memory until exec."""
    with _starting:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            pass_fds=pass_fds,
            bufsize=0,
        )
        awaited.add(process.pid)
    return process


def taken_in(start: Callable[[], None]) -> None:
    """Let `start` begin processes that stay, and end by themselves with this one: they are nobody's orphans."""
    with _starting:
        before = children()
        start()
        awaited.update(children() - before)


def waited_for(process: "subprocess.Popen[bytes]") -> tuple[int, struct_rusage | None]:
    """The exit code of a process as Python reports it, and the kernel's account of it."""
    try:
        _, status, account = os.wait4(process.pid, 0)
    except ChildProcessError:
        return process.wait(), None
    code = process.returncode = os.waitstatus_to_exitcode(status)
    return code, account


class StepProcess(Protocol):
    """The first process of a step, however it was started. `pid` is the root of all its processes."""

    @property
    def pid(self) -> int: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    @property
    def stderr(self) -> IO[bytes] | None: ...

    @property
    def news(self) -> int:
        """A descriptor that becomes readable with the end of the command, and may before that."""

    @property
    def left_some(self) -> bool:
        """Whether the command, which has ended, may have left processes behind."""

    def has_ended(self) -> bool:
        """To be asked when there are news."""

    def not_the_step(self) -> set[int]:
        """Processes that were put around the command: they end by themselves when it has ended, or are killed."""

    def wait(self) -> tuple[int, struct_rusage | None]:
        """The command's exit code as Python reports it, and the kernel's account; with all around it gone too."""

    def close(self) -> None: ...


class PlainProcess:
    """A step without a sandbox."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid, self.stdout, self.stderr = process.pid, process.stdout, process.stderr
        self.news = os.pidfd_open(process.pid)

    @property
    def left_some(self) -> bool:
        """What it left is adopted by us: no orphans, nothing left, and no scan needed."""
        return orphans_for_certain()

    def has_ended(self) -> bool:
        return True

    def not_the_step(self) -> set[int]:
        return set()

    def wait(self) -> tuple[int, struct_rusage | None]:
        return waited_for(self._process)

    def close(self) -> None:
        os.close(self.news)


class Supervisor:
    """Watches one step's process until it and its whole tree are gone."""

    def __init__(
        self,
        process: StepProcess,
        *,
        log: LogWriter,
        handle: Handle,
        timeout_s: float | None,
        metrics: MetricWriter | None = None,
    ) -> None:
        self.process, self.log, self.handle, self.metrics = process, log, handle, metrics
        self.cause: Cause | None = None
        self._ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        self._kill_at: float | None = None
        self._selector = selectors.DefaultSelector()
        self._streams: dict[int, Stream] = {}

    def watch(self, first: Callable[[], None] = lambda: None) -> Ended:
        """`first` is called while the process boots. Whatever is raised, LeaseLostError included, leaves no process."""
        try:
            self._open()
            first()
            self._until_exit()
            self._end_rest()
            self._drain()
            self.log.end_lines()
            # Only now: until somebody waited for it, its number can't become that of another process.
            exit_code, account = self.process.wait()
            return Ended(exit_code, self.cause, account)
        except BaseException:
            self._kill_all()
            with contextlib.suppress(Exception):  # what came first counts
                self.process.wait()
            raise
        finally:
            awaited.discard(self.process.pid)
            self._close()

    def _open(self) -> None:
        pipes: list[tuple[int, Stream]] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        pipes = [(self.process.stdout.fileno(), "o"), (self.process.stderr.fileno(), "e")]
        for fd, stream in pipes:
            os.set_blocking(fd, False)
            with contextlib.suppress(OSError):  # a limit of the machine: the usual size does as well
                fcntl.fcntl(fd, _F_SETPIPE_SZ, PIPE_BYTES)
            self._streams[fd] = stream
            self._selector.register(fd, selectors.EVENT_READ)
        self._selector.register(self.process.news, selectors.EVENT_READ)
        self._selector.register(self.handle.fd, selectors.EVENT_READ)

    def _until_exit(self) -> None:
        while True:
            exited = False
            for key, _ in self._selector.select(self._patience_s()):
                if key.fd == self.process.news:
                    exited = self.process.has_ended()
                    if not exited and self.cause is not None:
                        self._ask_to_end()  # it has only begun: what was sent before reached nobody
                elif key.fd == self.handle.fd:
                    self.handle.heard()
                else:
                    self._read(key.fd)
            self._store_if_due()
            if exited:
                return
            self._end_if_wanted()

    def _patience_s(self) -> float | None:
        now = time.monotonic()
        dues = [at - now for at in (self._kill_at, self._ends_at if self.cause is None else None) if at is not None]
        log_due_s = self.log.due_in_s()
        if log_due_s is not None:
            dues.append(log_due_s)
        if self.metrics is not None:
            dues.append(self.metrics.due_in_s())
        return max(0.0, min(*dues, _LOOK_AT_LEAST_EVERY_S)) if dues else None

    def _end_if_wanted(self) -> None:
        now = time.monotonic()
        if self.handle.wish == "fence" and self.cause != "fence":
            self.cause = "fence"
            self._kill_at = now
        elif self.cause is None and self.handle.wish is not None:
            self._begin_end(self.handle.wish)
        elif self.cause is None and self.handle.breach is not None:
            self._begin_end("breach")
        elif self.cause is None and self._ends_at is not None and now >= self._ends_at:
            self._begin_end("timeout")
        if self._kill_at is not None and now >= self._kill_at:
            # Again and again, should it fork in between, until the process itself is gone.
            send(self._members(), signal.SIGKILL)
            self._kill_at = now + 0.05

    def _begin_end(self, cause: Cause) -> None:
        if self.cause is not None:
            return
        self.cause = cause
        if cause == "breach" and self.handle.breach is not None and self.handle.breach.limit == "memory":
            # No grace: until it has tidied up it would take what others need.
            self._kill_at = time.monotonic()
            return
        self._ask_to_end()
        grace_s = min(settings.CANCEL_GRACE_S, 2.0) if cause == "stop" else settings.CANCEL_GRACE_S
        self._kill_at = time.monotonic() + grace_s

    def _ask_to_end(self) -> None:
        send(self._members() - self.process.not_the_step(), signal.SIGTERM)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(fd)
            del self._streams[fd]
            return
        try:
            self.log.feed(self._streams[fd], data)
        except LogFullError:
            self._begin_end("log full")
        except (DatabaseError, OSError) as error:
            self._give_up_writing(error)

    def _store_if_due(self) -> None:
        try:
            self.log.store_if_due()
            if self.metrics is not None:
                self.metrics.look_if_due()
        except (DatabaseError, OSError) as error:
            self._give_up_writing(error)

    def _give_up_writing(self, error: Exception) -> None:
        if not is_full_disk(error):
            raise error
        self.log.mute()
        self._begin_end("disk full")

    def _members(self) -> set[int]:
        return members(marker=self.handle.marker, root=self.process.pid)

    def _end_rest(self) -> None:
        """The command is gone."""
        if self.cause is None and not self.process.left_some:
            return
        if self.cause is None:
            left = self._members() - self.process.not_the_step()
            if left:
                names = "1 process" if len(left) == 1 else f"{len(left)} processes"
                self._say(f"The script ended and left {names} behind, which the studio ends now.")
                send(left, signal.SIGTERM)
            self._kill_at = time.monotonic() + min(LEFTOVER_GRACE_S, settings.CANCEL_GRACE_S)
        while self._members():
            now = time.monotonic()
            if self.handle.wish == "fence" or (self._kill_at is not None and now >= self._kill_at):
                self._kill_all()
                break
            for key, _ in self._selector.select(_POLL_S):
                if key.fd in self._streams:
                    self._read(key.fd)
            reap_orphans()
            if not self._streams:
                time.sleep(_POLL_S)  # the process's own descriptor stays readable now
        reap_orphans()

    def _kill_all(self) -> None:
        def find() -> set[int]:
            reap_orphans()
            return self._members()

        left = kill_until_gone(find)
        if left:
            self._say(f"Could not end process {', '.join(map(str, sorted(left)))}: it hangs in the kernel.")

    def _drain(self) -> None:
        """What is in the pipes now, and no waiting for their end: whoever escaped us may hold them for ever."""
        for fd in list(self._streams):
            for _ in range(2 * PIPE_BYTES // READ_BYTES * 4):
                before = self.log.fed_bytes
                self._read(fd)
                if fd not in self._streams or self.log.fed_bytes == before:
                    break

    def _say(self, text: str) -> None:
        with contextlib.suppress(LogFullError):
            self.log.say(text)

    def _close(self) -> None:
        self._selector.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def orphans() -> set[int]:
    """Adopted processes, dead or alive: children that nobody here waits for."""
    return children() - awaited


def orphans_for_certain() -> bool:
    """Whether there are any, without what another slot is starting at this moment."""
    if not orphans():
        return False
    with _starting:
        return bool(orphans())


def reap_orphans() -> None:
    """Let go of adopted processes that have ended."""
    with _starting:
        for pid in orphans():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

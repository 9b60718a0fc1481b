"""Keeps a set of processes running: starts them, starts them again when they die, stops them in order.

Not in charge of what the processes are: `services` says that, and `up` says when.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import psutil

LEASH = Path(__file__).with_name("leash.py")
LOG_LIMIT_BYTES = 10 * 1024**2
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STABLE_AFTER_S = 60.0  # a process that lived this long starts its back-off anew
TICK_S = 0.1

# A log line that a person should see at once, and the first line after it that is not part of it.
ALARM = re.compile(r"\b(ERROR|CRITICAL)\b|^Traceback ")
RECORD = re.compile(r"^\[?\d{4}-\d\d-\d\d |^(INFO|WARNING|DEBUG)\b")
ALARM_LINES = 40


@dataclass(frozen=True)
class Service:
    """A process that should run. Two that are equal are the same process; a changed one is started again."""

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    stop_rank: int  # lower ones are stopped first
    stop_timeout_s: float  # between SIGTERM and SIGKILL
    death_signal: signal.Signals = signal.SIGKILL  # what it gets when the supervisor dies


@dataclass
class Child:
    service: Service
    process: subprocess.Popen[bytes]
    started_at: float
    reader: threading.Thread
    kill_at: float | None = None  # it was asked to stop, and has until then


@dataclass
class _Failures:
    count: int = 0
    next_start_at: float = field(default=0.0)


class Supervisor:
    """Call `tick` again and again; it makes what runs equal to what is `wanted`."""

    def __init__(self, *, folder: Path, logs: Path, say: Callable[[str], None]) -> None:
        self.wanted: dict[str, Service] = {}
        self.hurry = False  # stop with little patience
        self._children: dict[str, Child] = {}
        self._failures: dict[str, _Failures] = {}
        self._folder = folder  # where the processes start: `python -m` finds the project there
        self._logs = logs
        self._say = say
        logs.mkdir(parents=True, exist_ok=True)

    def want(self, services: Iterable[Service], *, prefix: str = "") -> None:
        """These, and of those whose name begins with `prefix` no others."""
        kept = {name: service for name, service in self.wanted.items() if not (prefix and name.startswith(prefix))}
        self.wanted = kept | {service.name: service for service in services}

    def tick(self) -> None:
        now = time.monotonic()
        for name, child in list(self._children.items()):
            if child.process.poll() is not None:
                self._ended(name, child, now)
            elif child.service != self.wanted.get(name):
                self._stop(child, now)
        for name, service in self.wanted.items():
            if name not in self._children and now >= self._failures.setdefault(name, _Failures()).next_start_at:
                self._start(service, now)

    def stop_all(self) -> None:
        """Stop everything, one rank after the other."""
        for rank in sorted({child.service.stop_rank for child in self._children.values()}):
            self.wanted = {name: service for name, service in self.wanted.items() if service.stop_rank > rank}
            while any(child.service.stop_rank <= rank for child in self._children.values()):
                self.tick()
                time.sleep(TICK_S / 4)
        self.wanted = {}

    def _start(self, service: Service, now: float) -> None:
        process = subprocess.Popen(
            leashed(service.command, service.death_signal),
            cwd=self._folder,
            env=dict(service.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl-C reaches the supervisor only, which stops the others in order
        )
        assert process.stdout is not None, "it was asked for"
        reader = threading.Thread(target=self._read, args=(service.name, process.stdout), daemon=True)
        self._children[service.name] = Child(service, process, now, reader)
        reader.start()

    def _stop(self, child: Child, now: float) -> None:
        if child.kill_at is None:
            child.kill_at = now + child.service.stop_timeout_s
            child.process.terminate()
        if self.hurry or now >= child.kill_at:
            _kill_tree(child.process.pid)

    def _ended(self, name: str, child: Child, now: float) -> None:
        del self._children[name]
        child.reader.join(timeout=1)
        if child.kill_at is not None or name not in self.wanted:
            self._failures.pop(name, None)
            return
        failures = self._failures.setdefault(name, _Failures())
        failures.count = 0 if now - child.started_at > STABLE_AFTER_S else failures.count
        pause_s = BACKOFF_S[min(failures.count, len(BACKOFF_S) - 1)]
        failures.count, failures.next_start_at = failures.count + 1, now + pause_s
        code = child.process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._say(f"{name} {how}; it is started again in {pause_s:g} s (see {self._logs / name}.log)")

    def _read(self, name: str, output: IO[bytes]) -> None:
        """Move a child's output into its log, and what is alarming to the terminal too."""
        with _LogFile(self._logs / f"{name}.log") as log, output:
            alarm_lines = 0
            for raw in output:
                log.write(raw)
                line = raw.decode(errors="replace").rstrip()
                if ALARM.search(line) and alarm_lines == 0:
                    alarm_lines = ALARM_LINES
                elif RECORD.match(line):
                    alarm_lines = ALARM_LINES if ALARM.search(line) else 0
                if alarm_lines:
                    alarm_lines -= 1
                    self._say(f"{name}: {line}")


class _LogFile:
    """A file that is set aside under `.1` when it is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, line: bytes) -> None:
        try:
            if self._file.tell() + len(line) > LOG_LIMIT_BYTES:
                self._file.close()
                self._path.replace(self._path.with_suffix(".log.1"))
                self._file = self._path.open("ab")
            self._file.write(line)
            self._file.flush()
        except OSError:
            pass  # a full disk must not stop the reader: the child would block on its pipe


def leashed(command: Iterable[str], death_signal: signal.Signals) -> list[str]:
    """The command, as a child of this process that gets the signal when this process dies."""
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(death_signal)), *command]


def _kill_tree(pid: int) -> None:
    """End a process and whatever it started, whichever sessions those made for themselves."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue

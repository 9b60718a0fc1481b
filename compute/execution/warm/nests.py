"""A nest and its spares, seen from the node: started, fed, ended. It decides nothing."""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from compute.execution.processes import MARKER, kill_until_gone, processes, with_descendants
from compute.execution.supervision import awaited, spawn
from compute.execution.warm.inside import wire
from compute.execution.warm.process import WarmProcess

_INSIDE = Path(wire.__file__).parent
_ROOM = {"STUDIO_WARM_ROOM": "-" * 96 * 1024}  # for the arguments and variables of a step
_CANARY_SAYS = "__main__ ['a b', 'c'] sings True True None True None builtins\nin a thread\nat exit\n"
_ANSWER_S = 20.0


class NestError(Exception):
    """The nest, or the spare, is of no use."""


class RefusedError(Exception):
    """This step is better started cold. The nest is as good as before."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where nests of an environment run, and as what."""

    python: Path
    variables: Mapping[str, str]  # without those that vary from step to step
    folder: Path  # home, working folder and temporary files of whatever is no step yet
    marker: str  # of one process and what comes of it

    @property
    def environment(self) -> dict[str, str]:
        return {**self.variables, "HOME": str(self.folder), "TMPDIR": str(self.folder), MARKER: self.marker}


@dataclass(frozen=True, slots=True)
class Findings:
    """What a probe found out."""

    unfit: Mapping[str, str]  # module: why it is not imported ahead
    read: frozenset[str]  # variables that modules looked at


@dataclass(frozen=True, slots=True)
class StepOrder:
    """All that a spare is told: it becomes this."""

    command: list[str]  # the interpreter, the script, its arguments
    cwd: str
    variables: Mapping[str, str]
    limits: tuple[tuple[int, int, int], ...] = ()  # of `setrlimit`: which, soft, hard
    sandbox: object = None  # a plan, as JSON has it


def probe(place: Place, modules: list[str]) -> Findings:
    """Import `modules` in a process that is nothing else. Raises NestError."""
    with tempfile.TemporaryFile() as output, _inside("probe.py", place, output.fileno()) as (process, control):
        os.setpriority(os.PRIO_PROCESS, process.pid, 5)
        with _said_why(output.fileno()):
            wire.send(control, {"modules": modules, "varying": ["HOME", "TMPDIR", MARKER]})
            found, _ = wire.receive(control)
            assert isinstance(found, dict)
    return Findings(dict(found["unfit"]), frozenset(found["read"]))


class Nest:
    """One process that has imported `modules`, and gives birth to spares. Raises NestError where it can't begin."""

    def __init__(self, place: Place, modules: list[str], unfit: Iterable[str] = ()) -> None:
        self.place, self.modules = place, frozenset(modules)
        self._resources = contextlib.ExitStack()
        try:
            # A pipe, as a step has it: what Python makes of its streams at the start depends on what they are.
            reading, writing = os.pipe()
            self._resources.callback(os.close, reading)
            try:
                self._process, self._control = self._resources.enter_context(_inside("nest.py", place, writing))
            finally:
                os.close(writing)
            self._reading = reading
            os.set_blocking(reading, False)
            with self._said_why():
                wire.send(self._control, {"modules": modules, "unfit": list(unfit), "node": os.getpid()})
                hello, _ = wire.receive(self._control)
                assert isinstance(hello, dict)
                _require("error" not in hello, str(hello.get("error"))[:500])
                # Those of `modules` that brought an unfit one: it is here now, and this nest is not to be used.
                self.unwanted: list[str] = list(hello["unwanted"])
            self._sing()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory_bytes(self) -> int:
        """What it has for itself: its spares share that."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_bytes().splitlines():
                if line.startswith(b"RssAnon:"):
                    return int(line.split()[1]) * 1024
        return 0

    def hatch(self) -> "Spare":
        """Raises NestError."""
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_S)
        pid = 0
        try:
            with self._said_why():
                with theirs:
                    wire.send(self._control, {}, (theirs.fileno(),))
                pid = _number(ours)
                awaited.add(pid)  # before it is ours: nobody may take it for an orphan
                ours.sendall(b"k")
                _require(ours.recv(1) == b"r", "the interpreter was not adopted")
        except BaseException:
            ours.close()
            if pid:
                _reap(pid)
            raise
        return Spare(pid, ours)

    def end(self) -> None:
        """It and the spares that it still has to give away. What became a step is no part of it."""
        self._resources.close()

    @contextlib.contextmanager
    def _said_why(self) -> Iterator[None]:
        with _said_why(self._reading):
            yield

    def _sing(self) -> None:
        """Whether steps of this interpreter are what they should be."""
        variables = {**self.place.environment, "CANARY": "sings"}
        command = [str(self.place.python), str(_INSIDE / "canary.py"), "a b", "c"]
        try:
            process = self.hatch().become(StepOrder(command, str(self.place.folder), variables))
        except RefusedError as refusal:
            raise NestError(str(refusal)) from refusal
        said = {"out": b"", "err": b""}
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with process.stdout, process.stderr:
                said = {"out": _all_of(process.stdout.fileno()), "err": _all_of(process.stderr.fileno())}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL if not said["out"] else 0)
            code = process.wait()
            process.close()
            awaited.discard(process.pid)
        if (code, said["out"].decode(), said["err"]) != (1, _CANARY_SAYS, b"ends so\n"):
            raise NestError(f"a script does not run there as it should: {code}, {said}"[:1000])


class Spare:
    """An interpreter that waits to become one step. A child of this process."""

    def __init__(self, pid: int, to_it: socket.socket) -> None:
        self.pid, self._to_it = pid, to_it

    def become(self, order: StepOrder) -> WarmProcess:
        """Whatever is raised, NestError or RefusedError, no line of the script has been run nor will be."""
        fds: list[int] = []
        try:
            stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            fds.append(stdin)
            out, to_out = os.pipe()
            fds += [out, to_out]
            err, to_err = os.pipe()
            fds += [err, to_err]
            told = os.memfd_create("imports", os.MFD_CLOEXEC)
            fds.append(told)
            self._prepare(order, (stdin, to_out, to_err, told))
        except BaseException:
            self.end()
            for fd in fds:
                os.close(fd)
            raise
        self._to_it.close()
        for fd in (stdin, to_out, to_err):
            os.close(fd)
        return WarmProcess(self.pid, os.fdopen(out, "rb", 0), os.fdopen(err, "rb", 0), told)

    def end(self) -> None:
        self._to_it.close()
        _reap(self.pid)

    def _prepare(self, order: StepOrder, fds: tuple[int, ...]) -> None:
        request = {
            "arguments": order.command,
            "cwd": order.cwd,
            "variables": list(order.variables.items()),
            "limits": order.limits,
            "sandbox": order.sandbox,
        }
        try:
            wire.send(self._to_it, request, fds)
            answer = self._to_it.recv(1)
            if answer == b"n":
                kind, reason = json.loads(self._to_it.recv(4096))
                raise RefusedError(reason) if kind == "cold" else NestError(reason)
            if answer != b"p":
                raise NestError("an interpreter ended before it was used")
            self._to_it.sendall(b"g")
        except (OSError, ValueError) as error:
            raise NestError(f"an interpreter did not answer: {error}") from error


@contextlib.contextmanager
def _inside(program: str, place: Place, output: int) -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """A process of the environment's interpreter that runs a program of ours, and a socket to it."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(settings.WARM_IMPORT_S)
        with theirs:
            process = spawn(
                [str(place.python), str(_INSIDE / program), str(theirs.fileno())],
                cwd=str(place.folder),
                env={**place.environment, **_ROOM},
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
            )
        try:
            yield process, ours
        except NestError as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise NestError(f"{error} (its exit code: {process.wait(0.5)})") from error
            raise
        finally:
            ours.close()
            kill_until_gone(lambda: _family(process.pid), give_up_s=5.0)
            process.wait()
            awaited.discard(process.pid)


def _family(root: int) -> set[int]:
    """By session and descent, and not by marker: a spare that becomes a step at this moment bears the nest's yet."""
    table = processes()
    seeds = {root, *(process.pid for process in table.values() if process.session == root)}
    return {pid for pid in with_descendants(seeds, table) if pid in table and not table[pid].is_zombie}


@contextlib.contextmanager
def _said_why(output: int) -> Iterator[None]:
    """What goes wrong, with the last that the process said."""
    try:
        yield
    except (wire.GoneError, OSError, ValueError) as error:
        what = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
        with contextlib.suppress(OSError):
            with contextlib.suppress(OSError):
                os.lseek(output, 0, os.SEEK_SET)
            said = os.read(output, 64 * 1024).decode(errors="replace").strip()
            if said:
                what += f"; it said: {said[-800:]}"
        raise NestError(what) from error


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NestError(otherwise)


def _number(of: socket.socket) -> int:
    text = b""
    while not text.endswith(b"\n"):
        piece = of.recv(1)
        if not piece:
            raise wire.GoneError("it ended before its child was there")
        text += piece
    return int(text)


def _reap(pid: int) -> None:
    """End a child that is ours, or about to become ours."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    try:
        os.waitpid(pid, 0)
    except OSError as error:
        if error.errno != errno.ECHILD:
            raise
    awaited.discard(pid)


def _all_of(fd: int) -> bytes:
    """Until its end, or for a while."""
    pieces: list[bytes] = []
    until = time.monotonic() + _ANSWER_S
    while select.select([fd], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(fd, 64 * 1024)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    raise NestError("a script does not end there")

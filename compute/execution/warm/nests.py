"""A nest and its spares, seen from the node: started, fed, ended. It decides nothing."""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from compute.execution.processes import MARKER, send
from compute.execution.sandbox import wire
from compute.execution.sandbox.enter_sandbox import ASKS
from compute.execution.sandbox.report import Report
from compute.execution.sandbox.roots import introduced, said_by
from compute.execution.supervision import awaited
from compute.execution.warm.kept import INSIDE, KeptProcess, Place, Shelter
from compute.execution.warm.process import EnteredProcess, Learning, WarmProcess

_CANARY_SAYS = "__main__ ['a b', 'c'] sings True True None True None builtins\nin a thread\nat exit\n"
_ANSWER_S = 20.0
_SENSELESS = (AssertionError, AttributeError, KeyError, TypeError)  # packages may have answered in its place


class NestError(Exception):
    """The nest, or the spare, is of no use."""


class EndedError(NestError):
    """It is there no more: by itself, or because somebody ended it."""


class RefusedError(Exception):
    """This step is better started cold. The nest is as good as before."""


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
    sandbox: Mapping[str, Any] | None = None  # a plan, as JSON has it
    bind: Callable[[int], None] = lambda _pid: None  # told of its first process, before a line of the script is run


def probe(place: Place, modules: list[str]) -> Findings:
    """Import `modules` in a process that is nothing else. Raises NestError."""
    with tempfile.TemporaryFile() as output, _kept("probe.py", place, output.fileno()) as process:
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 5)
        with _said_why(output.fileno()):
            wire.send(process.control, {"modules": modules, "varying": ["HOME", "TMPDIR", MARKER]})
            found, _ = wire.receive(process.control)
            assert isinstance(found, dict)
            unfit = {str(name): str(why) for name, why in found["unfit"].items()}
            return Findings(unfit, frozenset(found["read"]))


class Nest:
    """One process that has imported `modules`, and gives birth to spares. Raises NestError where it can't begin."""

    def __init__(self, place: Place, modules: list[str], unfit: Iterable[str] = ()) -> None:
        self.place, self.modules = place, frozenset(modules)
        self._resources = contextlib.ExitStack()
        try:
            # A pipe, as a step has it: what Python makes of its streams at the start depends on what they are.
            reading, writing = os.pipe()
            self._resources.callback(os.close, reading)
            self._reading = reading
            os.set_blocking(reading, False)
            try:
                self._process = self._resources.enter_context(_kept("nest.py", place, writing, said=reading))
            finally:
                os.close(writing)
            self._control = self._process.control
            with self._said_why():
                order = {"modules": modules, "unfit": list(unfit), "node": self._process.adopter}
                wire.send(self._control, order)
                hello, _ = wire.receive(self._control)
                assert isinstance(hello, dict)
                _require("error" not in hello, str(hello.get("error"))[:500])
                # Those of `modules` that brought an unfit one: it is here now, and this nest is not to be used.
                self.unwanted: list[str] = list(map(str, hello["unwanted"]))
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
        ours, theirs = introduced()
        ours.settimeout(_ANSWER_S)
        spare = Spare(ours, self.place.shelter)
        try:
            with self._said_why():
                with theirs:
                    wire.send(self._control, {}, (theirs.fileno(),))
                said, pid = said_by(ours)
                _require(said == b"b", "it ended before its child was there")
                spare.is_born(pid)
                self._process.gave_birth(pid)
                if spare.shelter is None:
                    awaited.add(pid)  # before it is ours: nobody may take it for an orphan
                ours.sendall(b"k")
                _require(ours.recv(1) == b"r", "the interpreter was not adopted")
        except BaseException:
            spare.end()
            raise
        return spare

    def end(self) -> None:
        """It and all that is no spare. What became a step is no part of it."""
        self._resources.close()

    @contextlib.contextmanager
    def _said_why(self) -> Iterator[None]:
        with _said_why(self._reading):
            yield

    def _sing(self) -> None:
        """Whether steps of this interpreter are what they should be."""
        place = self.place
        variables = {**place.environment, "CANARY": "sings"}
        command = [str(place.python), str(INSIDE / "canary.py"), "a b", "c"]
        sandbox = None if place.shelter is None else place.shelter.plan.as_json()
        try:
            process = self.hatch().become(StepOrder(command, str(place.folder), variables, sandbox=sandbox))
        except RefusedError as refusal:
            raise NestError(str(refusal)) from refusal
        said = {"out": b"", "err": b""}
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with process.stdout, process.stderr:
                said = {"out": _all_of(process.stdout.fileno()), "err": _all_of(process.stderr.fileno())}
        finally:
            if not said["out"]:
                send({process.pid} | process.not_the_step(), signal.SIGKILL)
            code, _ = process.wait()
            process.close()
            awaited.discard(process.pid)
        if (code, said["out"].decode(), said["err"]) != (1, _CANARY_SAYS, b"ends so\n"):
            raise NestError(f"a script does not run there as it should: {code}, {said}"[:1000])


class Spare:
    """An interpreter that waits to become one step. Without a sandbox, a child of this process."""

    def __init__(self, to_it: socket.socket, shelter: Shelter | None) -> None:
        self._to_it, self.shelter = to_it, shelter
        self.pid = 0
        self._process = -1  # a descriptor: the number of what is no child of ours may soon be another's

    def is_born(self, pid: int) -> None:
        """Told while it waits for an answer. Raises OSError."""
        self._process = os.pidfd_open(pid)
        self.pid = pid

    def become(self, order: StepOrder) -> WarmProcess:
        """Whatever is raised, NestError or RefusedError, no line of the script has been run nor will be."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                stdin = _kept_until(theirs, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
                out, to_out = os.pipe()
                _kept_until(ours, out), _kept_until(theirs, to_out)
                err, to_err = os.pipe()
                _kept_until(ours, err), _kept_until(theirs, to_err)
                told = _kept_until(ours, os.memfd_create("imports", os.MFD_CLOEXEC))
                fds = [stdin, to_out, to_err, told]
                if self.shelter is not None:
                    report, to_report = os.pipe()
                    _kept_until(ours, report)
                    fds.append(_kept_until(theirs, to_report))
                first = self._prepare(order, fds)
            except BaseException:
                self.end()
                raise
            ours.pop_all()
        self._to_it.close()
        learning = Learning(told)
        outside, self._process = self._process, -1
        if self.shelter is None:
            return WarmProcess(self.pid, out, err, outside, learning)
        return EnteredProcess(self.pid, out, err, outside, learning, report=Report(report), first=first)

    def end(self) -> None:
        self._to_it.close()
        process, self._process = self._process, -1
        if process < 0:
            return
        if self.shelter is None:
            _reap(self.pid)
        else:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)  # with the socket, all that came of it goes
        os.close(process)

    def _prepare(self, order: StepOrder, fds: list[int]) -> int:
        """Returns which process is the first one inside, where there is a sandbox."""
        request = {
            "arguments": order.command,
            "cwd": order.cwd,
            "variables": list(order.variables.items()),
            "limits": order.limits,
            "folder": None if order.sandbox is None else order.sandbox["folder"],
        }
        first = 0
        try:
            wire.send(self._to_it, request, tuple(fds))
            answer, sender = said_by(self._to_it)
            if answer == ASKS and self.shelter is not None and order.sandbox is not None:
                first = sender
                self.shelter.roots.let_in(self._to_it, first, order.sandbox["mounts"])
                answer, _ = said_by(self._to_it)
            if answer == b"n":
                kind, reason = json.loads(self._to_it.recv(4096))
                raise RefusedError(str(reason)) if kind == "cold" else NestError(str(reason))
            if answer != b"p":
                raise NestError("an interpreter ended before it was used")
            order.bind(self.pid)
            self._to_it.sendall(b"g")
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise EndedError(f"an interpreter did not answer: {error}") from error
        return first


@contextlib.contextmanager
def _kept(program: str, place: Place, output: int, *, said: int | None = None) -> Iterator[KeptProcess]:
    """`said`: where its output can be read, if not from `output`. Raises NestError."""
    with _said_why(output if said is None else said):
        process = KeptProcess(program, place, output=output, patience_s=settings.WARM_IMPORT_S)
    try:
        yield process
    except NestError as error:
        code = process.exit_code()
        raise error if code is None else type(error)(f"{error} (its exit code: {code})") from error
    finally:
        process.end()


def _kept_until(stack: contextlib.ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


@contextlib.contextmanager
def _said_why(output: int) -> Iterator[None]:
    """What goes wrong, with the last that the process said."""
    try:
        yield
    except _SENSELESS as error:
        what = f"its answer makes no sense: {error!r}"
        raise NestError(what[:500]) from error
    except (wire.GoneError, OSError, ValueError) as error:
        what = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
        with contextlib.suppress(OSError):
            with contextlib.suppress(OSError):
                os.lseek(output, 0, os.SEEK_SET)
            said = os.read(output, 64 * 1024).decode(errors="replace").strip()
            if said:
                what += f"; it said: {said[-800:]}"
        raise (NestError if isinstance(error, TimeoutError) else EndedError)(what) from error


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NestError(otherwise)


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

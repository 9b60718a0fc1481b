"""What a node hears from interpreters that are kept ready, and from what comes of them, may be a package's word."""

import array
import contextlib
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.execution.sandbox import wire
from compute.execution.sandbox.report import Report
from compute.execution.sandbox.system import own_interpreter
from compute.execution.warm import process as warm_process
from compute.execution.warm.kept import Place
from compute.execution.warm.nests import NestError, Spare, StepOrder, probe
from compute.execution.warm.process import EnteredProcess, Learning


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_who_sends_byte_by_byte_has_no_more_time(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.settimeout(0.5)
    over = threading.Event()

    def drip() -> None:
        theirs.sendall(b"\0\0\0\xff")
        while not over.wait(0.1):
            theirs.sendall(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            wire.receive(ours)
        assert time.monotonic() - began < 3
    finally:
        over.set()
        thread.join()
    assert ours.gettimeout() == 0.5


@pytest.mark.parametrize("said", [b"{", b"[" * 100_000, b"\xff\xff"])
def test_what_makes_no_sense_is_as_good_as_gone(ends: tuple[socket.socket, socket.socket], said: bytes) -> None:
    ours, theirs = ends
    opened = len(list(Path("/proc/self/fd").iterdir()))
    fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 0]))]
    theirs.sendmsg([len(said).to_bytes(4, "big")], fds)
    theirs.sendall(said)
    with pytest.raises(wire.GoneError):
        wire.receive(ours)
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


@pytest.mark.parametrize("said", [b"n7", b"n" + b"[" * 4000, b'n["cold"]'])
def test_a_refusal_that_makes_no_sense_is_an_interpreter_of_no_use(
    ends: tuple[socket.socket, socket.socket], said: bytes
) -> None:
    ours, theirs = ends
    ours.settimeout(5)
    theirs.sendall(said)
    with pytest.raises(NestError):
        Spare(ours, None).become(StepOrder(["python", "x.py"], "/", {}))


def test_a_report_that_never_ends_is_over_and_tells_of_no_end() -> None:
    reading, writing = os.pipe()
    report = Report(reading)
    over = threading.Event()
    os.set_blocking(writing, False)

    def talk() -> None:
        while not over.is_set():
            select.select([], [writing], [], 0.05)
            with contextlib.suppress(BlockingIOError):
                os.write(writing, b"x" * 4096)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        until = time.monotonic() + 5
        while not report.is_over() and time.monotonic() < until:
            select.select([reading], [], [], 0.1)
        assert report.is_over()
        assert report.status is None
    finally:
        over.set()
        thread.join()
        os.close(writing)
        report.close()


@pytest.mark.parametrize("said", [b"ended x 0\n", b"ended 99999999999999999999 0\n", b"ended 255 0\n", b"failed x\n"])
def test_a_report_without_sense_tells_of_no_end(said: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, said)
    os.close(writing)
    report = Report(reading)
    assert report.is_over()
    assert (report.status, report.failure) == (None, None)
    report.close()


def test_a_step_that_only_told_of_its_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_process, "_GOING_S", 0.2)
    with subprocess.Popen(["sleep", "30"]) as child:
        reading, writing = os.pipe()
        os.write(writing, b"ended 0 0\n")
        os.close(writing)
        pipes = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
        learning = Learning(os.memfd_create("imports"))
        outside = os.pidfd_open(child.pid)
        step = EnteredProcess(child.pid, *pipes, outside, learning, report=Report(reading), first=child.pid)
        assert step.has_ended()
        began = time.monotonic()
        step.wait()
        assert time.monotonic() - began < 10
        assert child.wait() == -9
        step.close()
        for pipe in (step.stdout, step.stderr):
            pipe.close()


# Imported ahead, it answers in the place of the program that imports it.
LIES = """
import os, socket, struct
for number in os.listdir("/proc/self/fd"):
    if os.path.islink("/proc/self/fd/" + number) and "socket" in os.readlink("/proc/self/fd/" + number):
        said = {said!r}.encode()
        socket.socket(fileno=int(number)).sendall(struct.pack("!I", len(said)) + said)
os._exit(0)
"""


@pytest.mark.parametrize("said", ["7", "{}", '{"unfit": 7, "read": []}', '{"unfit": {}, "read": [[]]}'])
def test_findings_that_make_no_sense_are_none(tmp_path: Path, said: str) -> None:
    (tmp_path / "liar.py").write_text(LIES.format(said=said))
    place = Place(own_interpreter(), {"PYTHONPATH": str(tmp_path)}, tmp_path / "own", "test-of-words")
    place.folder.mkdir()
    with pytest.raises(NestError):
        probe(place, ["liar"])

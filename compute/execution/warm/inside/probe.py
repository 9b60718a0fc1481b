"""`python probe.py FD`: import modules to see which of them may be imported before it is known for which step.

Not fit is a module that, while it is imported, looks at what differs from step to step (home, temporary files, working
folder, arguments), draws random numbers, prints, starts threads that a fork would end, or keeps files,
processes or shared memory; and every module that imports such a one.
"""

from __future__ import annotations

import sys

_ROOT = __file__.rpartition("/compute/execution/warm/inside/")[0]
if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]
_PATH = list(sys.path)
sys.path.insert(0, _ROOT)

from compute.execution.warm.inside.tracking import Tracker

import importlib
import os
import random
import signal
import socket
from collections.abc import Iterator
from typing import Any

from compute.execution.sandbox import wire

# What they note is noted anew for each step (`child._refreshers`).
_REFRESHED = ("random", "numpy.random", "logging", "multiprocessing.process", "tempfile", "sysconfig", "site")
_ENVIRON: Any = type(os.environ)


class Prober(Tracker):
    """Puts each finding down to the module whose code ran."""

    def __init__(self, varying: list[str]) -> None:
        super().__init__()
        self.varying = frozenset(varying)
        self.unfit: dict[str, str] = {}  # by module: why
        self.read: set[str] = set()  # variables that any module looked at
        self._before: list[_Process] = []

    def blame(self, why: str) -> None:
        owner = self.stack[-1] if self.stack else ""
        if owner and not _by_refreshed():
            self.unfit.setdefault(owner, why)

    def was_read(self, name: str) -> None:
        if self.stack and isinstance(name, str):
            self.read.add(name)
            if name in self.varying or name.startswith("STUDIO_"):
                self.blame(f"looks at {name}")

    def begun(self, name: str) -> None:
        self._before.append(_Process())

    def done(self, name: str) -> None:
        before, now = self._before.pop(), _Process()
        why = now.beyond(before)
        if why:
            self.blame(why)

    def spread(self) -> dict[str, str]:
        """The unfit, with whoever needs them: a part of a package needs the package."""
        found = dict(self.unfit)
        for name in [*self.brought, *self.asked]:
            if name.rpartition(".")[0]:
                self.asked.setdefault(name, {})[name.rpartition(".")[0]] = None
        while True:
            more = {
                name: f"imports {other}"
                for name, others in self.asked.items()
                if name not in found
                for other in others
                if other in found
            }
            if not more:
                return found
            found.update(more)


def _by_refreshed() -> bool:
    """Whether it is one of those modules that does what is to be blamed, for whomever."""
    frame: Any = sys._getframe(2)
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        if str(frame.f_globals.get("__name__")).startswith(_REFRESHED):
            return True
        frame = frame.f_back
    return False


class _Process:
    """What this process holds besides its modules."""

    def __init__(self) -> None:
        self.threads = len(os.listdir("/proc/self/task"))
        self.files = _open_files()
        self.printed = os.fstat(1).st_size + os.fstat(2).st_size
        self.folder = os.getcwd.__wrapped__()  # type: ignore[attr-defined]
        self.handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self.shared = _shared_memory()

    def beyond(self, before: _Process) -> str:
        """Why what is held now and was not before can't be passed on; empty where nothing is."""
        if self.printed > before.printed:
            return "prints something"
        if self.files - before.files:
            return "keeps a file open"
        if self.shared > before.shared:
            return "shares memory"
        if self.folder != before.folder:
            return "changes the working folder"
        if self.handlers != before.handlers:
            return "changes how signals are handled"
        if self.threads > before.threads and not _forks_well(before.threads):
            return "starts a thread"
        return ""


def _open_files() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(number + os.readlink("/proc/self/fd/" + number))
        except OSError:
            continue  # that of the listing itself
    return found


def _shared_memory() -> int:
    with open("/proc/self/maps", "rb") as maps:
        return sum(b" rw-s " in line for line in maps)


def _forks_well(threads: int) -> bool:
    """Whether the new threads belong to a library that ends them before a fork, and starts them again on need."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return len(os.listdir("/proc/self/task")) <= threads


class _Variables(_ENVIRON):  # type: ignore[misc]
    """`os.environ`, which tells who looks."""

    prober: Any = None

    def __getitem__(self, name: str) -> str:
        self.prober.was_read(name)
        return str(super().__getitem__(name))

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self.prober.was_read(name)
            yield name


class _Arguments(list):  # type: ignore[type-arg]
    """`sys.argv`, which tells who looks."""

    prober: Any = None

    def __getitem__(self, index: Any) -> Any:
        self.prober.blame("looks at the arguments")
        return super().__getitem__(index)

    def __iter__(self) -> Any:
        self.prober.blame("looks at the arguments")
        return super().__iter__()


def _watch(prober: Prober) -> None:
    _Variables.prober = _Arguments.prober = prober
    os.environ.__class__ = _Variables
    sys.argv = _Arguments([""])
    for module, name, why in (
        (os, "getcwd", "looks at the working folder"),
        (os, "urandom", "draws random numbers"),
    ):
        setattr(module, name, _told(getattr(module, name), prober, why))
    seed = random.Random.seed

    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None:
            prober.blame("draws random numbers")
        seed(self, a, version)

    random.Random.seed = seeded  # type: ignore[method-assign]
    sys.addaudithook(_auditor(prober))


def _told(function: Any, prober: Prober, why: str) -> Any:
    def called(*arguments: Any) -> Any:
        prober.blame(why)
        return function(*arguments)

    called.__wrapped__ = function  # type: ignore[attr-defined]
    return called


def _auditor(prober: Prober) -> Any:
    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            place = arguments[0]
            if isinstance(place, bytes):
                place = os.fsdecode(place)
            if isinstance(place, str) and not place.startswith("/"):
                prober.blame("opens a file of the working folder")
        elif event in {"subprocess.Popen", "os.fork", "os.posix_spawn"} and not _is_ours():
            prober.blame("starts a process")
        elif event.startswith("socket.") and event in {"socket.bind", "socket.connect"}:
            prober.blame("opens a connection")

    return heard


def _is_ours() -> bool:
    return sys._getframe(2).f_code.co_filename == __file__


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    control.sendall(b"h")
    order, _ = wire.receive(control)
    assert isinstance(order, dict)
    for name in [name for name in sys.modules if name.partition(".")[0] == "compute"]:
        del sys.modules[name]
    sys.path[:] = _PATH
    prober = Prober(order["varying"])
    _watch(prober)
    prober.begin()
    for name in order["modules"]:
        if name in sys.modules:
            continue
        try:
            importlib.import_module(name)
        except BaseException:  # noqa: BLE001 (a module may raise what it likes, SystemExit included)
            prober.unfit.setdefault(name, "can't be imported")
    prober.end()
    wire.send(control, {"unfit": prober.spread(), "read": sorted(prober.read)})
    os._exit(0)


if __name__ == "__main__":
    main()

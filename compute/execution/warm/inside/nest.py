"""`python nest.py FD`: import what is asked for, then fork a spare for each socket that comes, until FD ends."""

from __future__ import annotations

import sys

_COLD_MODULES = set(sys.modules) - {"__future__"}
_MAIN_NAMES = [name for name in globals() if name.startswith("__") and name not in {"__file__", "__cached__"}]
_ROOT = __file__.rpartition("/compute/execution/warm/inside/")[0]
if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]
_PATH = list(sys.path)
sys.path.insert(0, _ROOT)

from compute.execution.warm.inside.tracking import Tracker, shared_lists

_TRACKER = Tracker()
_TRACKER.begin()

import gc
import importlib
import os
import socket
from typing import Any

from compute.execution.sandbox import wire
from compute.execution.warm.inside.child import Step, set_variables
from compute.execution.warm.inside.stash import Stash
from compute.execution.warm.inside.title import Title

ROOM = "STUDIO_WARM_ROOM"  # a variable that is nothing but room for the title of a step


def main() -> None:
    title = Title()
    os.environ.pop(ROOM, None)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    control.sendall(b"h")
    variables = list(os.environb.items())
    set_variables(variables)
    arguments = [os.fsencode(sys.executable), os.fsencode(__file__)]
    title.write(arguments, [name + b"=" + value for name, value in variables])
    order, _ = wire.receive(control)
    assert isinstance(order, dict)
    _leave_no_trace()
    if sys.gettrace() or sys.getprofile():
        wire.send(control, {"error": "something traces every interpreter of this environment"})
        return
    lists = {name: list(value) for name, value in shared_lists().items()}
    unwanted = _import(order["modules"], set(order["unfit"]))
    _TRACKER.end()
    stash = Stash(_TRACKER, _COLD_MODULES, lists)
    step = Step(stash, title, _COLD_MODULES, _MAIN_NAMES)
    gc.collect()
    gc.freeze()
    wire.send(control, {"modules": len(stash.modules), "unwanted": unwanted})
    _serve(control, step, order["node"])


def _leave_no_trace() -> None:
    """Nobody finds our own modules, by whatever name."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "compute"]:
        del sys.modules[name]
    for place in [place for place in sys.path_importer_cache if place.startswith(_ROOT)]:
        del sys.path_importer_cache[place]
    sys.path[:] = _PATH
    sys.argv[:] = [""]


def _import(names: list[str], unfit: set[str]) -> list[str]:
    """Returns those that brought an unfit module, which is then here to stay."""
    unwanted = []
    for name in names:
        before = len(sys.modules)
        try:
            importlib.import_module(name)
        except BaseException:  # noqa: BLE001, S110 (a module may raise what it likes, SystemExit included)
            pass  # a step that imports it hears why
        finally:
            if len(sys.modules) != before and not unfit.isdisjoint(sys.modules):
                unwanted.append(name)
                unfit = unfit.difference(sys.modules)
    return unwanted


def _serve(control: Any, step: Step, node: int) -> None:
    while True:
        try:
            _, fds = wire.receive(control)
        except (wire.GoneError, OSError):
            os._exit(0)
        between = os.fork()
        if between == 0:
            control.close()
            step.hatch(socket.socket(fileno=fds[0]), node)
        os.close(fds[0])
        os.waitpid(between, 0)


if __name__ == "__main__":
    main()

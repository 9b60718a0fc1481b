"""Environments that the studio does not build: an interpreter on the node, whose packages somebody else looks after."""

import os
import threading
from pathlib import Path

from django.conf import settings

from compute.environments.commands import run_aside
from compute.environments.places import BuiltEnvironment
from compute.execution.reasons import StepFailure
from compute.execution.sandbox.isolation import Isolation
from compute.execution.sandbox.plan import trail

_LOOK_TIMEOUT_S = 20.0
_LOOK = "import sys; print(sys.prefix); print('%d.%d.%d' % sys.version_info[:3])"
_lock = threading.Lock()
_known: dict[tuple[str, int], BuiltEnvironment] = {}  # by path and time of change


def inherited_environment(interpreter: str, *, node: str, isolation: Isolation) -> BuiltEnvironment:
    """Raises StepFailure where there is no such Python on this node.

    It is started, and steps are shown what it is made from: where they are shut in, it is none that a step has made.
    """
    path = Path(interpreter)
    if isolation.sandbox is not None and _is_written_by_steps(path):
        raise StepFailure(
            f"The environment names the interpreter {interpreter}, which lies where steps may write on node {node}. "
            "Name one that is installed elsewhere."
        )
    try:
        key = (interpreter, path.stat().st_mtime_ns)
    except OSError:
        raise StepFailure(
            f"The environment names the interpreter {interpreter}, and node {node} has no such file. "
            "Install it there, or name another one."
        ) from None
    with _lock:
        if key not in _known:
            _known[key] = _look(path, node)
        return _known[key]


def _is_written_by_steps(path: Path) -> bool:
    """Any part of the way to it, by however many links."""
    roots = [settings.STUDIO_HOME, settings.NODE_HOME, *settings.LOCAL_DATASTORE_ROOTS, *settings.STEP_WRITABLE]
    links, real = trail(str(path))
    way = [str(path), real, *(link for link, _ in links)]
    return any(Path(place).is_relative_to(os.path.realpath(str(root))) for place in way for root in roots)


def _look(path: Path, node: str) -> BuiltEnvironment:
    env = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    try:
        exit_code, said = run_aside([str(path), "-c", _LOOK], env=env, limit_s=_LOOK_TIMEOUT_S)
        prefix, version = said.split("\n")[:2]
    except (OSError, ValueError):
        exit_code, prefix, version = None, "", ""
    if exit_code != 0:
        raise StepFailure(f"The environment names the interpreter {path}, which is no Python that node {node} can run.")
    if not version.startswith("3."):
        raise StepFailure(f"The interpreter {path} on node {node} is Python {version}; steps need Python 3.")
    return BuiltEnvironment(Path(prefix), interpreter=path)

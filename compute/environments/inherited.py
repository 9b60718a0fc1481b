"""Environments that the studio does not build: an interpreter on the node, whose packages somebody else looks after."""

import os
import threading
from pathlib import Path

from compute.environments.commands import run_aside
from compute.environments.places import BuiltEnvironment
from compute.execution.reasons import StepFailure

_LOOK_TIMEOUT_S = 20.0
_LOOK = "import sys; print(sys.prefix); print('%d.%d.%d' % sys.version_info[:3])"
_lock = threading.Lock()
_known: dict[tuple[str, int], BuiltEnvironment] = {}  # by path and time of change


def inherited_environment(interpreter: str, *, node: str) -> BuiltEnvironment:
    """Raises StepFailure where there is no such Python on this node."""
    path = Path(interpreter)
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

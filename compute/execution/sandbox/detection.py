"""How this node can isolate its steps: found out by trying, when it starts."""

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from compute.execution.processes import MARKER
from compute.execution.sandbox import enter_sandbox
from compute.execution.sandbox.isolation import Isolation, Sandbox
from compute.execution.sandbox.plan import Kind, SandboxPlan
from compute.execution.sandbox.planning import plan_without_step
from compute.execution.sandbox.process import SandboxedProcess, SandboxError, launch
from compute.execution.sandbox.roots import RootMaker, introduced, said_by
from compute.execution.sandbox.system import own_interpreter
from compute.execution.supervision import awaited
from studio.lib.problems import UserError

logger = logging.getLogger(__name__)

_PATIENCE_S = 20.0
_ADVICE = "Install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap) and let it make user namespaces"

# What a step may rely on: a /proc of its own, its folder, and that nothing of the studio's is there.
_TRIAL = """
import os, sys
open("here", "w").close()
assert os.path.samefile("/proc/self", f"/proc/{os.getpid()}"), "its /proc shows other processes"
assert not os.path.lexists(sys.argv[1]), f"{sys.argv[1]} is still seen"
"""


def find_isolation() -> Isolation:
    """As STUDIO_ISOLATION says. Raises UserError where a sandbox is required and can't be had."""
    if settings.ISOLATION == "off":
        return Isolation(why="STUDIO_ISOLATION=off")
    found = _found()
    if settings.ISOLATION == "require" and found.sandbox is None:
        raise UserError(
            "STUDIO_ISOLATION=require asks for a sandbox around each step, and this node can't make one: "
            f"{found.why}. {_ADVICE}, or set STUDIO_ISOLATION=auto."
        )
    return found


def _found() -> Isolation:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Isolation(why="bubblewrap is not installed")
    whys = []
    # Root mounts by its own right; where that was taken away, as in a container, it is like anybody else.
    for with_user_namespace in [False, True] if os.geteuid() == 0 else [True]:
        sandbox = Sandbox(bwrap, with_user_namespace)
        why = _what_fails(sandbox)
        if why is None:
            sandbox.can_be_entered = not with_user_namespace and _can_enter(sandbox)
            return Isolation(sandbox)
        whys.append(why)
    return Isolation(why=whys[-1])


def _what_fails(sandbox: Sandbox) -> str | None:
    with _folder() as folder:
        sight = sandbox.sight()
        sight.show(folder, kind=Kind.WRITABLE)
        plan = SandboxPlan(sight.mounts(), str(folder))
        command = [str(own_interpreter()), "-I", "-S", "-c", _TRIAL, str(settings.BASE_DIR / "manage.py")]
        try:
            process = launch(command, {MARKER: "trial"}, sandbox=sandbox, plan=plan)
        except OSError as error:
            return f"bubblewrap can't be started ({error.strerror})"
        code, said = _end_of(process)
        return None if code == 0 else _in_words(said)


def _can_enter(sandbox: Sandbox) -> bool:
    """Whether an interpreter that is ready can become a step in a sandbox of its own."""
    ours, theirs = introduced()
    ours.settimeout(_PATIENCE_S)
    answer, why = "", ""
    with _folder() as folder, ours, contextlib.closing(RootMaker("trial")) as roots:
        python = own_interpreter()
        plan = plan_without_step(sandbox, python=python, environment=folder, folder=folder)
        command = [str(python), "-I", "-S", enter_sandbox.__file__, str(theirs.fileno())]
        with theirs:
            passed = (theirs.fileno(),)
            process = launch(command, {MARKER: "trial"}, sandbox=sandbox, plan=plan, pass_fds=passed)
        try:
            _, first = said_by(ours)
            roots.let_in(ours, first, SandboxPlan(sandbox.sight().mounts(), "/").as_json()["mounts"])
            answer = said_by(ours)[0].decode()
        except OSError as error:
            why = str(error)
        ours.close()
        _, said = _end_of(process)
    if answer == enter_sandbox.INSIDE:
        return True
    logger.warning("interpreters that are ready can't enter a sandbox here: all steps start cold. %s %s", why, said)
    return False


def _end_of(process: SandboxedProcess) -> tuple[int, str]:
    """Its exit code, and what it complained of."""
    timer = threading.Timer(_PATIENCE_S, process.kill)
    timer.start()
    try:
        said = process.said()
        return process.wait()[0], said
    except SandboxError:
        return 1, said
    finally:
        timer.cancel()
        awaited.discard(process.pid)
        process.close()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """One like an attempt's."""
    home = Path(settings.NODE_HOME)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="trial-") as folder:
        yield Path(folder)


def _in_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].removeprefix("AssertionError: ") if lines else "it was too slow"
    if "proc" in last and "mount" in last.lower():
        return f"bubblewrap may not mount /proc, as in most containers ({last})"
    if "namespace" in last or "uid map" in last or "Operation not permitted" in last:
        return f"this machine does not let bubblewrap make namespaces ({last})"
    return f"bubblewrap does not work here ({last})"

"""A process of an environment's interpreter that is no step: it runs a program of ours, and what users installed.

Where steps have a sandbox it has one too, and sees no more of the machine than a step of that environment that has no
inputs. bubblewrap puts a first process around it, below which steps that come of it live on when it has ended.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compute.execution.processes import MARKER, children_of, kill_until_gone, processes, with_descendants
from compute.execution.sandbox import wire
from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.plan import SandboxPlan
from compute.execution.sandbox.planning import plan_without_step
from compute.execution.sandbox.process import CommandNotStartedError, SandboxedProcess, SandboxError, launch
from compute.execution.sandbox.roots import RootMaker, introduced, said_by
from compute.execution.supervision import awaited, spawn

INSIDE = Path(__file__).parent / "inside"
_ROOM = {"STUDIO_WARM_ROOM": "-" * 96 * 1024}  # for the arguments and variables of a step
_GIVE_UP_S = 5.0
_ENDING_S = 0.5
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Shelter:
    """The sandbox of what is no step yet, and who makes those of the steps that come of it."""

    sandbox: Sandbox
    plan: SandboxPlan
    roots: RootMaker


@dataclass(frozen=True, slots=True)
class Shelters:
    """Of a node whose steps have sandboxes."""

    sandbox: Sandbox
    roots: RootMaker

    def one(self, python: Path, environment: Path, folder: Path) -> Shelter:
        """`folder` is all that can be written there."""
        plan = plan_without_step(self.sandbox, python=python, environment=environment, folder=folder)
        return Shelter(self.sandbox, plan, self.roots)


@dataclass(frozen=True, slots=True)
class Place:
    """Where such processes of an environment run, and as what."""

    python: Path
    variables: Mapping[str, str]  # without those that vary from step to step
    folder: Path  # home, working folder and temporary files, of one process: it goes with it
    marker: str  # of one process and what comes of it
    shelter: Shelter | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {**self.variables, "HOME": str(self.folder), "TMPDIR": str(self.folder), MARKER: self.marker}


class KeptProcess:
    """Raises OSError, TimeoutError included, and `wire.GoneError` where it can't begin. To be ended."""

    def __init__(self, program: str, place: Place, *, output: int, patience_s: float) -> None:
        self._place = place
        self._given: set[int] = set()  # what others see to, and may live longer
        self.control, theirs = introduced()
        self.control.settimeout(patience_s)
        try:
            with theirs:
                passed = theirs.fileno()
                self._started = self._start([str(place.python), str(INSIDE / program), str(passed)], passed, output)
        except BaseException:
            self.control.close()
            raise
        try:
            self.pid = _first_word(self.control)
        except BaseException:
            self.end()
            raise

    @property
    def adopter(self) -> int:
        """Who takes in its children that lose their parent, as they see it: this process, or the sandbox's first."""
        return os.getpid() if self._place.shelter is None else 1

    def gave_birth(self, pid: int) -> None:
        """Others see to it now. In a sandbox, which it never leaves, it may not be taken for ours."""
        if self._place.shelter is not None:
            self._given = self._births() | {pid}

    def exit_code(self) -> int | None:
        """Where it ended by itself, or is about to."""
        if isinstance(self._started, SandboxedProcess):
            return self._started.ended_by_itself(_ENDING_S)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._started.wait(_ENDING_S)
        return None

    def end(self) -> None:
        """Nothing of it is left when this returns, but what it gave birth to."""
        self.control.close()
        kill_until_gone(self._own, give_up_s=_GIVE_UP_S)
        if self._births():
            threading.Thread(target=self._see_off, name="warm-end", daemon=True).start()
        else:
            self._see_off()

    def _start(self, command: list[str], passed: int, output: int) -> "subprocess.Popen[bytes] | SandboxedProcess":
        place, shelter = self._place, self._place.shelter
        variables = {**place.environment, **_ROOM}
        if shelter is None:
            folder = str(place.folder)
            return spawn(command, cwd=folder, env=variables, stdout=output, stderr=output, pass_fds=(passed,))
        return launch(
            command,
            variables,
            sandbox=shelter.sandbox,
            plan=shelter.plan,
            stdout=output,
            stderr=output,
            pass_fds=(passed,),
        )

    def _own(self) -> set[int]:
        """By session and descent, and not by marker: what becomes a step at this moment bears this one's yet."""
        table = processes()
        root = self._started.pid
        seeds = {root, *(process.pid for process in table.values() if process.session == root)}
        family = {pid for pid in with_descendants(seeds, table) if pid in table and not table[pid].is_zombie}
        if births := self._births():
            family -= with_descendants(births, table)
            family -= {root, *children_of(root)}  # bubblewrap, and the first process inside
        return family

    def _births(self) -> set[int]:
        return {pid for pid in self._given if Path(f"/proc/{pid}").exists()}

    def _see_off(self) -> None:
        while self._births():
            time.sleep(_LOOK_EVERY_S)
        kill_until_gone(self._own, give_up_s=_GIVE_UP_S)  # what they left in this sandbox, outside of their own
        with contextlib.suppress(SandboxError, CommandNotStartedError):
            self._started.wait()
        awaited.discard(self._started.pid)
        if isinstance(self._started, SandboxedProcess):
            self._started.close()
        shutil.rmtree(self._place.folder, ignore_errors=True)


def _first_word(of: socket.socket) -> int:
    """Whose it is."""
    said, pid = said_by(of)
    if not said:
        raise wire.GoneError("it ended before it said a word")
    return pid

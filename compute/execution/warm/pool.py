"""Which nests a node has: one for each kind of step in use, within bounds of number, memory and idle time."""

import contextlib
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from compute.execution.sandbox.isolation import Sandbox
from compute.execution.sandbox.roots import RootMaker
from compute.execution.warm.brood import NOTICED_WITHIN_S, Brood, Kind
from compute.execution.warm.eligible import fixed_variables, script_of, written_variables
from compute.execution.warm.folders import folder_of_this_node
from compute.execution.warm.kept import Shelters
from compute.execution.warm.nests import StepOrder
from compute.execution.warm.process import WarmProcess

logger = logging.getLogger(__name__)

_MAX_SPARES = 8
_KINDS_REMEMBERED = 1000


class Pool:
    """One per node. Thread-safe."""

    def __init__(self, *, marker: str, slots: int, sandbox: Sandbox | None) -> None:
        self._marker, self._spares = marker, min(slots, _MAX_SPARES)
        self._shelters = Shelters(sandbox, RootMaker(f"{marker}roots")) if sandbox else None
        self._resources = contextlib.ExitStack()
        self._folder = self._resources.enter_context(folder_of_this_node(Path(settings.NODE_HOME) / "warm"))
        self._broods: OrderedDict[Kind, Brood] = OrderedDict()  # the one used last stands last
        self._seen: OrderedDict[Kind, None] = OrderedDict()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._pardoned_s = -math.inf
        threading.Thread(target=self._keep, name="warm-keeper", daemon=True).start()

    def expect(self, command: list[str], variables: Mapping[str, str], environment: Path) -> None:
        """Such a step is being prepared: let its nest begin meanwhile."""
        kind = _kind(command, variables, environment)
        if kind is not None:
            self._brood(kind)

    def start(
        self,
        order: StepOrder,
        *,
        environment: Path,
        snapshot: str | None,
        of_it_alone: frozenset[str] = frozenset(),
    ) -> WarmProcess | None:
        """The step, running; None where it is to be started cold. `order.command` begins with the interpreter.

        Variables that are `of_it_alone` it finds when it starts, as it does those that its own code sets: what was
        imported ahead must not have looked at them.
        """
        alike = {name: value for name, value in order.variables.items() if name not in of_it_alone}
        kind = _kind(order.command, alike, environment)
        if kind is None or not Path(order.cwd, order.command[1]).is_file():
            return None
        brood = self._brood(kind)
        if brood is None:
            return None
        written = written_variables(Path(order.cwd), snapshot)
        process = brood.start(order, None if written is None else written | of_it_alone)
        if process is not None:
            process.learning.learn = brood.learn
        return process

    def pardon(self) -> None:
        """Look which interpreters outlived a fence, and hold nothing against those that did not."""
        with self._lock:
            self._pardoned_s = time.monotonic()
            broods = list(self._broods.values())
        for brood in broods:
            brood.pardon()
        self._begin_anew()

    def close(self) -> None:
        """Nothing of it is left but steps."""
        self._over.set()
        with self._lock:
            broods = list(self._broods.values())
            self._broods.clear()
        for brood in broods:
            brood.end()
        if self._shelters is not None:
            self._shelters.roots.close()
        self._resources.close()

    def _brood(self, kind: Kind) -> Brood | None:
        with self._lock:
            if self._over.is_set():
                return None
            brood = self._broods.get(kind)
            if brood is None:
                if not self._is_worth_it(kind):
                    return None
                brood = self._broods[kind] = self._new_brood(kind)
            self._broods.move_to_end(kind)
        self._hold_bounds()
        return None if brood.is_cold else brood

    def _new_brood(self, kind: Kind) -> Brood:
        return Brood(kind, folder=self._folder, marker=self._marker, spares=self._spares, shelters=self._shelters)

    def _is_worth_it(self, kind: Kind) -> bool:
        """Variables that are others in each step would have a nest for each: the second time, and they have one."""
        was_seen = kind in self._seen
        self._seen[kind] = None
        while len(self._seen) > _KINDS_REMEMBERED:
            self._seen.popitem(last=False)
        return was_seen or not any(other.environment == kind.environment for other in self._broods)

    def _keep(self) -> None:
        """Give memory back: of nests that nobody used for a while, and of those beyond the bounds."""
        while not self._over.wait(min(5.0, settings.WARM_IDLE_S / 4)):
            self._begin_anew()
            self._end_idle()
            self._hold_bounds()

    def _begin_anew(self) -> None:
        """Of what went cold while the node was cut off, whether it noticed so before that or after."""
        with self._lock:
            if self._over.is_set():
                return
            for kind, brood in list(self._broods.items()):
                if abs(brood.cold_since_s - self._pardoned_s) < NOTICED_WITHIN_S:
                    self._broods[kind] = self._new_brood(kind)

    def _end_idle(self) -> None:
        now = time.monotonic()
        with self._lock:
            idle = {
                kind: brood
                for kind, brood in self._broods.items()
                if now - brood.last_used_s > settings.WARM_IDLE_S and not brood.is_cold
            }
            for kind in idle:
                del self._broods[kind]
        for kind, brood in idle.items():
            logger.info("no step of environment %s for a while: its interpreter is ended", kind.environment.name)
            brood.end()

    def _hold_bounds(self) -> None:
        """The nests that were not used for the longest time go first; a single one may be as large as it likes."""
        with self._lock:
            living = [(kind, brood) for kind, brood in self._broods.items() if not brood.is_cold]
            memory = [brood.memory_bytes() for _, brood in living] if len(living) > 1 else [0]
            gone: list[Brood] = []
            while len(living) > 1 and (len(living) > settings.WARM_NESTS or sum(memory) > settings.WARM_MEMORY_BYTES):
                kind, brood = living.pop(0)
                memory.pop(0)
                del self._broods[kind]
                gone.append(brood)
        for brood in gone:
            brood.end()


def _kind(command: list[str], variables: Mapping[str, str], environment: Path) -> Kind | None:
    fixed = fixed_variables(variables)
    if fixed is None or script_of(command) is None:
        return None
    try:
        link = Path(command[0]).lstat()
    except OSError:
        return None
    return Kind(environment, Path(command[0]), tuple(fixed.items()), build=(link.st_ino, link.st_mtime_ns))


current: Pool | None = None  # where this process is a node with warm starts

"""The nests of one environment: the one that serves, and the one that is to take its place. Thread-safe."""

import logging
import math
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from compute.execution.warm.eligible import is_read_early
from compute.execution.warm.kept import Place, Shelters
from compute.execution.warm.learning import Learned
from compute.execution.warm.nests import EndedError, Findings, Nest, NestError, RefusedError, Spare, StepOrder, probe
from compute.execution.warm.process import WarmProcess

logger = logging.getLogger(__name__)

_FIRST_WAIT_S = 0.25  # a nest that imports nothing is there in a moment, and tells what to import
_SPARE_WAIT_S = 5.0
_RENEW_AT_MOST_EVERY_S = 30.0
_TRIES = 4
_MAX_DEATHS = 3  # within an hour
_AGAIN_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Steps of one kind can have the same nest: one build of an environment, and variables that are the same."""

    environment: Path
    python: Path
    variables: tuple[tuple[str, str], ...]
    build: tuple[int, int]  # an environment that is built again is another one, wherever it lies


# What the end of a cut took away may be noticed so long after the node knows of it, or before.
NOTICED_WITHIN_S = 10.0


class Brood:
    """Starts its first nest at once, in a thread of its own."""

    def __init__(self, kind: Kind, *, folder: Path, marker: str, spares: int, shelters: Shelters | None) -> None:
        self.kind, self.folder = kind, folder
        self.last_used_s = time.monotonic()
        self._marker, self._wanted_spares, self._shelters = marker, spares, shelters
        self._learned = Learned()
        self._findings = Findings({}, frozenset())
        self._judged: frozenset[str] = frozenset()  # the modules that a probe has looked at
        self._nest: Nest | None = None
        self._spares: list[Spare] = []
        self._changed = threading.Condition()
        self._is_over = False
        self._is_renewing = False
        self._renewed_s = 0.0
        self._deaths: list[float] = []
        self._pardoned_s = -math.inf
        self._is_suspect = False  # the nest may have ended: look
        self._looks: list[float] = []  # when to look again, whoever ended all of them being still about it
        self._cold_because = ""
        self.cold_since_s = math.inf
        self._waiting = 0
        threading.Thread(target=self._feed, name="warm", daemon=True).start()

    @property
    def is_cold(self) -> bool:
        return bool(self._cold_because)

    def start(self, order: StepOrder, written: frozenset[str] | None) -> WarmProcess | None:
        """The step, running; None where it is to be started cold."""
        with self._changed:
            self.last_used_s = time.monotonic()
            spare = self._spare(written)
        if spare is None:
            return None
        try:
            return spare.become(order)
        except RefusedError as refusal:
            logger.info("a step starts cold: %s", refusal)
        except NestError as error:
            logger.warning("a warm start failed, the step starts cold: %s", error)
            with self._changed:
                self._is_suspect = True
                self._changed.notify_all()
        return None

    def learn(self, modules: list[object]) -> None:
        """What a step of this kind imported, which ended well."""
        with self._changed:
            self._learned.add(modules)
            self._changed.notify_all()

    def pardon(self) -> None:
        """The node had been cut off, and all that it ran was ended: that tells nothing of what is imported here."""
        with self._changed:
            self._deaths.clear()
            self._pardoned_s = time.monotonic()
            self._is_suspect = True
            self._looks = [self._pardoned_s + after_s for after_s in (1.0, NOTICED_WITHIN_S)]
            self._changed.notify_all()

    def memory_bytes(self) -> int:
        nest = self._nest
        return nest.memory_bytes() if nest is not None else 0

    def end(self) -> None:
        """Nothing of it is left when this returns, but what became a step. It may be used again."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            nest, self._nest = self._nest, None
            spares, self._spares = self._spares, []
        _end(nest, spares)

    def _spare(self, written: frozenset[str] | None) -> Spare | None:
        """With the lock held."""
        patience_s = _SPARE_WAIT_S if self._nest is not None else _FIRST_WAIT_S
        self._waiting += 1
        self._changed.notify_all()
        try:
            self._changed.wait_for(lambda: self._spares or self._is_over or self.is_cold, patience_s)
        finally:
            self._waiting -= 1
        nest = self._nest
        if not self._spares or nest is None:
            return None
        if nest.modules and is_read_early(written, self._findings.read):
            return None
        spare = self._spares.pop(0)
        self._changed.notify_all()
        return spare

    def _feed(self) -> None:
        """Keep spares ready, and the nest up to date, until it is over."""
        try:
            self._renew([])
            while not self._is_over and not self.is_cold:
                self._hatch_one_or_wait()
        except Exception:
            logger.exception("warm starts of %s broke: its steps start cold", self.kind.environment.name)
            self._give_up("it broke")
        finally:
            self.end()

    def _hatch_one_or_wait(self) -> None:
        with self._changed:
            nest = self._nest
            if self._looks and time.monotonic() >= self._looks[0]:
                self._looks.pop(0)
                self._is_suspect = True
            # A nest that does not live shows it when it is asked for one more.
            is_suspect, self._is_suspect = self._is_suspect, False
            if nest is None or (len(self._spares) >= self._wanted_spares and not is_suspect):
                self._begin_renewal_if_due()
                until_look_s = self._looks[0] - time.monotonic() if self._looks else math.inf
                self._changed.wait(max(0.0, min(_RENEW_AT_MOST_EVERY_S, until_look_s)))
                return
        try:
            spare = nest.hatch()
        except NestError as error:
            self._died(nest, error)
            return
        with self._changed:
            if self._nest is nest and not self._is_over:
                self._spares.append(spare)
                self._changed.notify_all()
                return
        spare.end()

    def _died(self, nest: Nest, error: NestError) -> None:
        with self._changed:
            if self._nest is not nest:
                return
            self._nest = None
            spares, self._spares = self._spares, []
        _end(nest, spares)
        if self._may_go_on_after(error):
            self._renew([name for name in self._fit() if name in nest.modules])

    def _may_go_on_after(self, error: NestError) -> bool:
        """Whether another interpreter is to be tried after one that ended; gives up where too many did."""
        logger.warning("an interpreter that was kept ready ended: %s", error)
        with self._changed:
            now = time.monotonic()
            self._deaths = [at for at in self._deaths if now - at < 3600.0]
            if now - self._pardoned_s > NOTICED_WITHIN_S:
                self._deaths.append(now)
            deaths = len(self._deaths)
        if deaths >= _MAX_DEATHS:
            self._give_up(f"its interpreters ended {deaths} times, the last time because {error}")
        return deaths < _MAX_DEATHS

    def _begin_renewal_if_due(self) -> None:
        """With the lock held."""
        wanted = self._fit()
        nest = self._nest
        if nest is None or self._is_renewing or self._is_over or not wanted or nest.modules.issuperset(wanted):
            return
        if nest.modules and time.monotonic() - self._renewed_s < _RENEW_AT_MOST_EVERY_S:
            return
        self._is_renewing = True
        threading.Thread(target=self._renew_aside, name="warm-import", daemon=True).start()

    def _fit(self) -> list[str]:
        return [name for name in self._learned.wanted() if name not in self._findings.unfit]

    def _renew_aside(self) -> None:
        """A nest with more in it, while the present one goes on."""
        try:
            with self._changed:
                wanted = self._learned.wanted()
            if not self._judged.issuperset(wanted):
                self._judge(wanted)
            with self._changed:
                fit = [name for name in wanted if name not in self._findings.unfit]
            if self._nest is not None and not self._nest.modules.issuperset(fit):
                self._renew(fit)
        except EndedError as error:
            self._may_go_on_after(error)
        except NestError as error:
            self._give_up(f"importing what its steps import failed: {error}")
        finally:
            with self._changed:
                self._is_renewing = False
                self._renewed_s = time.monotonic()
                self._changed.notify_all()

    def _judge(self, modules: list[str]) -> None:
        try:
            findings = probe(self._place(), modules)
        except NestError as error:  # a kill for lack of memory, say: what happens twice is no accident
            logger.warning("importing ahead for %s is tried once more: %s", self.kind.environment.name, error)
            findings = probe(self._place(), modules)
        with self._changed:
            known = self._findings.unfit
            self._findings = findings
            self._judged = frozenset(modules)
        new = {
            name.partition(".")[0]: why
            for name, why in findings.unfit.items()
            if name not in known and not why.startswith("imports ")
        }
        if new:
            said = "; ".join(f"{name} {why}" for name, why in sorted(new.items()))
            logger.info("not imported ahead in %s: %s", self.kind.environment.name, said[:1000])

    def _renew(self, modules: list[str]) -> None:
        nest = None
        while nest is None:
            try:
                nest = self._fit_nest(modules)
            except EndedError as error:
                if not self._may_go_on_after(error):
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._is_over, _AGAIN_AFTER_S)
                if self._is_over:
                    return
            except NestError as error:
                self._give_up(str(error))
                return
        before: Nest | None = nest
        spares: list[Spare] = []
        with self._changed:
            if not self._is_over:
                before, self._nest = self._nest, nest
                spares, self._spares = self._spares, []
            self._changed.notify_all()
        _end(before, spares)

    def _fit_nest(self, modules: list[str]) -> Nest:
        """Raises NestError."""
        for _ in range(_TRIES):
            nest = Nest(self._place(), modules, self._findings.unfit)
            if not nest.unwanted:
                return nest
            nest.end()
            more = dict.fromkeys(nest.unwanted, "imports what is unfit, here but not when it was looked at")
            with self._changed:
                self._findings = Findings({**self._findings.unfit, **more}, self._findings.read)
            modules = [name for name in modules if name not in more]
        raise NestError("its modules import what must not be imported ahead, each time by another way")

    def _give_up(self, reason: str) -> None:
        with self._changed:
            if self._cold_because or self._is_over:
                return
            self._cold_because, self.cold_since_s = reason, time.monotonic()
            self._changed.notify_all()
        logger.warning("steps of environment %s start cold from now on: %s", self.kind.environment.name, reason)

    def _place(self) -> Place:
        token = uuid.uuid4().hex
        folder = self.folder / token
        folder.mkdir(parents=True)
        kind = self.kind
        shelters = self._shelters
        shelter = shelters.one(kind.python, kind.environment, folder) if shelters else None
        return Place(kind.python, dict(kind.variables), folder, f"{self._marker}warm-{token}", shelter)


def _end(nest: Nest | None, spares: list[Spare]) -> None:
    for spare in spares:
        spare.end()
    if nest is not None:
        nest.end()

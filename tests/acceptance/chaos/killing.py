"""A whole studio on PostgreSQL, and kill -9 of any part of it."""

import contextlib
import random
from collections.abc import Callable, Iterator

import psutil

from tests.acceptance.chaos.ledger import BEATS_EVERY_S
from tests.acceptance.installation.starting import Up
from tests.support.servers.postgresql import PostgreSql

SCRIPT = "work.py"


class Killer:
    """Chooses what dies. Every choice comes from the seed; what is there to be chosen depends on the machine."""

    def __init__(self, up: Up, database: PostgreSql, chance: random.Random) -> None:
        self.up, self.database, self.chance = up, database, chance
        self.killed: dict[str, int] = {}
        self._victims: dict[str, Callable[[], bool]] = {
            "node": lambda: self._kill(self._nodes()),
            "step": lambda: self._kill(self._steps()),
            "control worker": lambda: self._kill(self._children("control@%h")),
            "web": lambda: self._kill(self._children("studio.asgi:application")),
            "Redis": lambda: self._kill(self._children("valkey-server")),
            "database": self._kill_database,
        }

    def strike(self) -> str | None:
        """Kill something that lives. None where there was nothing of what was chosen."""
        # What was killed least comes first, so that each has its share of any number of strikes.
        least = min(self.killed.get(name, 0) for name in self._victims)
        name = self.chance.choice([name for name in self._victims if self.killed.get(name, 0) <= least + 1])
        if not self._victims[name]():
            return None
        self.killed[name] = self.killed.get(name, 0) + 1
        return name

    def pause_s(self) -> float:
        """Between two strikes: from the middle of a start to the middle of quiet work."""
        return self.chance.uniform(BEATS_EVERY_S, 1.2)

    def _kill_database(self) -> bool:
        self.database.kill()
        self.database.start()
        return True

    def _kill(self, candidates: list[psutil.Process]) -> bool:
        if not candidates:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            self.chance.choice(candidates).kill()
        return True

    def _nodes(self) -> list[psutil.Process]:
        return [process for process in self._children("node") if _has(process, "--compute")]

    def _steps(self) -> list[psutil.Process]:
        """Of the nodes' families those that run the script, or wait for it."""
        return [each for node in self._nodes() for each in _family(node) if _runs_the_script(each)]

    def _children(self, word: str) -> list[psutil.Process]:
        try:
            children = psutil.Process(self.up.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if _has(child, word)]


def _family(process: psutil.Process) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        yield from process.children(recursive=True)


def _runs_the_script(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(part.endswith(SCRIPT) for part in process.cmdline())
    return False


def _has(process: psutil.Process, word: str) -> bool:
    """Whether it has that argument, or is the program of that name: a server may write over its arguments."""
    with contextlib.suppress(psutil.Error):
        return word in process.cmdline() or word == process.name()
    return False

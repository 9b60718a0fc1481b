"""Steps that run a script out of a snapshot, and what is seen of them."""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from compute.models import Job
from compute.spec import EnvironmentSpec
from datastores import snapshots
from tests.support.compute import Compute, log_of, over
from tests.support.stack import Worker

ENTRY = "main.py"
_FOLDER = re.compile(r"attempts/[0-9a-f]{32}")
_TOKEN = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@dataclass(frozen=True)
class Seen:
    """All that can be observed of a step. What differs between any two processes is left out."""

    exit_code: int | None
    reason: str
    said: list[str]
    complained: list[str]


class Scripts:
    """Runs scripts on a node of `compute`, warm or cold."""

    def __init__(self, compute: Compute, environment: EnvironmentSpec | None = None) -> None:
        self.compute = compute
        self.environment = environment or EnvironmentSpec()

    def start(
        self,
        text: str,
        *arguments: str,
        warm: bool = True,
        beside: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        **values: Any,
    ) -> Job:
        files = {ENTRY: text, **(beside or {})}
        given = [(path, io.BytesIO(content.encode())) for path, content in files.items()]
        snapshot = snapshots.add_files(self.compute.workspace, None, given)
        return self.compute.job(
            "python",
            ENTRY,
            *arguments,
            snapshot=snapshot.digest,
            environment=self.environment,
            # The same variable either way: only its value differs.
            environment_variables={"STUDIO_WARM_STARTS": str(warm).lower(), **(variables or {})},
            **values,
        )

    def run(self, text: str, *arguments: str, **values: Any) -> Job:
        return over(self.start(text, *arguments, **values))


def seen(job: Job) -> Seen:
    return Seen(job.exit_code, _plain(job.reason), [*map(_plain, log_of(job, "o"))], [*map(_plain, log_of(job, "e"))])


def _plain(text: str) -> str:
    text = _TOKEN.sub("TOKEN", _FOLDER.sub("attempts/TOKEN", text))
    return _ADDRESS.sub("0xADDRESS", text)


def warm_jobs(log: Path) -> set[int]:
    """The jobs of which a node says in its log that they started warm."""
    return {int(found) for found in re.findall(r"job (\d+) starts warm", log.read_text())}


def nests_of(worker: Worker) -> list[int]:
    """The processes of a node that others are forked from."""
    return [pid for pid, parts in _ready(worker) if "spare" not in parts]


def spares_of(worker: Worker) -> list[int]:
    """Those that wait to become a step."""
    return [pid for pid, parts in _ready(worker) if "spare" in parts]


def _ready(worker: Worker) -> Iterator[tuple[int, list[str]]]:
    for child in psutil.Process(worker.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            parts = child.cmdline()
            if any(part.endswith("inside/nest.py") for part in parts):
                yield child.pid, parts

"""Jobs for tests of the compute engine: made, awaited, read."""

import fcntl
import os
import signal
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from compute.execution.processes import marker_of
from compute.listener import JobChange
from compute.logs.reading import read_lines, total_lines
from compute.models import Attempt, ComputeTarget, Job, Node
from compute.services import NewJob, create_jobs
from compute.services.leases import Outcome, finish
from compute.spec import EnvironmentSpec, Gpu, Gpus, JobInput, JobOutput, JobSpec, Resources, Retry
from compute.states import TERMINAL, JobStatus
from datastores.backends import store_class
from datastores.models import DataPath, Datastore
from studio.lib.secrets import Sealed
from studio.workspaces.models import User, Workspace
from tests.support.waiting import wait_for

DONE = {"log_complete": True}


class Compute:
    """A workspace with a target of its own."""

    def __init__(self, slots: int = 2) -> None:
        name = f"t{uuid.uuid4().hex[:8]}"
        self.workspace = Workspace.objects.create(slug=name, name=name)
        self.target = ComputeTarget.objects.create(workspace=self.workspace, name=name, slots=slots)

    def node(self, name: str = "one", *, heard_of: bool = True, **values: Any) -> Node:
        """A row, and nothing behind it. `gpus` are the ids of its devices."""
        now = timezone.now()
        if "gpus" in values:
            values["gpus"] = Gpus(devices=[Gpu(id=each, key=each) for each in values["gpus"]])
        values = {"hostname": "elsewhere", "pid": 1, "slots": 2, "started_at": now, "heartbeat_at": now} | values
        node = Node.objects.create(target=self.target, name=name, incarnation=uuid.uuid4(), **values)
        if not heard_of:
            Node.objects.filter(pk=node.pk).update(heartbeat_at="2020-01-01T00:00Z")
        return node

    def job(self, *command: str, **values: Any) -> Job:
        """Queue one. Fields of a `NewJob`, a `Retry` and `Resources` go there, the others into its specification."""
        new = {name: values.pop(name) for name in ("priority", "requested_by_id", "apart") if name in values}
        again = {name: values.pop(name) for name in ("max_attempts", "max_node_losses") if name in values}
        if asked := {name: values.pop(name) for name in ("cpus", "memory_bytes", "gpus") if name in values}:
            values["resources"] = Resources(**asked)
        spec = JobSpec(
            command=list(command) or ["python", "-c", "print('hello')"],
            environment=values.pop("environment", EnvironmentSpec()),
            retry=values.pop("retry", Retry(**again)),
            **values,
        )
        return create_jobs(
            [
                NewJob(
                    workspace_id=self.workspace.pk,
                    target_id=self.target.pk,
                    owner="test:1",
                    title="a job",
                    spec=spec,
                    **new,
                )
            ]
        )[0]

    def person(self, name: str) -> User:
        return User.objects.create_user(f"{name}-{self.workspace.slug}", first_name=name)

    def script(self, text: str, *arguments: str, **values: Any) -> Job:
        return self.job("python", "-c", text, *arguments, **values)

    def datastore(self, name: str) -> Datastore:
        """A local folder below the studio's home."""
        backend = store_class("local")
        config = backend.settle(backend.Config(), backend.Secrets(), workspace_id=self.workspace.pk, name=name)
        return Datastore.objects.create(
            workspace=self.workspace, name=name, kind="local", config=config.model_dump(mode="json")
        )

    def store(self, name: str, kind: str, config: dict[str, Any], secrets: dict[str, str]) -> Datastore:
        """A datastore of any kind, registered as it is: nobody looks whether its server answers."""
        store = store_class(kind)
        checked = store.Config.model_validate(config)
        return Datastore.objects.create(
            workspace=self.workspace,
            name=name,
            kind=kind,
            config=checked.model_dump(mode="json"),
            credentials=Sealed.seal(secrets) if secrets else None,
        )


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.changes: list[JobChange] = []

    def __call__(self, changes: list[JobChange]) -> None:
        self.changes += [change for change in changes if change.owner == "test:1"]

    @property
    def statuses(self) -> list[str]:
        return [change.status.value for change in self.changes]


def over(job: Job, timeout_s: float = 60.0) -> Job:
    """The job in the end."""

    def look() -> bool:
        job.refresh_from_db()
        return job.status in TERMINAL

    wait_for(look, what=f"job {job.pk} ends", timeout_s=timeout_s)
    return job


def in_state(job: Job, status: JobStatus, timeout_s: float = 60.0) -> Job:
    def look() -> bool:
        job.refresh_from_db()
        return job.status == status

    wait_for(look, what=f"job {job.pk} is {status}", timeout_s=timeout_s)
    return job


def last_attempt(job: Job) -> Attempt:
    return Attempt.objects.filter(job=job).latest("number")


def log_of(job: Job, streams: str = "oes") -> list[str]:
    attempt = last_attempt(job)
    return [line.text for line in read_lines(attempt, 0, total_lines(attempt)).lines if line.stream in streams]


def says(job: Job, text: str, timeout_s: float = 60.0) -> None:
    """Wait until the log of the latest attempt holds a line."""

    def look() -> bool:
        return Attempt.objects.filter(job=job).exists() and any(text in line for line in log_of(job))

    wait_for(look, what=f"job {job.pk} says {text!r}", timeout_s=timeout_s)


def completed(lease: Any) -> tuple[bool, Any]:
    return finish(lease, Outcome(JobStatus.COMPLETED, exit_code=0), log=DONE, log_bytes=0)


def pid_outside(job: Job, inside: int) -> int:
    """The number by which this machine knows a living process of a job; 0 where there is none. `inside` is its own."""
    assert job.lease_token is not None
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            numbers = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:")).split()
            pid = int(status.parent.name)
            if numbers[-1] == str(inside) and (marker_of(pid) or "").endswith(job.lease_token.hex):
                return pid
    return 0


def is_locked(beacon: Path) -> bool:
    """Whether somebody who lives holds a file: processes in sandboxes know themselves by other numbers."""
    with beacon.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_alive(pid: int) -> bool:
    """Whether a process runs: a zombie is only a number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rfind(b")") + 2 :].split()[0] not in {b"Z", b"X"}


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process stands still meanwhile. With SQLite not within a transaction: nobody could write any more."""
    wait_for(lambda: _stands_still(pid), what="the process can be stopped between two transactions")
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # whoever missed it may have ended it
            os.kill(pid, signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    os.kill(pid, signal.SIGSTOP)
    if connection.vendor != "sqlite":
        return True
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)) as another:
        try:
            another.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
            return False
        another.execute("ROLLBACK")
    return True


__all__ = [
    "DONE",
    "Compute",
    "DataPath",
    "Heard",
    "JobInput",
    "JobOutput",
    "completed",
    "frozen",
    "in_state",
    "is_alive",
    "is_locked",
    "last_attempt",
    "log_of",
    "over",
    "pid_outside",
    "says",
]

"""A node that loses its network, or whose clock is set: what it ran is run again, once, and never twice at a time."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from compute.models import Job, Node
from compute.services import request_cancel
from compute.states import JobStatus
from tests.support.compute import Compute, frozen, in_state, is_locked, over
from tests.support.servers.tollgate import Tollgate, tollgate
from tests.support.stack import Stack, database_url
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SHORT = {"STUDIO_NODE_LEASE_S": "6", "STUDIO_NODE_HEARTBEAT_S": "0.5", "STUDIO_SWEEP_INTERVAL_S": "0.5"}
postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a file is reached without a network")

# Notes that it lives, by a file that it holds locked so long, and goes on until another file is there.
BEACON = """
import fcntl, os, pathlib, time, uuid
folder = pathlib.Path({folder!r})
file = (folder / f".{{uuid.uuid4()}}").open("w")
fcntl.flock(file, fcntl.LOCK_EX)
os.rename(file.name, f"{{file.name}}.lives")
while not (folder / "go").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def compute() -> Compute:
    return Compute(slots=1)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / "beacons"
    found.mkdir()
    yield found
    (found / "go").touch()


def _begun(folder: Path) -> list[Path]:
    return [found for found in folder.iterdir() if found.suffix == ".lives"]


def _alive(folder: Path) -> list[Path]:
    return [beacon for beacon in _begun(folder) if is_locked(beacon)]


def _runs(compute: Compute, folder: Path) -> Job:
    job = in_state(compute.script(BEACON.format(folder=str(folder))), JobStatus.RUNNING)
    wait_for(lambda: _begun(folder), what="the step has begun")
    return job


@pytest.fixture
def broker_gate() -> Iterator[Tollgate]:
    with tollgate(str(settings.EMBEDDED_REDIS_SOCKET)) as gate:
        yield gate


@pytest.fixture
def database_gate() -> Iterator[Tollgate]:
    url = urlsplit(database_url())
    host = parse_qs(url.query).get("host", [""])[0]
    port = url.port or 5432
    with tollgate(f"{host}/.s.PGSQL.{port}" if host else port) as gate:
        yield gate


def _through(database: Tollgate, broker: Tollgate) -> dict[str, str]:
    url = urlsplit(database_url())
    user = url.netloc.rpartition("@")[0] or "postgres"
    return {
        "DATABASE_URL": f"postgres://{user}@127.0.0.1:{database.port}{url.path}",
        "REDIS_URL": f"redis://127.0.0.1:{broker.port}/0",
    }


@postgresql
def test_a_node_that_nobody_hears_ends_its_step_before_another_one_has_it(
    worker_stack: Callable[..., Stack],
    compute: Compute,
    folder: Path,
    database_gate: Tollgate,
    broker_gate: Tollgate,
) -> None:
    stack = worker_stack(**SHORT)
    stack.control()
    stack.scheduler()
    far = stack.node(compute.target.pk, name="far", **_through(database_gate, broker_gate))
    job = _runs(compute, folder)
    (first,) = _begun(folder)
    database_gate.hold()
    broker_gate.hold()
    stack.node(compute.target.pk, name="near")
    wait_for(lambda: len(_begun(folder)) == 2, what="another node has the step")
    assert not is_locked(first), "never two at once"
    database_gate.release()
    broker_gate.release()
    wait_for(lambda: "no longer ours" in far.log.read_text(), what="the first node hears that it lost")
    assert len(_alive(folder)) == 1
    (folder / "go").touch()
    over(job)
    assert (job.status, job.attempt_number, job.node_losses) == (JobStatus.COMPLETED, 2, 1)
    reasons = [attempt.reason for attempt in job.attempts.order_by("number")]
    assert reasons[0].startswith("Node “far” was lost: it was not heard of for 6 s")
    assert reasons[1] == ""


@postgresql
def test_a_cancel_that_a_node_could_not_hear_is_heard_on_its_return(
    worker_stack: Callable[..., Stack],
    compute: Compute,
    folder: Path,
    database_gate: Tollgate,
    broker_gate: Tollgate,
) -> None:
    # Nobody sweeps: only the node itself can end it.
    stack = worker_stack(STUDIO_NODE_LEASE_S="60", STUDIO_NODE_HEARTBEAT_S="0.5", STUDIO_CANCEL_GRACE_S="0.3")
    stack.node(compute.target.pk, **_through(database_gate, broker_gate))
    job = _runs(compute, folder)
    database_gate.shut()
    broker_gate.shut()
    assert request_cancel([job.pk]) == 1
    assert _alive(folder), "it does not know yet"
    database_gate.open_again()
    broker_gate.open_again()
    over(job)
    assert (job.status, job.attempt_number) == (JobStatus.CANCELLED, 1)
    assert not _alive(folder)


def test_without_the_broker_a_step_goes_on_and_can_be_cancelled(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path, broker_gate: Tollgate
) -> None:
    stack = worker_stack(**SHORT, STUDIO_CANCEL_GRACE_S="0.3")
    stack.node(compute.target.pk, REDIS_URL=f"redis://127.0.0.1:{broker_gate.port}/0")
    job = _runs(compute, folder)
    broker_gate.shut()
    request_cancel([job.pk])
    over(job)
    assert job.status == JobStatus.CANCELLED
    assert not _alive(folder)


def test_a_cancel_of_a_node_that_is_gone_ends_with_its_lease(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path
) -> None:
    stack = worker_stack(**SHORT)
    stack.control()
    stack.scheduler()
    node = stack.node(compute.target.pk)
    job = _runs(compute, folder)
    with frozen(node.pid):
        request_cancel([job.pk])
        over(job)
    assert job.status == JobStatus.CANCELLED
    assert "was lost" in job.reason
    wait_for(lambda: not _alive(folder), what="nothing of it is left")


# Holds a job's row, says so, and is then as silent as one that is frozen until a line comes.
HOLDER = """
import sys
import django
django.setup()
from django.db import transaction
from compute.database import patiently
from compute.models import Job

def hold():
    with transaction.atomic():
        print(Job.objects.select_for_update().get(pk=int(sys.argv[1])).status, flush=True)
        sys.stdin.readline()
        Job.objects.filter(pk=int(sys.argv[1])).update(priority=77)

patiently(hold)
"""


@postgresql
def test_rows_that_a_frozen_process_holds_are_free_again(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    job = compute.script("print('hello')")
    stack = worker_stack(STUDIO_TRANSACTION_SILENCE_S="1", DJANGO_SETTINGS_MODULE="studio.settings")
    with stack.script(HOLDER, str(job.pk)) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "queued\n"
        request_cancel([job.pk])
        job.refresh_from_db()
        assert job.status == JobStatus.CANCELLED
        # Awake again it finds its transaction undone, and begins it again.
        print(file=holder.stdin, flush=True)
        assert holder.stdout.readline() == "cancelled\n"
        holder.stdin.close()
        assert holder.wait(30) == 0
    job.refresh_from_db()
    assert job.priority == 77


@pytest.fixture
def faked(tmp_path: Path) -> tuple[dict[str, str], Callable[[str], None]]:
    """Variables of processes whose clock on the wall can be set, and what sets it."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    setting = tmp_path / "faketime"
    setting.write_text("+0")

    def set_by(text: str) -> None:
        replaced = setting.with_suffix(".new")
        replaced.write_text(text)
        replaced.rename(setting)

    # The library breaks the way in which Python sleeps; `select` it leaves alone.
    patched = tmp_path / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    )
    variables = {
        "PYTHONPATH": str(patched),
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(setting),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return variables, set_by


def test_a_clock_that_jumps_costs_no_step_and_hides_no_loss(
    worker_stack: Callable[..., Stack],
    compute: Compute,
    folder: Path,
    faked: tuple[dict[str, str], Callable[[str], None]],
) -> None:
    """With SQLite all processes of the machine share the clock; with PostgreSQL only the server's counts."""
    variables, set_by = faked
    stack = worker_stack(**SHORT, **variables)
    control = stack.control()
    stack.scheduler()
    node = stack.node(compute.target.pk)
    job = _runs(compute, folder)
    _sweeps_twice(compute)  # whoever looks for the first time has nothing to tell a jump by
    set_by("+7200")
    other = compute.script("print('after the jump')")
    jumped = "the database's clock jumped by" if connection.vendor == "sqlite" else ""
    wait_for(lambda: jumped in control.log.read_text(), what="the sweep has seen the jump")
    before = _expiry(job)
    wait_for(lambda: _expiry(job) != before, what="the lease is renewed by the new time")
    job.refresh_from_db()
    assert (job.status, job.attempt_number, len(_alive(folder))) == (JobStatus.RUNNING, 1, 1)

    set_by("+0")
    node.kill()
    wait_for(lambda: not _alive(folder), what="the guardian ends the step")
    in_state(job, JobStatus.QUEUED, timeout_s=45)
    assert job.node_losses == 1
    request_cancel([job.pk, other.pk])


def _sweeps_twice(compute: Compute) -> None:
    """A heartbeat from the future is mended at the beginning of a round: at the second one, the first is over."""
    stranger = compute.node("from-the-future")
    for _round in range(2):
        Node.objects.filter(pk=stranger.pk).update(heartbeat_at=timezone.now() + timedelta(days=2))
        wait_for(
            lambda: Node.objects.get(pk=stranger.pk).heartbeat_at < timezone.now() + timedelta(days=1),
            what="the sweep mends a heartbeat from the future",
        )
    stranger.delete()


def _expiry(job: Job) -> object:
    return Job.objects.values_list("lease_expires_at", flat=True).get(pk=job.pk)


def test_a_step_that_somebody_else_has_is_ended_at_the_next_heartbeat(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path
) -> None:
    """Whatever took the lease: the node finds out by itself, not only when the step ends or says something."""
    worker_stack(STUDIO_NODE_LEASE_S="60", STUDIO_NODE_HEARTBEAT_S="0.5").node(compute.target.pk)
    job = _runs(compute, folder)
    Job.objects.filter(pk=job.pk).update(lease_token="00000000-0000-0000-0000-000000000001")
    wait_for(lambda: not _alive(folder), what="the step is ended")
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING, "and its result is dropped"

"""A node that is killed in the middle of a step: run again or failed, and never two alive at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from compute.models import Node
from compute.states import JobStatus
from tests.support.compute import Compute, frozen, in_state, is_locked, over
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

# Notes its birth with a file of its own, which it holds locked as long as it lives; ignores what is polite.
BEACON = """
import fcntl, os, pathlib, signal, sys, time, uuid
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
file = pathlib.Path({folder!r}, f".{{uuid.uuid4()}}").open("w")
fcntl.flock(file, fcntl.LOCK_EX)
os.rename(file.name, file.name.replace("/.", "/"))
time.sleep(600)
"""


@pytest.fixture
def compute() -> Compute:
    return Compute(slots=1)


def _beacons(folder: Path) -> list[Path]:
    return [found for found in folder.iterdir() if not found.name.startswith(".")]


def _alive(folder: Path) -> list[Path]:
    return [beacon for beacon in _beacons(folder) if is_locked(beacon)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "beacons"
    found.mkdir()
    return found


def _started(folder: Path, count: int) -> None:
    wait_for(lambda: len(_beacons(folder)) == count, what=f"{count} processes have begun")


def test_a_killed_node_is_noticed_by_its_lease_and_nothing_of_it_lives_on(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path
) -> None:
    stack = worker_stack(STUDIO_NODE_LEASE_S="6", STUDIO_NODE_HEARTBEAT_S="1", STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.control()
    stack.scheduler()
    first = stack.node(compute.target.pk)
    job = in_state(compute.script(BEACON.format(folder=str(folder)), max_node_losses=1), JobStatus.RUNNING)
    _started(folder, 2)
    first.kill()
    # The guardian ends what the node left, long before the lease ends.
    wait_for(lambda: not _alive(folder), what="the step's processes are ended")
    in_state(job, JobStatus.QUEUED)
    assert job.node_losses == 1
    assert "was lost: it was not heard of for 6 s" in job.reason

    second = stack.node(compute.target.pk)
    in_state(job, JobStatus.RUNNING)
    _started(folder, 4)
    assert len(_alive(folder)) == 2
    second.kill()
    over(job)
    assert job.status == JobStatus.FAILED
    assert "each time its node was lost" in job.reason
    assert not _alive(folder)


def test_a_node_that_starts_again_takes_its_jobs_back_at_once(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path
) -> None:
    stack = worker_stack(STUDIO_NODE_LEASE_S="600", STUDIO_NODE_HEARTBEAT_S="5")
    first = stack.node(compute.target.pk)
    job = in_state(compute.script(BEACON.format(folder=str(folder))), JobStatus.RUNNING)
    _started(folder, 2)
    first.kill()
    stack.node(compute.target.pk)
    wait_for(lambda: len(_beacons(folder)) == 4, what="it runs again")
    assert len(_alive(folder)) == 2
    job.refresh_from_db()
    assert (job.attempt_number, job.node_losses) == (2, 1)


def test_a_second_live_node_of_a_name_is_refused(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    stack = worker_stack()
    stack.node(compute.target.pk)
    with pytest.raises(AssertionError, match="give this one another name with --name"):
        stack.node(compute.target.pk)
    assert Node.objects.filter(target=compute.target).count() == 1


def test_a_node_that_lost_its_lease_ends_its_step_and_drops_the_result(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path
) -> None:
    stack = worker_stack(STUDIO_NODE_LEASE_S="4", STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(compute.target.pk)
    job = in_state(compute.script(BEACON.format(folder=str(folder))), JobStatus.RUNNING)
    _started(folder, 2)
    # Another incarnation has taken the name: the heartbeat finds out.
    Node.objects.filter(target=compute.target).update(incarnation="00000000-0000-0000-0000-000000000000")
    wait_for(lambda: not _alive(folder), what="the step is ended")
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING, "the result was dropped: the sweep decides"


def test_a_frozen_nodes_step_is_ended_before_its_lease_is(
    worker_stack: Callable[..., Stack], compute: Compute, folder: Path
) -> None:
    stack = worker_stack(STUDIO_NODE_LEASE_S="6", STUDIO_NODE_HEARTBEAT_S="1", STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.control()
    stack.scheduler()
    node = stack.node(compute.target.pk)
    job = in_state(compute.script(BEACON.format(folder=str(folder))), JobStatus.RUNNING)
    _started(folder, 2)
    with frozen(node.pid):
        wait_for(lambda: not _alive(folder), what="the guardian ends the step of a frozen node")
        in_state(job, JobStatus.QUEUED)
    # Awake again it takes the job anew.
    in_state(job, JobStatus.RUNNING)
    _started(folder, 4)
    assert len(_alive(folder)) == 2

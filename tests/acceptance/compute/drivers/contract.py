"""What every driver promises, with real processes behind it. A kind's test gives `ground`; here nobody knows it."""

import os
import signal
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest

from compute.drivers import Driver, Sighting, get_driver
from compute.models import Attempt, Job, Node
from compute.services import request_cancel
from compute.states import JobStatus
from tests.support.compute import Compute, in_state, last_attempt, over, says
from tests.support.stack import Stack
from tests.support.waiting import wait_for

LONG_S = 150.0

# Holds a lock as long as it lives, and notes at its birth whether another one did. Its process number says nothing: a
# sandbox has numbers of its own.
ALONE = """
import fcntl
births = open({births!r}, "a")
try:
    fcntl.flock(births, fcntl.LOCK_EX | fcntl.LOCK_NB)
    births.write("alone\\n")
except BlockingIOError:
    births.write("two at once\\n")
births.flush()
"""


class Ground:
    """A target of some kind, whose jobs are run by somebody."""

    def __init__(self, compute: Compute) -> None:
        self.compute = compute
        self.driver: Driver = get_driver(compute.target.kind)

    def sees(self, job: Job) -> Sighting:
        (sighting,) = self.driver.poll([job])
        return sighting

    def log(self, job: Job, offset: int = 0, limit: int = 10_000) -> bytes:
        return self.driver.read_log(last_attempt(job), offset=offset, limit=limit).data

    def lose_the_node(self, job: Job) -> None:
        """kill -9 to whoever runs the job."""
        job.refresh_from_db()
        os.kill(Node.objects.get(pk=job.lease_node_id).pid, signal.SIGKILL)


class DriverContract:
    """Inherit, and give `ground`: a target with somebody who runs its jobs one at a time, and restarts what died."""

    @pytest.fixture
    @abstractmethod
    def ground(self) -> Ground: ...

    def test_submitted_twice_a_job_runs_once(self, ground: Ground, tmp_path: Path) -> None:
        marks = tmp_path / "marks"
        job = ground.compute.script(f"open({str(marks)!r}, 'a').write('x')")
        for _ in range(3):
            ground.driver.submit([job])
        assert over(job, LONG_S).status == JobStatus.COMPLETED
        ground.driver.submit([job])
        after = ground.compute.script("print('the queue has moved on')")
        ground.driver.submit([job, after])
        assert over(after, LONG_S).status == JobStatus.COMPLETED
        assert marks.read_text() == "x"
        assert Attempt.objects.filter(job=job).count() == 1

    def test_a_poll_tells_how_it_is_and_the_same_each_time_after_the_end(self, ground: Ground, tmp_path: Path) -> None:
        go_on = tmp_path / "go-on"
        job = ground.compute.script(waiting_for(go_on, then="raise SystemExit(3)"))
        behind = ground.compute.script("print('next')")
        in_state(job, JobStatus.RUNNING, LONG_S)
        assert [sighting.state for sighting in ground.driver.poll([job, behind])] == ["working", "waiting"]
        go_on.touch()
        over(job, LONG_S)
        seen = [ground.sees(job) for _ in range(3)]
        assert {(sighting.state, sighting.exit_code) for sighting in seen} == {("over", 3)}
        assert seen[0].reason == job.reason
        assert ground.driver.poll([]) == []

    def test_a_log_is_read_by_offset_while_it_grows_and_afterwards(self, ground: Ground, tmp_path: Path) -> None:
        go_on = tmp_path / "go-on"
        job = ground.compute.script("print('first', flush=True)\n" + waiting_for(go_on, then="print('second')"))
        in_state(job, JobStatus.RUNNING, LONG_S)
        says(job, "first", LONG_S)
        attempt = last_attempt(job)
        piece = ground.driver.read_log(attempt, offset=0, limit=100_000)
        assert b"first" in piece.data
        assert not piece.is_whole
        assert ground.driver.read_log(attempt, offset=piece.end, limit=100).data == b""
        go_on.touch()
        over(job, LONG_S)
        rest = ground.driver.read_log(attempt, offset=piece.end, limit=100_000)
        assert b"second" in rest.data
        assert rest.is_whole
        whole = ground.driver.read_log(attempt, offset=0, limit=100_000)
        assert whole.data == piece.data + rest.data
        assert ground.driver.read_log(attempt, offset=3, limit=4).data == whole.data[3:7]
        beyond = ground.driver.read_log(attempt, offset=10**9, limit=10)
        assert (beyond.data, beyond.is_whole) == (b"", True)

    def test_cancelled_twice_a_job_ends_once_and_one_that_is_over_stays(self, ground: Ground, tmp_path: Path) -> None:
        job = ground.compute.script(waiting_for(tmp_path / "never"))
        waiting = ground.compute.script("print('it never runs')")
        in_state(job, JobStatus.RUNNING, LONG_S)
        request_cancel([job.pk, waiting.pk])
        job.refresh_from_db()
        ground.driver.cancel([job, job])
        ground.driver.cancel([job])
        assert over(job, LONG_S).status == JobStatus.CANCELLED
        assert over(waiting, LONG_S).attempt_number == 0
        ground.driver.cancel([job, waiting])
        assert request_cancel([job.pk, waiting.pk]) == 0
        assert ground.sees(job).state == "over"
        done = over(ground.compute.script("print('hello')"), LONG_S)
        ground.driver.cancel([done])
        assert over(done).status == JobStatus.COMPLETED

    def test_a_job_whose_node_is_lost_runs_again(self, ground: Ground, tmp_path: Path) -> None:
        births, go_on = tmp_path / "births", tmp_path / "go-on"
        job = ground.compute.script(ALONE.format(births=str(births)) + waiting_for(go_on))
        wait_for(births.exists, what="it has begun", timeout_s=LONG_S)
        ground.lose_the_node(job)
        wait_for(lambda: births.read_text().count("\n") == 2, what="it begins again", timeout_s=LONG_S)
        assert births.read_text() == "alone\nalone\n", "never two of one job at once"
        go_on.touch()
        assert over(job, LONG_S).status == JobStatus.COMPLETED
        assert (job.attempt_number, job.node_losses) == (2, 1)

    def test_a_job_that_is_cancelled_while_its_node_is_lost_ends_and_runs_no_second_time(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        births = tmp_path / "births"
        job = ground.compute.script(f"open({str(births)!r}, 'a').write('x')\n" + waiting_for(tmp_path / "never"))
        wait_for(births.exists, what="it has begun", timeout_s=LONG_S)
        in_state(job, JobStatus.RUNNING, LONG_S)
        ground.lose_the_node(job)
        request_cancel([job.pk])
        job.refresh_from_db()
        ground.driver.cancel([job])
        assert over(job, LONG_S).status == JobStatus.CANCELLED
        assert over(ground.compute.script("print('hello')"), LONG_S).status == JobStatus.COMPLETED
        assert births.read_text() == "x"


def waiting_for(file: Path, *, then: str = "") -> str:
    return f"import pathlib, time\nwhile not pathlib.Path({str(file)!r}).exists(): time.sleep(0.05)\n{then}\n"


def ground_of(stacks: Callable[..., Stack], compute: Compute) -> Ground:
    """The workers that every kind needs, with leases that end soon, and a supervisor of nodes."""
    stack = stacks(STUDIO_NODE_LEASE_S="10", STUDIO_NODE_HEARTBEAT_S="1", STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.control()
    stack.scheduler()
    stack.nodes(local=True)
    return Ground(compute)

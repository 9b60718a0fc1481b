"""A pool of processes follows its work: it grows, never too far, replaces what dies, and ends what is idle."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from compute.models import Job, Node
from compute.states import JobStatus, PoolNodeStatus
from tests.support.compute import frozen, in_state, is_alive, over
from tests.support.pools import Pool
from tests.support.stack import Stack
from tests.support.waiting import wait_for

LONG_S = 150.0  # starting a node is most of it, and a busy machine takes its time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stack(worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_NODE_LEASE_S="20", STUDIO_NODE_HEARTBEAT_S="1", STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.control()
    stack.scheduler()
    stack.nodes()
    return stack


def test_it_grows_with_its_work_to_its_maximum_and_shrinks_when_there_is_none(stack: Stack, tmp_path: Path) -> None:
    pool = Pool(slots=2, max_nodes=2, idle_s=1)
    go = tmp_path / "go"
    # One node alone may be quick enough for all of them: they wait for the second one.
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.02)"
    jobs = [pool.script(waits) for _ in range(12)]
    most = 0

    def seen(holds: Callable[[], bool]) -> bool:
        nonlocal most
        most = max(most, pool.live)
        return holds()

    wait_for(lambda: seen(lambda: pool.up == 2), what="both nodes are up", timeout_s=LONG_S)
    pids = list(Node.objects.filter(target=pool.target).values_list("pid", flat=True))
    go.touch()
    wait_for(lambda: seen(lambda: pool.left() == 0), what="all jobs end", timeout_s=LONG_S)
    assert (most, len(pids)) == (2, 2)
    assert all(over(job, LONG_S).status == JobStatus.COMPLETED for job in jobs)
    assert {job.attempt_number for job in Job.objects.filter(target=pool.target)} == {1}
    wait_for(lambda: pool.live == 0, what="the idle nodes go", timeout_s=LONG_S)
    wait_for(lambda: not any(is_alive(pid) for pid in pids), what="their processes end", timeout_s=LONG_S)
    assert any("it had no work for 1 s" in told for told in pool.told())


def test_a_node_that_dies_is_started_again_and_its_job_with_it(stack: Stack) -> None:
    pool = Pool(max_nodes=1, idle_s=60, min_nodes=1)
    wait_for(lambda: pool.up == 1, what="the least number of nodes is up", timeout_s=LONG_S)
    job = in_state(pool.script("import time; time.sleep(2)"), JobStatus.RUNNING, LONG_S)
    node = Node.objects.get(target=pool.target)
    os.kill(node.pid, signal.SIGKILL)
    assert over(job, LONG_S).status == JobStatus.COMPLETED
    assert job.node_losses == 1
    assert pool.live == 1


def test_a_node_that_hangs_is_replaced_and_ends_when_it_wakes(stack: Stack) -> None:
    pool = Pool(max_nodes=1, idle_s=60, min_nodes=1)
    wait_for(lambda: pool.up == 1, what="the node is up", timeout_s=LONG_S)
    node = Node.objects.get(target=pool.target)
    with frozen(node.pid):
        wait_for(lambda: bool(pool.rows(PoolNodeStatus.FAILED)), what="it is missed", timeout_s=LONG_S)
        assert "was not heard of for 20 s" in pool.rows(PoolNodeStatus.FAILED)[0].reason
        wait_for(lambda: pool.up == 1, what="another one takes its place", timeout_s=LONG_S)
    wait_for(lambda: not is_alive(node.pid), what="the one that hung ends", timeout_s=LONG_S)
    assert over(pool.script("print('hello')"), LONG_S).status == JobStatus.COMPLETED


def test_a_lower_maximum_lets_the_surplus_finish_its_work(stack: Stack) -> None:
    pool = Pool(max_nodes=2, idle_s=60)
    jobs = [pool.script("import time; time.sleep(4)") for _ in range(2)]
    for job in jobs:
        in_state(job, JobStatus.RUNNING, LONG_S)
    pool.change(max_nodes=1)
    wait_for(lambda: bool(pool.rows(PoolNodeStatus.DRAINING)), what="one of them drains", timeout_s=LONG_S)
    assert "has at most 1 node now" in pool.rows(PoolNodeStatus.DRAINING)[0].reason
    for job in jobs:
        assert over(job, LONG_S).status == JobStatus.COMPLETED
        assert job.attempt_number == 1
    wait_for(lambda: pool.live == 1, what="the surplus is gone", timeout_s=LONG_S)

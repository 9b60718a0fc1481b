"""Limits hold for all that a step starts, and what ended it is named. Where the kernel lends no groups of its own."""

import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from compute.execution.processes import members
from compute.models import AttemptUsage, Job, Node
from compute.node.context import NodeContext
from compute.services import request_cancel
from compute.spec import Limits, Retry
from compute.states import JobStatus
from datastores.models import Datastore
from tests.support.compute import Compute, JobOutput, last_attempt, log_of, over
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

MB = 1_000_000

# Its grandchild takes more and more, and says who it is; the two above it only wait.
GREEDY_GRANDCHILD = """
import os, time
for _ in range(2):
    if os.fork():
        os.wait()
        os._exit(0)
os.write(1, b"pid %d\\n" % os.getpid())
held = []
while True:
    held.append(bytearray(b"x" * 5_000_000))
    time.sleep(0.01)
"""
# One memory for all of them, and none of it written to: what is shared counts once.
SHARED_BY_FORKS = """
import os, time
held = bytearray(b"x" * 60_000_000)
children = [os.fork() for _ in range(1)]
if children[0]:
    children += [os.fork() for _ in range(3) if children[-1]]
if children[-1] == 0:
    time.sleep(3)
    os._exit(0)
for child in children:
    os.waitpid(child, 0)
print("all went well")
"""
SEES_CPUS = """
import os, subprocess, sys
print("mine", len(os.sched_getaffinity(0)))
subprocess.run([sys.executable, "-c", "import os; print('its', len(os.sched_getaffinity(0)))"])
"""


@pytest.fixture
def compute() -> Compute:
    return Compute()


@pytest.fixture
def node(worker_stack: Callable[..., Stack], compute: Compute) -> Stack:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="0.3", STUDIO_NODE_HEARTBEAT_S="0.5", STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.node(compute.target.pk)
    return stack


def test_memory_beyond_the_limit_in_a_grandchild_ends_the_whole_step(compute: Compute, node: Stack) -> None:
    job = over(compute.script(GREEDY_GRANDCHILD, limits=Limits(memory_bytes=150 * MB)))
    assert job.status == JobStatus.FAILED
    assert re.fullmatch(r"It used [\d.]+ [MG]B of its 150 MB memory limit and was ended\.", job.reason)
    assert len(log_of(job, "o")) == 1
    assert not members(marker=NodeContext.marker_of_node(Node.objects.get(target=compute.target)))
    assert any("Limits: 150 MB of memory by the studio's own watch" in line for line in log_of(job, "s"))
    peak_bytes = last_attempt(job).peak_memory_bytes
    assert peak_bytes is not None
    assert peak_bytes > 150 * MB


def test_memory_that_is_shared_counts_once(compute: Compute, node: Stack) -> None:
    job = over(compute.script(SHARED_BY_FORKS, limits=Limits(memory_bytes=150 * MB)))
    assert job.status == JobStatus.COMPLETED, job.reason
    assert log_of(job, "o") == ["all went well"]
    attempt = last_attempt(job)
    assert attempt.peak_memory_bytes is not None
    assert 60 * MB < attempt.peak_memory_bytes < 150 * MB


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="with one CPU there is nothing to hold back")
def test_a_step_is_held_to_its_cpus_with_all_that_it_starts(compute: Compute, node: Stack) -> None:
    held = over(compute.script(SEES_CPUS, limits=Limits(cpus=0.5)))
    assert log_of(held, "o") == ["mine 1", "its 1"]
    assert any("0.5 CPUs, held to CPU " in line for line in log_of(held, "s"))
    free = over(compute.script(SEES_CPUS, limits=Limits(cpus=4096)))
    assert log_of(free, "o") == [f"mine {len(os.sched_getaffinity(0))}", f"its {len(os.sched_getaffinity(0))}"]


def _writing(compute: Compute, store: Datastore, text: str, limits: Limits) -> Job:
    outputs = {name: JobOutput(datastore_id=store.pk, path=f"runs/1/{{attempt}}/{name}") for name in ("small", "big")}
    return compute.job(
        "python", "-c", text, *(f"${{{{outputs.{name}}}}}" for name in outputs), outputs=outputs, limits=limits
    )


def test_an_output_that_grows_too_large_ends_the_step_and_is_named(compute: Compute, node: Stack) -> None:
    text = (
        "import pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], 'a').write_bytes(b'x' * 500_000)\n"
        "for number in range(10_000):\n"
        "    pathlib.Path(sys.argv[2], str(number)).write_bytes(b'x' * 100_000)\n"
        "    time.sleep(0.05)\n"
    )
    job = over(_writing(compute, compute.datastore("data"), text, Limits(output_bytes=1 * MB)))
    assert job.status == JobStatus.FAILED
    assert job.reason.startswith("Output “big” is larger than its limit of 1 MB: ")
    assert job.exit_code == -15, "it was asked to go first"


def test_an_output_that_was_too_large_at_the_end_is_not_taken(compute: Compute, node: Stack) -> None:
    text = "import pathlib, sys; pathlib.Path(sys.argv[2], 'all').write_bytes(b'x' * 2_000_000)"
    store = compute.datastore("data")
    job = over(_writing(compute, store, text, Limits(output_bytes=1 * MB)))
    assert (job.status, job.result) == (JobStatus.FAILED, None)
    assert job.reason == "Output “big” is larger than its limit of 1 MB: 2 MB or more."
    assert over(_writing(compute, store, text, Limits(output_bytes=2 * MB))).status == JobStatus.COMPLETED


def test_a_log_has_a_limit_of_its_own(compute: Compute, node: Stack) -> None:
    job = over(compute.script("while True: print('x' * 100)", limits=Limits(log_bytes=100_000)))
    assert job.status == JobStatus.FAILED
    assert "grew beyond its limit of 100 KB" in job.reason


def test_a_node_has_limits_for_steps_that_name_none(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    worker_stack(STUDIO_STEP_MEMORY_BYTES=str(100 * MB), STUDIO_CANCEL_GRACE_S="0.3").node(compute.target.pk)
    job = over(compute.script(GREEDY_GRANDCHILD))
    assert job.reason.endswith("of its 100 MB memory limit and was ended.")
    roomy = over(compute.script("held = b'x' * 120_000_000", limits=Limits(memory_bytes=500 * MB)))
    assert roomy.status == JobStatus.COMPLETED, roomy.reason


def test_a_killed_script_is_not_said_to_have_run_out_of_memory(compute: Compute, node: Stack) -> None:
    job = over(compute.script("import os; os.kill(os.getpid(), 9)"))
    assert "The studio did not send it, and the machine did not run out of memory" in job.reason


def test_attempts_that_follow_a_failure_wait_as_told(compute: Compute, node: Stack) -> None:
    node.control()
    node.scheduler()
    retry = Retry(max_attempts=3, backoff_s=1, backoff_factor=2, exit_codes="3", on=["exit"])
    again = compute.script("import sys; sys.exit(3)", retry=retry)
    others = {
        "exit": compute.script("import sys; sys.exit(4)", retry=retry),
        "timeout": compute.script("import time; time.sleep(600)", retry=retry, timeout_s=0.5),
        "memory": compute.script(GREEDY_GRANDCHILD, retry=retry, limits=Limits(memory_bytes=50 * MB)),
    }
    for cause, job in others.items():
        assert (over(job).status, job.attempt_number) == (JobStatus.FAILED, 1), cause
    on_timeout = compute.script(
        "import time; time.sleep(600)", retry=Retry(max_attempts=2, on=["timeout"]), timeout_s=0.5
    )
    assert over(on_timeout).attempt_number == 2
    over(again)
    assert (again.status, again.attempt_number, again.exit_code) == (JobStatus.FAILED, 3, 3)
    attempts = list(again.attempts.order_by("number"))
    waits = [(later.claimed_at - earlier.finished_at).total_seconds() for earlier, later in pairwise(attempts)]
    assert waits[0] >= 0.95
    assert waits[1] >= 1.95


def test_a_time_limit_may_be_months(compute: Compute, node: Stack) -> None:
    job = over(compute.script("import time; time.sleep(1)", timeout_s=90 * 86400.0))
    assert (job.status, job.reason) == (JobStatus.COMPLETED, "")


def has_been_weighed(job: Job) -> bool:
    """Three points, the last with its files: these are counted at leisure."""
    use = AttemptUsage.objects.filter(attempt__job=job).first()
    return use is not None and len(use.series.at_s) >= 3 and use.series.disk_bytes[-1] >= 5_000_000


def test_what_a_step_used_is_kept(compute: Compute, node: Stack, tmp_path: Path) -> None:
    go = tmp_path / "go"
    text = (
        "import os, time, tempfile\n"
        "held = bytearray(b'x' * 80_000_000)\n"
        "file = tempfile.NamedTemporaryFile()\n"
        "file.write(os.urandom(5_000_000)); file.flush(); os.fsync(file.fileno())\n"
        "if os.fork() == 0:\n"
        "    until = time.process_time() + 1.5\n"
        "    while time.process_time() < until: pass\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.1)\n"
    )
    job = compute.script(text)
    wait_for(lambda: has_been_weighed(job), what="its files are weighed, and its use written down")
    go.touch()
    job = over(job)
    attempt = last_attempt(job)
    assert job.status == JobStatus.COMPLETED, job.reason
    assert attempt.peak_memory_bytes is not None
    assert 80 * MB < attempt.peak_memory_bytes < 200 * MB
    assert attempt.cpu_s is not None
    assert attempt.cpu_s >= 1.5, "of a child that is over too"
    assert attempt.written_bytes is not None
    assert attempt.written_bytes >= 5_000_000
    series = AttemptUsage.objects.get(attempt=attempt).series
    assert len(series.at_s) >= 3
    assert series.at_s == sorted(series.at_s)
    assert series.cpu_s == sorted(series.cpu_s)
    assert 80 * MB < max(series.memory_bytes) < 200 * MB
    assert max(series.disk_bytes) >= 5_000_000
    assert {len(column) for column in (series.cpu_s, series.memory_bytes, series.read_bytes, series.written_bytes)} == {
        len(series.at_s)
    }


def test_a_step_of_a_moment_has_totals_and_no_series(compute: Compute, node: Stack) -> None:
    job = over(compute.script("sum(range(1_000_000))"))
    attempt = last_attempt(job)
    assert attempt.cpu_s is not None
    assert attempt.cpu_s > 0
    assert attempt.peak_memory_bytes is None or attempt.peak_memory_bytes < 60 * MB, "not the node's own"
    assert not AttemptUsage.objects.filter(attempt=attempt).exists()


def test_what_a_step_uses_is_seen_while_it_runs(compute: Compute, node: Stack) -> None:
    job = compute.script("held = b'x' * 50_000_000\nimport time; time.sleep(600)")
    wait_for(lambda: AttemptUsage.objects.filter(attempt__job=job).exists(), what="its use is written down")
    first = AttemptUsage.objects.get(attempt__job=job)
    assert max(first.series.memory_bytes) > 50 * MB
    wait_for(
        lambda: len(AttemptUsage.objects.get(attempt__job=job).series.at_s) > len(first.series.at_s),
        what="more of it is written down",
    )
    request_cancel([job.pk])
    assert over(job).status == JobStatus.CANCELLED
    assert last_attempt(job).peak_memory_bytes > 50 * MB

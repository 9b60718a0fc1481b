"""A real node gives out its GPUs, each to one step at a time, and says in the database what it has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from compute.models import Attempt, Node
from compute.states import JobStatus
from tests.support.compute import Compute, log_of, over
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

# Appends are whole: who holds which devices when is told by the order of the lines.
HOLDER = """
import os, time
devices = os.environ["CUDA_VISIBLE_DEVICES"]
def say(what):
    with open({shared!r}, "a") as file:
        file.write(f"{{what}} {{devices}}\\n")
say("takes")
time.sleep(0.05)
say("gives back")
print("devices:", devices, "threads:", os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.fixture
def compute() -> Compute:
    return Compute(slots=4)


def test_each_gpu_belongs_to_one_step_at_a_time(
    worker_stack: Callable[..., Stack], compute: Compute, tmp_path: Path
) -> None:
    worker_stack().node(compute.target.pk, slots=4, STUDIO_NODE_GPUS="0,1")
    node = Node.objects.get()
    assert [gpu.id for gpu in node.devices] == ["0", "1"]
    assert node.cpus
    assert node.memory_bytes
    assert node.machine
    shared = tmp_path / "shared"
    script = HOLDER.format(shared=str(shared))
    grabs = {"environment_variables": {"CUDA_VISIBLE_DEVICES": "0,1"}}
    jobs = [compute.script(script, gpus=1 + number % 3 // 2, cpus=0.1, **grabs) for number in range(12)]
    plain = compute.script(script)
    for job in [*jobs, plain]:
        assert over(job).status == JobStatus.COMPLETED, job.reason
        job.refresh_from_db()
        assert job.lease_gpus == ""
    held: set[str] = set()
    for line in shared.read_text().splitlines():
        what, _, devices = line.rpartition(" ")
        mine = set(devices.split(",")) - {""}
        if what == "takes":
            assert not held & mine, f"{mine} twice at once:\n{shared.read_text()}"
            held |= mine
        else:
            held -= mine
    assert held == set()
    for job in jobs:
        attempt = Attempt.objects.get(job=job)
        assert len(attempt.gpus.split(",")) == job.gpus
        assert f"devices: {attempt.gpus} threads: 1" in log_of(job, "o"), "whatever its own variables say"
    assert "devices:  threads: None" in log_of(plain, "o")


def test_what_is_told_on_the_command_line_counts(worker_stack: Callable[..., Stack], compute: Compute) -> None:
    stack = worker_stack()
    command = ("--cpus", "1.5", "--memory", "2GB", "--gpus", "3,5")
    stack.node(compute.target.pk, options=command)
    node = Node.objects.get()
    assert (node.cpus, node.memory_bytes) == (1.5, 2 * 10**9)
    job = compute.script("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])", cpus=1.5, memory_bytes=10**9, gpus=1)
    too_large = compute.script("print('never')", cpus=2)
    assert over(job).status == JobStatus.COMPLETED
    assert "3" in log_of(job, "o")
    too_large.refresh_from_db()
    assert too_large.status == JobStatus.QUEUED

"""A parallel run over several real nodes: it comes to what one node comes to, also where one of them is killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compute.models import Attempt
from compute.states import JobStatus
from datastores import snapshots
from pipelines import queries, services
from pipelines.batch_queries import batches_of
from pipelines.models import Run, StepRun
from pipelines.states import StepStatus
from tests.acceptance.pipelines.test_parallel_runs import FILES, split, text_of, writing
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

MORE = {
    "waiting.py": """
import os, pathlib, sys, time
go, there, wanted = sys.argv[1:]
def init():
    pathlib.Path(there, str(os.getppid())).touch()
    while len(os.listdir(there)) < int(wanted):
        time.sleep(0.05)
def run(mini_batch):
    names = [pathlib.Path(path).name for path in mini_batch]
    print("works on", *names, flush=True)
    while "05.txt" in names and not os.path.exists(go):
        time.sleep(0.05)
    return names
""",
    "three.py": """
import pathlib
def run(mini_batch):
    if pathlib.Path(mini_batch[0]).stem in {"01", "02", "03"}:
        raise ValueError("of " + pathlib.Path(mini_batch[0]).stem)
    return [pathlib.Path(path).stem for path in mini_batch]
""",
    "both.py": """
import pathlib, sys
def run(mini_batch):
    for path in map(pathlib.Path, mini_batch):
        target = pathlib.Path(sys.argv[1]) / path.stem[0] / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_text("own " + path.read_text())
    return [pathlib.Path(path).stem for path in mini_batch]
""",
}


@pytest.fixture
def source(world: World) -> str:
    return snapshots.edit(world.workspace, None, put={**FILES, **MORE}).digest


def row(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def node_of(run: Run, name: str) -> str:
    step = row(run, name)
    return Attempt.objects.get(job=step.job_id, number=step.attempt).node_name


def test_three_nodes_come_to_what_one_does_also_when_one_of_them_is_killed(
    world: World, source: str, worker_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = worker_stack(
        STUDIO_ISOLATION="off", STUDIO_NODE_LEASE_S="6", STUDIO_NODE_HEARTBEAT_S="1", STUDIO_SWEEP_INTERVAL_S="0.5"
    )
    stack.control()
    stack.scheduler()
    nodes = {name: stack.node(world.node.target_id, slots=2, name=name) for name in ("one", "two", "three")}
    go, there = tmp_path / "go", tmp_path / "there"
    there.mkdir()
    how: dict[str, Any] = {"mini_batch_size": "1", "batch_timeout_s": None}
    at_once = {"arguments": f"{go} {there} 3", "retry": {"max_node_losses": 1}}
    spread = split(source, "spread", "waiting.py", nodes=3, **at_once, **how)
    run = world.submit(world.pipeline(writing(world, source, "files"), spread, name="spread"))
    part = "spread.3of3"

    def waits_for_the_last() -> bool:
        done = StepRun.objects.filter(run=run, status=StepStatus.COMPLETED, name__startswith="spread.").count()
        return done == 2 and batches_of(row(run, part))["done"] == 3

    wait_for(waits_for_the_last, what="one batch alone is left", timeout_s=90)
    assert len({node_of(run, f"spread.{number}of3") for number in (1, 2, 3)}) == 3, "each on a node of its own"
    found = batches_of(row(run, "spread"))
    assert (found["total"], found["done"]) == (12, 11)
    assert {each["node"] for each in found["parts"]} == set(nodes)
    nodes[node_of(run, part)].kill()
    wait_for(lambda: row(run, part).attempt == 2, what="its part begins again elsewhere", timeout_s=60)
    go.touch()
    assert over(run, timeout_s=60).status == "completed", (run.reason, log_of(run, "spread"))
    assert [row(run, f"spread.{number}of3").attempt for number in (1, 2, 3)] == [1, 1, 2]
    assert Attempt.objects.filter(job=row(run, part).job_id).count() == 2

    alone = split(source, "alone", "waiting.py", arguments=f"{go} {there} 1", **how)
    other = over(world.submit(world.pipeline(writing(world, source, "files"), alone, name="alone")), timeout_s=60)
    assert other.status == "completed"
    assert text_of(world, run, "spread") == text_of(world, other, "alone")
    assert text_of(world, run, "spread").split() == [f"{number:02}.txt" for number in range(12)]
    assert batches_of(row(run, "spread"))["done"] == 12


def test_what_fails_on_all_nodes_counts_together(world: World, source: str, worker_stack: Callable[..., Stack]) -> None:
    stack = worker_stack()
    stack.node(world.node.target_id)
    stack.node(world.node.target_id, name="other")
    how: dict[str, Any] = {"mini_batch_size": "1", "max_tries": 1, "nodes": 2}
    steps = [split(source, name, "three.py", error_threshold=most, **how) for name, most in (("two", 2), ("one", 1))]
    run = over(world.submit(world.pipeline(writing(world, source, "files"), *steps)), timeout_s=60)
    assert run.status == "failed"
    statuses = world.statuses(run)
    # Two of the three are of the second part.
    assert [statuses[name] for name in ("two.1of2", "two.2of2", "two")] == ["completed", "completed", "failed"]
    # Two nodes with several processes each: any of the three can be the last.
    said = "3 files failed or gave no result, and 2 may. The last that failed: ValueError: of "
    assert {line.removeprefix(said) for line in log_of(run, "two") if line.startswith(said)} < {"01", "02", "03"}
    assert any(line.startswith(said) for line in log_of(run, "two"))
    assert [statuses[name] for name in ("one.1of2", "one.2of2", "one")] == ["completed", "failed", "skipped"]
    assert any(line.startswith("2 files failed or gave no result, and 1 may.") for line in log_of(run, "one.2of2"))
    found = batches_of(row(run, "two"))
    assert (found["done"], found["failed"], found["items_failed"]) == (9, 3, 3)

    services.edit_step(
        world.access, run, "two", services.StepChanges(settings={"error_threshold": 3}), base_edit=0, go_on=True
    )
    over(run, timeout_s=60)
    assert world.statuses(run)["two"] == "completed"
    assert text_of(world, run, "two").split() == [f"{number:02}" for number in range(12) if number not in {1, 2, 3}]


def test_what_the_script_writes_by_itself_comes_together(
    world: World, source: str, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack()
    stack.node(world.node.target_id)
    more: dict[str, Any] = {"arguments": "${{outputs.own}}", "mini_batch_size": "1", "nodes": 20}
    both = split(source, "both", "both.py", **more)
    run = over(world.submit(world.pipeline(writing(world, source, "files"), both)), timeout_s=120)
    assert run.status == "completed", (run.reason, log_of(run, "both"))
    assert text_of(world, run, "both").split() == [f"{number:02}" for number in range(12)], "more nodes than batches"
    folder = queries.OutputFolder(world.workspace, row(run, "both"), "own")
    for number in (3, 11):
        _entry, stream = folder.open(f"{number // 10}/{number:02}.txt")
        with stream:
            assert stream.read().decode() == f"own {number}"
    assert row(run, "both.20of20").status == JobStatus.COMPLETED

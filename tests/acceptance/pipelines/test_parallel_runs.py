"""Parallel runs on real nodes: files and rows in batches, what is seen of them meanwhile, how they end."""

import re
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from compute.models import Job
from compute.services import create_environment
from compute.spec import EnvironmentSpec
from datastores import snapshots
from pipelines import queries, services
from pipelines.batch_queries import batches_of
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.compute import pid_outside
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

BUILD_S = 240.0
FILES = {
    "write.py": """
import pathlib, sys
out, what = sys.argv[1:]
for number in range(12):
    ending = "csv" if what == "rows" else "txt"
    text = "store,price\\n" + f"s{number % 3},{number}\\n" if what == "rows" else str(number)
    pathlib.Path(out, f"{number:02}.{ending}").write_text(text)
""",
    "square.py": """
import pathlib, sys
from studio_sdk.core import Run
def init():
    print("squares by", sys.argv[1])
def run(mini_batch):
    Run.get_context().log("files", len(mini_batch))
    return [int(pathlib.Path(path).read_text()) ** 2 for path in mini_batch]
""",
    "total.py": """
import pandas
def run(frame):
    assert isinstance(frame, pandas.DataFrame), type(frame)
    return frame.assign(twice=frame.price * 2)
""",
    "endless.py": """
import os, time
def run(mini_batch):
    print("pid", os.getpid(), flush=True)
    time.sleep(600)
""",
    "indexed.py": """
import pathlib, sys
import pandas
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
pandas.DataFrame({"id": [1, 2, 9], "x": [3, 4, 5]}).set_index("id").to_parquet(out / "a.parquet")
""",
    "columns.py": "def run(frame):\n    return [' '.join(sorted(frame.columns))] * len(frame)\n",
    "bad.py": "def run(mini_batch):\n    raise ValueError('of ' + mini_batch[0][-6:])\n",
}


@pytest.fixture
def source(world: World) -> str:
    return snapshots.edit(world.workspace, None, put=FILES).digest


def split(source: str, name: str, script: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "parallel_run",
        "name": name,
        "source": source,
        "entry_script": script,
        "inputs": [{"name": "data", "binding": {"kind": "output", "step": "write", "output": "out"}}],
        "input": "${{inputs.data}}",
        "output": "${{outputs.out}}",
        "processes": 2,
        "mini_batch_size": "5",
        **more,
    }


def writing(world: World, source: str, what: str) -> dict[str, Any]:
    return {**world.step("write"), "source": source, "entry": "write.py", "arguments": f"${{{{outputs.out}}}} {what}"}


def text_of(world: World, run: Run, step: str, file: str = "parallel_run_step.txt") -> str:
    row = StepRun.objects.get(run=run, name=step)
    _entry, stream = queries.OutputFolder(world.workspace, row, "out").open(file)
    with stream:
        return stream.read().decode()


@pytest.mark.parametrize("isolation", ["require", "off"])
def test_files_are_worked_on_by_several_processes(
    world: World, source: str, worker_stack: Callable[..., Stack], isolation: str
) -> None:
    stack = worker_stack(STUDIO_ISOLATION=isolation)
    stack.node(world.node.target_id)
    pipeline = world.pipeline(
        writing(world, source, "files"), split(source, "square", "square.py", arguments="'two words'")
    )
    run = over(world.submit(pipeline))
    assert run.status == "completed", (run.reason, log_of(run, "square"))
    assert text_of(world, run, "square").split() == [str(number**2) for number in range(12)]
    log = log_of(run, "square")
    # One of them may have done all of it before the other one was ready.
    assert {"[worker 1] squares by two words", "[worker 2] squares by two words"} & set(log)
    step = StepRun.objects.get(run=run, name="square")
    found = batches_of(step)
    assert (found["total"], found["done"], found["failed"], found["items_failed"]) == (3, 3, 0, 0)
    assert found["per_second"] > 0
    assert sorted(row["batch"] for row in found["batches"]) == [1, 2, 3]
    assert step.outputs is not None

    world.save(
        pipeline,
        writing(world, source, "files"),
        split(source, "square", "square.py", arguments="'two words'", processes=1),
    )
    again = StepRun.objects.get(run=over(world.submit(pipeline)), name="square")
    assert again.reused_from == step
    assert batches_of(again)["done"] == 3


def test_too_many_failures_end_the_step_by_their_reason(
    world: World, source: str, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack()
    stack.node(world.node.target_id)
    bad = split(source, "bad", "bad.py", mini_batch_size="1", error_threshold=2, max_tries=1)
    run = over(world.submit(world.pipeline(writing(world, source, "files"), bad)))
    assert run.status == "failed"
    said = "3 files failed or gave no result, and 2 may. The last that failed: ValueError: of "
    assert any(line.startswith(said) for line in log_of(run, "bad"))
    found = batches_of(StepRun.objects.get(run=run, name="bad"))
    assert (found["total"], found["failed"]) == (12, 3)
    assert all(row["why"].startswith("ValueError: of ") for row in found["batches"])


def test_a_cancelled_step_leaves_no_process(world: World, source: str, worker_stack: Callable[..., Stack]) -> None:
    stack = worker_stack(STUDIO_CANCEL_GRACE_S="2")
    stack.node(world.node.target_id)
    endless = split(source, "endless", "endless.py", batch_timeout_s=None)
    run = world.submit(world.pipeline(writing(world, source, "files"), endless))

    def said() -> list[int]:
        step = StepRun.objects.get(run=run, name="endless")
        if step.job_id is None:
            return []
        return [int(match[1]) for line in log_of(run, "endless") if (match := re.search(r"\] pid (\d+)", line))]

    wait_for(lambda: len(said()) == 2, what="both processes work", timeout_s=60)
    job = Job.objects.get(owner=f"step:{StepRun.objects.get(run=run, name='endless').pk}")
    pids = [pid_outside(job, pid) for pid in said()]
    assert all(pids)
    services.cancel_run(world.access, run)
    assert over(run).status == "cancelled"
    wait_for(lambda: not any(map(psutil.pid_exists, pids)), what="its processes are gone", timeout_s=20)


def test_rows_of_a_table_come_as_frames_and_by_keys(
    world: World, source: str, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack()
    stack.node(world.node.target_id)
    spec = EnvironmentSpec(pip=["pandas>=2.2", "pyarrow"])
    create_environment(workspace=world.workspace, name="frames", spec=spec, created_by=world.owner)
    more: dict[str, Any] = {"split_into": "rows", "environment": "frames", "append_row_file_name": "all.csv"}
    run = over(
        world.submit(
            world.pipeline(
                writing(world, source, "rows"),
                split(source, "by_size", "total.py", **more),
                split(source, "by_store", "total.py", partition_keys="store", **more),
                split(source, "on_two", "total.py", nodes=2, **more),
                split(source, "by_store_on_two", "total.py", partition_keys="store", nodes=2, **more),
                {
                    "name": "indexed",
                    "source": source,
                    "entry": "indexed.py",
                    "environment": "frames",
                    "arguments": "${{outputs.out}}",
                },
                split(
                    source,
                    "by_index",
                    "columns.py",
                    inputs=[{"name": "data", "binding": {"kind": "output", "step": "indexed", "output": "out"}}],
                    partition_keys="id",
                    **more,
                ),
            )
        ),
        timeout_s=BUILD_S,
    )
    assert run.status == "completed", (
        run.reason,
        log_of(run, "by_size"),
        log_of(run, "by_store"),
        log_of(run, "by_index"),
    )
    rows = [f"s{number % 3},{number},{number * 2}" for number in range(12)]
    assert text_of(world, run, "by_size", "all.csv").splitlines() == ["store,price,twice", *rows]
    assert text_of(world, run, "by_store", "all.csv").splitlines() == [
        "store,price,twice",
        *sorted(rows, key=lambda row: row[:2]),
    ]
    assert text_of(world, run, "by_index", "all.csv").splitlines() == ["id x"] * 3, "an index is a column, too"
    for one, two in (("by_size", "on_two"), ("by_store", "by_store_on_two")):
        assert text_of(world, run, two, "all.csv") == text_of(world, run, one, "all.csv")
    found = batches_of(StepRun.objects.get(run=run, name="by_store"))
    assert {row["what"] for row in found["batches"]} == {"store=s0", "store=s1", "store=s2"}

"""Notebooks on real nodes, in the environment that comes with the studio: their logs, what is kept, how they end."""

import json
import re
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from compute.models import Job
from datastores import snapshots
from pipelines import queries, services
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.compute import pid_outside
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

BUILD_S = 240.0  # an environment may be some hundred megabytes to fetch
TYPES = "alpha = 1\nflag = None\nname = 'own'\nempty = 'own'\nword = 'own'\nabsent = 'own'\ntarget = None"
SHOWN = """
import json, os
print(json.dumps([alpha, flag, name, empty, word, absent]))
from pathlib import Path
import helper
written = Path(target, "answer.txt").write_text(str(helper.answer))
"""
ENDLESS = """
import os, time
print("kernel", os.getpid(), flush=True)
time.sleep(600)
"""


def notebook(*sources: str, parameters: str | None = None, kernel: str = "python3") -> str:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"c{index}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for index, source in enumerate([parameters, *sources] if parameters else sources)
    ]
    if parameters:
        cells[0]["metadata"] = {"tags": ["parameters"]}
    metadata = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells})


FILES = {
    "deep/types.ipynb": notebook(SHOWN, "import pandas\npandas.DataFrame({'a': [1]})", parameters=TYPES),
    "deep/helper.py": "answer = 42\n",
    "fails.ipynb": notebook("print('before')", "1 / 0", "print('never')"),
    "asks.ipynb": notebook("input('who? ')"),
    "dies.ipynb": notebook("import os\nos.kill(os.getpid(), 9)"),
    "endless.ipynb": notebook("print('done')", ENDLESS),
    "loud.ipynb": notebook("print('\\udc80\\x00' + 'x' * 2_000_000)\nprint('the end')"),
    "elsewhere.ipynb": notebook("print('runs')", kernel="conda-env-mine"),
}


@pytest.fixture
def source(world: World) -> str:
    return snapshots.edit(world.workspace, None, put=FILES).digest


def step(world: World, source: str, name: str, path: str, **more: Any) -> dict[str, Any]:
    plain = {field: value for field, value in world.step(name).items() if field not in {"entry", "arguments"}}
    return {**plain, "kind": "notebook", "source": source, "notebook": path, "environment": "notebook", **more}


def kept(world: World, run: Run, step_name: str, file: str) -> str:
    row = StepRun.objects.get(run=run, name=step_name)
    _entry, stream = queries.OutputFolder(world.workspace, row, "executed_notebook").open(file)
    with stream:
        return stream.read().decode()


def outputs_of(executed: str) -> list[dict[str, Any]]:
    return [output for cell in json.loads(executed)["cells"] for output in cell.get("outputs", [])]


@pytest.mark.parametrize("isolation", ["require", "off"])
def test_a_notebook_gets_its_parameters_and_is_kept_with_a_page_of_it(
    world: World, source: str, worker_stack: Callable[..., Stack], isolation: str
) -> None:
    stack = worker_stack(STUDIO_ISOLATION=isolation)
    stack.node(world.node.target_id)
    given = {
        "alpha": "${{parameters.number}}",
        "flag": False,
        "name": "a ${{parameters.number}} \"b\" 'c' $(id)",
        "empty": "",
        "word": "${{parameters.word}}",
        "absent": "${{parameters.nothing}}",
        "target": "${{outputs.out}}",
    }
    pipeline = world.pipeline(
        step(
            world,
            source,
            "types",
            "deep/types.ipynb",
            parameters=[{"name": name, "value": value} for name, value in given.items()],
        ),
        parameters=[
            {"name": "number", "type": "number", "default": 0},
            {"name": "word", "default": "0"},
            {"name": "nothing", "optional": True},
        ],
    )
    run = over(world.submit(pipeline), timeout_s=BUILD_S)
    assert run.status == "completed", (run.reason, log_of(run, "types"))
    said = '[0, false, "a 0 \\"b\\" \'c\' $(id)", "", "0", "own"]'
    log = log_of(run, "types")
    assert said in log
    assert log.index("Cell 3") < log.index(said)
    assert not any("Traceback" in line for line in log)

    executed = kept(world, run, "types", "types.ipynb")
    assert [output["output_type"] for output in outputs_of(executed)] == ["stream", "execute_result"]
    assert said in kept(world, run, "types", "types.html").replace("&quot;", '"').replace("&#39;", "'")
    row = StepRun.objects.get(run=run)
    folder = queries.OutputFolder(world.workspace, row, "executed_notebook")
    assert sorted(entry.name for entry in folder.list("").entries) == ["types.html", "types.ipynb"]
    _entry, stream = queries.OutputFolder(world.workspace, row, "out").open("answer.txt")
    with stream:
        assert stream.read() == b"42"

    again = over(world.submit(pipeline))
    assert StepRun.objects.get(run=again).reused_from == row
    assert kept(world, again, "types", "types.ipynb") == executed


def test_what_goes_wrong_is_told_and_the_notebook_kept_as_it_was_by_then(
    world: World, source: str, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack()
    stack.node(world.node.target_id)
    pipeline = world.pipeline(
        step(world, source, "fails", "fails.ipynb"),
        step(world, source, "asks", "asks.ipynb"),
        step(world, source, "dies", "dies.ipynb"),
        step(world, source, "slow", "endless.ipynb", timeout_s=45),
        step(world, source, "slow_cell", "endless.ipynb", cell_timeout_s=5),
        step(world, source, "loud", "loud.ipynb"),
        step(world, source, "elsewhere", "elsewhere.ipynb"),
        step(world, source, "kernel", "fails.ipynb", kernel="nowhere"),
        # Of two that do the same one would wait for the other.
        step(world, source, "again", "fails.ipynb", retry={"max_attempts": 2}, environment_variables={"TRY": "again"}),
    )
    run = over(world.submit(pipeline), timeout_s=BUILD_S)
    assert world.statuses(run) == {
        **dict.fromkeys(("fails", "asks", "dies", "slow", "slow_cell", "kernel", "again"), "failed"),
        **dict.fromkeys(("loud", "elsewhere"), "completed"),
    }
    endings = {
        "fails": "Cell 2 failed: ZeroDivisionError: division by zero",
        "asks": "Cell 1 failed: nobody can answer input() in a run. Make the value a parameter of the notebook.",
        "slow_cell": "Cell 2 failed. It ran longer than the time limit of a cell, 5 s.",
    }
    for name, sentence in endings.items():
        assert log_of(run, name)[-2] == sentence
    assert "Cell 1 failed. The kernel ended while this cell ran" in log_of(run, "dies")[-2]
    assert "has no kernel “nowhere”. There are: python3." in log_of(run, "kernel")[-2]
    assert any("names the kernel “conda-env-mine”, which is not here" in line for line in log_of(run, "elsewhere"))
    assert any("1 / 0" in re.sub("\x1b\\[[0-9;]*m", "", line) for line in log_of(run, "fails"))
    assert "never" not in log_of(run, "fails")

    assert outputs_of(kept(world, run, "fails", "fails.ipynb"))[-1]["ename"] == "ZeroDivisionError"
    assert "ZeroDivisionError" in kept(world, run, "fails", "fails.html")
    assert StepRun.objects.get(run=run, name="again").attempt == 2
    assert "/2/" in StepRun.objects.get(run=run, name="again").outputs.outputs["executed_notebook"].path
    assert "The kernel ended" in outputs_of(kept(world, run, "dies", "dies.ipynb"))[-1]["evalue"]
    assert "The step was ended" in outputs_of(kept(world, run, "slow", "endless.ipynb"))[-1]["evalue"]
    assert StepRun.objects.get(run=run, name="kernel").outputs is None
    loud = kept(world, run, "loud", "loud.ipynb")
    assert len(loud) < 1_100_000
    assert "the log of the step has all of it" in loud
    assert "the end" in log_of(run, "loud")


def test_a_cancelled_notebook_ends_with_its_kernel_and_is_kept(
    world: World, source: str, worker_stack: Callable[..., Stack]
) -> None:
    stack = worker_stack()
    stack.node(world.node.target_id)
    run = world.submit(world.pipeline(step(world, source, "long", "endless.ipynb")))

    def kernel() -> int:
        said = re.search(r"kernel (\d+)", "\n".join(log_of(run, "long")))
        job = Job.objects.get(owner=f"step:{StepRun.objects.get(run=run).pk}")
        return pid_outside(job, int(said[1])) if said else 0

    process = wait_for(kernel, what="the kernel says its number", timeout_s=BUILD_S)
    services.cancel_run(world.access, run)
    over(run)
    assert (run.status, world.statuses(run)) == ("cancelled", {"long": "cancelled"}), log_of(run, "long")
    assert not psutil.pid_exists(process)
    executed = outputs_of(kept(world, run, "long", "endless.ipynb"))
    assert executed[0]["text"] == ["done\n"]
    assert "The step was ended while this cell ran." in executed[-1]["evalue"]

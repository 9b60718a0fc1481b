"""What a step's process finds in its environment, with a fresh interpreter and with one that was kept ready."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datastores import snapshots
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for
from tests.support.warm import warm_jobs

pytestmark = pytest.mark.django_db(transaction=True)

TELL = """
import json, os, sys, time
names = ("LEVEL", "NUMBER", "EMPTY", "NOTE", "PYTHONHASHSEED", "OMP_NUM_THREADS", "LANG", "TZ")
said = {name: os.environ.get(name) for name in names}
print(json.dumps({**said, "hash": hash("a word"), "hour": time.localtime(0).tm_hour}))
"""
PLACES = """
import os, pathlib, lib_of_mine
numbers, result = pathlib.Path(os.environ["NUMBERS"], "n.txt"), pathlib.Path(os.environ["RESULT"])
result.write_text(numbers.read_text() + lib_of_mine.WORD)
print("wrote", result.read_text())
"""
VARIABLES = {
    "LEVEL": "${{parameters.level}}",
    "NUMBER": "${{parameters.number}}",
    "EMPTY": "",
    "NOTE": "${{parameters.note}}",
    "PYTHONHASHSEED": "${{parameters.seed}}",
    "OMP_NUM_THREADS": "3",
    "TZ": "Asia/Tokyo",
}
PARAMETERS = [
    {"name": "level", "default": "low"},
    {"name": "number", "type": "integer", "default": 0},
    {"name": "note", "optional": True},
    {"name": "seed", "type": "integer", "default": 7},
    {"name": "warm", "type": "boolean", "default": True},
]


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack], tmp_path: Path) -> tuple[Stack, Path]:
    stack = worker_stack(STUDIO_WARM_STARTS="true", STUDIO_LOG_LEVEL="DEBUG", STUDIO_NODE_HOME=str(tmp_path / "node"))
    worker = stack.node(world.node.target_id)
    return stack, worker.log


def test_a_step_finds_its_variables_cold_and_warm(world: World, studio: tuple[Stack, Path]) -> None:
    _stack, log = studio
    source = snapshots.edit(world.workspace, None, put={"tell.py": TELL}).digest
    variables = {**VARIABLES, "STUDIO_WARM_STARTS": "${{parameters.warm}}"}
    more = {
        "source": source,
        "entry": "tell.py",
        "outputs": [],
        "allow_reuse": False,
        "environment_variables": variables,
    }
    pipeline = world.pipeline(world.step("tell", **more), parameters=PARAMETERS)

    def said(**parameters: Any) -> tuple[Run, dict[str, Any]]:
        run = over(world.submit(pipeline, parameters=parameters))
        assert run.status == "completed", log_of(run, "tell")
        return run, json.loads(log_of(run, "tell")[-1])

    def started_warm(run: Run) -> bool:
        return StepRun.objects.values_list("job_id", flat=True).get(run=run) in warm_jobs(log)

    wanted = {"LEVEL": "low", "NUMBER": "0", "EMPTY": "", "NOTE": None, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "3"}
    cold, by_fresh = said(warm=False)
    assert wanted.items() <= by_fresh.items()
    assert (by_fresh["LANG"], by_fresh["TZ"], by_fresh["hour"]) == ("C.UTF-8", "Asia/Tokyo", 9)
    assert not started_warm(cold)

    found: list[dict[str, Any]] = []

    def starts_warm() -> bool:
        run, by_warm = said()
        found.append(by_warm)
        return started_warm(run)

    wait_for(starts_warm, what="a step starts warm", timeout_s=60)
    assert found == [by_fresh] * len(found)
    _run, other = said(level="", seed=8, note="there")
    assert (other["LEVEL"], other["NOTE"], other["PYTHONHASHSEED"]) == ("", "there", "8")
    assert other["hash"] != by_fresh["hash"]


def test_variables_with_places_of_the_attempt(world: World, studio: tuple[Stack, Path]) -> None:
    write = "import pathlib, sys; folder = pathlib.Path(sys.argv[1]); (folder / 'n.txt').write_text('42 ')\n"
    write += "(folder / 'lib_of_mine.py').write_text('WORD = \"and more\"')"
    source = snapshots.edit(world.workspace, None, put={"write.py": write, "places.py": PLACES}).digest
    wanted = {
        "NUMBERS": "${{inputs.from_write}}",
        "PYTHONPATH": "${{inputs.from_write}}",
        "RESULT": "${{outputs.out}}/result.txt",
    }
    reads = world.step("reads", "write", source=source, entry="places.py", environment_variables=wanted)
    pipeline = world.pipeline(
        world.step("write", source=source, entry="write.py") | {"arguments": "${{outputs.out}}"},
        {**reads, "arguments": ""},
    )
    run = over(world.submit(pipeline))
    assert run.status == "completed", log_of(run, "reads")
    assert log_of(run, "reads")[-1] == "wrote 42 and more"

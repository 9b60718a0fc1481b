"""A run that failed goes on, on a real node: its script is edited through the API, and what was done stays done."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from datastores import snapshots
from pipelines import queries
from pipelines.models import Run, StepRun
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = """
import pathlib, sys
pathlib.Path(sys.argv[1], "number.txt").write_text("20")
print("wrote 20")
"""
BROKEN = """
import pathlib, sys
number = pathlib.Path(sys.argv[1], "number.txt").read_text()
print("read", number)
pathlib.Path(sys.argv[2], "half.txt").write_text("not complete")
print(number + 1)
"""
MENDED = BROKEN.replace("print(number + 1)", 'pathlib.Path(sys.argv[2], "number.txt").write_text(str(int(number) + 1))')
SHOW = """
import pathlib, sys
print("files", sorted(path.name for path in pathlib.Path(sys.argv[1]).iterdir()))
print("result", pathlib.Path(sys.argv[1], "number.txt").read_text())
"""


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_NODE_HEARTBEAT_S="0.5", STUDIO_NODE_LEASE_S="2")
    stack.node(world.node.target_id)
    return stack


def over(run: Run, status: str) -> None:
    def look() -> bool:
        run.refresh_from_db()
        return run.finished_at is not None

    wait_for(look, what=f"run {run.pk} ends", timeout_s=90)
    assert run.status == status, run.reason


def log_of(step: StepRun, attempt: int | None = None) -> str:
    return "\n".join(line["t"] for line in queries.log_page(step, attempt=attempt, start=0, count=200)["lines"])


def test_a_failed_step_is_edited_and_its_run_completes(world: World, studio: Stack) -> None:
    scripts = {"write.py": WRITE, "add.py": BROKEN, "show.py": SHOW}
    source = snapshots.edit(world.workspace, None, put=scripts).digest

    def step(name: str, entry: str, *reads: str) -> dict[str, Any]:
        inputs = " ".join(f"${{{{inputs.from_{each}}}}}" for each in reads)
        arguments = f"{inputs} ${{{{outputs.out}}}}"
        return world.step(name, *reads, source=source, entry=entry, arguments=arguments)

    run = world.submit(
        world.pipeline(step("write", "write.py"), step("add", "add.py", "write"), step("show", "show.py", "add"))
    )
    over(run, "failed")
    written = StepRun.objects.filter(run=run, name="write").values().get()

    client = Client()
    client.force_login(world.owner)
    step_url = f"/api/workspaces/ours/runs/{run.pk}/steps/add/"
    body = {"base_edit": 0, "files": {"put": [{"path": "add.py", "text": MENDED}]}}
    answer = client.post(f"{step_url}edit/", json.dumps(body), content_type="application/json")
    assert (answer.status_code, answer.json()["steps"]) == (200, 2)
    over(run, "completed")

    # The step before it was not run again, and what the first attempt left is in nobody's way.
    assert StepRun.objects.filter(run=run, name="write").values().get() == written
    assert "result 21" in log_of(StepRun.objects.get(run=run, name="show"))
    add = StepRun.objects.get(run=run, name="add")
    assert add.attempt == 2
    assert [attempt.number for attempt in queries.attempts_of(add)] == [1, 2]
    assert "TypeError" in log_of(add, 1)
    assert "TypeError" not in log_of(add, 2)
    downloaded = client.get(f"{step_url}log/download/?attempt=1")
    assert b"TypeError" in b"".join(downloaded.streaming_content)
    ran = [client.get(f"{step_url}code/?path=add.py&attempt={number}").json()["text"] for number in (1, 2)]
    assert ran == [BROKEN, MENDED]
    assert_no_gap(run)


def test_a_cancelled_run_is_continued(world: World, studio: Stack) -> None:
    """The first attempt would never end; the second one, told by the folder that it writes to, does at once."""
    waits = "import sys, time\ntime.sleep(0 if '/wait/2/' in sys.argv[1] else 600)\nprint('went on')\n"
    source = snapshots.edit(world.workspace, None, put={"main.py": waits}).digest
    wait = world.step("wait", source=source, arguments="${{outputs.out}}")
    run = world.submit(world.pipeline(wait, world.step("end", "wait")))
    wait_for(lambda: world.statuses(run)["wait"] == "running", what="the step runs", timeout_s=90)
    client = Client()
    client.force_login(world.owner)
    base = f"/api/workspaces/ours/runs/{run.pk}/"
    assert client.post(f"{base}cancel/").status_code == 202
    over(run, "cancelled")
    assert client.post(f"{base}continue/").json()["steps"] == 2
    over(run, "completed")
    step = StepRun.objects.get(run=run, name="wait")
    assert "went on" in log_of(step)
    assert [attempt.number for attempt in queries.attempts_of(step)] == [1, 2]

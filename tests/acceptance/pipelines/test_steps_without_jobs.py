"""A condition, a wait and an approval among real steps, with real workers: some of them die while a step waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from datastores import snapshots
from pipelines import services
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import over
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = """
import pathlib, sys
from studio_sdk.core import Run
run = Run.get_context()
for loss in (0.8, 0.25):
    run.log("loss", loss)
pathlib.Path(sys.argv[1], "metrics.json").write_text('{"accuracy": 0.93}')
"""
SAY = "print('here')"


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def reaches(run: Run, name: str, status: str) -> None:
    wait_for(lambda: step_of(run, name).status == status, what=f"{name} is {status}", timeout_s=40)


def test_a_run_decides_waits_and_asks(world: World, worker_stack: Callable[..., Stack]) -> None:
    source = snapshots.edit(world.workspace, None, put={"write.py": WRITE, "say.py": SAY}).digest
    reads = [{"name": "metrics", "binding": {"kind": "output", "step": "train", "output": "out"}}]

    def say(name: str, **more: object) -> dict[str, object]:
        return world.step(name, source=source, entry="say.py", arguments=name, outputs=[], allow_reuse=False, **more)

    run = world.submit(
        world.pipeline(
            world.step("train", source=source, entry="write.py", arguments="${{outputs.out}}"),
            {
                "kind": "condition",
                "name": "good",
                "inputs": reads,
                "expression": '${{inputs.metrics}}["/accuracy"] >= 0.9 and ${{steps.train.metrics.loss}} == 0.25',
            },
            {"kind": "wait", "name": "wait", "duration": "1.5 s", "only_if": {"step": "good", "answer": True}},
            say("bad", only_if={"step": "good", "answer": False}),
            {"kind": "approval", "name": "ask", "message": "Publish it?", "run_after": ["wait"]},
            {"kind": "wait", "name": "again", "duration": "1 s", "run_after": ["ask"]},
            say("publish", run_after=["again", "bad"]),
        )
    )
    stack = worker_stack(STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.node(world.node.target_id)
    control = stack.control()  # and nobody who sweeps: the bells alone
    reaches(run, "ask", "running")
    waited = step_of(run, "wait")
    assert waited.started_at is not None
    assert waited.finished_at is not None
    assert timedelta(seconds=1.5) <= waited.finished_at - waited.started_at < timedelta(seconds=4)

    # The bell for the next wait dies with its worker; the sweep of another one finds that it is over.
    control.kill()
    services.answer_step(world.access, run, "ask", approve=True, comment="Looks good.")
    assert step_of(run, "again").status == "running"
    stack.control()
    stack.scheduler()
    over(run)
    assert world.statuses(run) == {
        "train": "completed",
        "good": "completed",
        "wait": "completed",
        "bad": "not_taken",
        "ask": "completed",
        "again": "completed",
        "publish": "completed",
    }
    run.refresh_from_db()
    assert run.status == "completed"
    assert step_of(run, "ask").reason == "Approved by ours-owner: Looks good."
    assert_no_gap(run)

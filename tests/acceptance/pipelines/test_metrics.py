"""What steps measure, by the SDK that they find, on a real node: kept, guarded, and seen on the run."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from compute.metrics.reading import entries_of, image_of, points_of
from compute.models import Metric
from datastores import snapshots
from pipelines.metric_queries import Measured, measured_in, tags_of
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "measure.py": """
import base64, os, sys
from studio_sdk.core import Run
run = Run.get_context()
for step in range(10_000):
    run.log("loss", 1 / (step + 1), step=step)
run.log("<b>odd</b>", float("nan"))
run.log("<b>odd</b>", float("inf"))
run.log_list("names", ["a", "b"])
run.log_row("scores", fold=1, score=0.5)
run.log_table("scores", {"fold": [2, 3], "score": [0.6, 0.7]})
run.log_confusion_matrix("confusion", {"schema_type": "confusion_matrix", "schema_version": "v1",
    "data": {"class_labels": ["0", "1"], "matrix": [[3, 1], [0, 4]]}})
with open("dot.png", "wb") as file:
    file.write(base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="))
run.log_image("dot", path="dot.png")
run.set_tags({"stage": "baseline"})
run.add_properties({"rows": 100})
print(run.id, run.name, run.experiment.name, sys.path[1].endswith("studio/sdk"), run.get_tags())
""",
    "killed.py": """
import os, signal
from studio_sdk.core import Run
Run.get_context().log("before", 7)
os.kill(os.getpid(), signal.SIGKILL)
""",
    "hostile.py": """
import os
spool = os.environ["STUDIO_SPOOL"]
with open(spool, "ab") as file:
    file.write(b"\\x00\\xff nonsense\\n" * 1000)
    file.write(b"x" * 12_000_000 + b"\\n")
    file.write(b"[" * 100_000 + b"\\n")
    file.write(b'["s","kept",1.5,0]\\n["s","half"')
    file.truncate(file.tell())
os.unlink(spool)
os.symlink("/dev/zero", spool)
""",
}


@pytest.fixture
def source(world: World) -> str:
    return snapshots.edit(world.workspace, None, put=SCRIPTS).digest


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack(STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(world.node.target_id)
    return stack


def over(run: Run) -> Run:
    def look() -> bool:
        run.refresh_from_db()
        return run.finished_at is not None

    wait_for(look, what=f"run {run.pk} ends", timeout_s=60)
    return run


def measured(run: Run, step: str) -> dict[str, Metric]:
    return {each.metric.name: each.metric for each in measured_in(run, step=step)}


def test_all_that_a_step_says_is_kept_and_a_reused_step_shows_it_too(world: World, source: str, studio: Stack) -> None:
    def step(name: str, entry: str) -> dict[str, Any]:
        return world.step(name) | {"source": source, "entry": entry, "outputs": []}

    pipeline = world.pipeline(step("measure", "measure.py"), step("killed", "killed.py"), step("hostile", "hostile.py"))
    run = over(world.submit(pipeline, experiment="trials"))
    assert world.statuses(run) == {"measure": "completed", "killed": "failed", "hostile": "completed"}
    found = measured(run, "measure")
    assert list(found) == ["loss", "<b>odd</b>", "names", "scores", "confusion", "dot"]
    loss = found["loss"]
    assert (loss.count, loss.last, loss.high, loss.last_step) == (10_000, "0.0001", "1.0", 9999)
    points, of = points_of(loss, 100)
    assert (of, points.values[0], points.steps[-1], len(points) <= 100) == (10_000, 1.0, 9999, True)
    odd, _ = points_of(found["<b>odd</b>"], 100)
    assert math.isnan(odd.values[0])
    assert (list(odd.steps), odd.values[1]) == ([0, 1], math.inf)
    assert entries_of(found["names"]) == ["a", "b"]
    assert entries_of(found["scores"], start=1) == [{"fold": 2, "score": 0.6}, {"fold": 3, "score": 0.7}]
    assert (image_of(found["dot"], 0) or b"").startswith(b"\x89PNG")
    own = StepRun.objects.get(run=run, name="measure")
    assert [(tag.name, tag.value, tag.is_property) for tag in tags_of(run, own)] == [
        ("stage", "baseline", False),
        ("rows", "100", True),
    ]
    assert log_of(run, "measure")[-1] == f"{run.pk}:measure measure trials True {{'stage': 'baseline'}}"

    assert measured(run, "killed")["before"].last == "7.0"
    assert list(measured(run, "hostile")) == ["kept"]
    said = "\n".join(log_of(run, "hostile"))
    assert "makes no sense here" in said
    assert "longer than 5 MB" in said
    assert "1,003 things that the step logged were not kept" in said

    again = over(world.submit(pipeline, experiment="trials"))
    first: list[Measured] = measured_in(again, step="measure")
    assert (first[0].metric.pk, first[0].who.reused_from) == (loss.pk, run.pk)

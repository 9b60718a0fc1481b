"""A model of a real step, read by another run's real step: as a folder, as a file, and after its own run is gone."""

from collections.abc import Callable

import pytest

from datastores import snapshots
from pipelines import services
from pipelines.models import StepRun
from pipelines.services import Left
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.models import reads_model, register
from tests.service.pipelines.trash import purge
from tests.service.pipelines.world import World
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "train.py": """
import pathlib, sys
pathlib.Path(sys.argv[1], "weights.txt").write_text("0.5")
pathlib.Path("outputs").mkdir()
pathlib.Path("outputs/best.txt").write_text("0.7")
""",
    "use.py": """
import pathlib, sys
model = pathlib.Path(sys.argv[1])
print("read", model.read_text() if model.is_file() else {path.name: path.read_text() for path in model.iterdir()})
""",
}


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack()
    stack.node(world.node.target_id)
    return stack


def test_what_one_run_made_another_reads(world: World, studio: Stack) -> None:
    source = snapshots.edit(world.workspace, None, put=SCRIPTS).digest
    train = {**world.step("train", source=source, entry="train.py"), "arguments": "${{outputs.out}}"}
    made = over(world.submit(world.pipeline(train)))
    assert made.status == "completed", (made.reason, log_of(made, "train"))
    step = StepRun.objects.get(run=made)
    folder = register(world, step, "folder", stage="production")
    register(world, step, "file", left=Left(artifact="outputs/best.txt"))
    assert folder.fingerprint == step.outputs.outputs["out"].fingerprint

    steps = [
        reads_model(world, "all", "folder", stage="production", source=source, entry="use.py", outputs=[]),
        reads_model(world, "one", "file", source=source, entry="use.py", outputs=[]),
    ]
    pipeline = world.pipeline(*steps, name="user")
    run = over(world.submit(pipeline))
    assert log_of(run, "all")[-1] == "read {'weights.txt': '0.5'}"
    assert log_of(run, "one")[-1] == "read 0.7"

    purge(world, made)
    again = over(world.submit(pipeline, regenerate_outputs=True))
    assert again.status == "completed"
    assert log_of(again, "all")[-1] == "read {'weights.txt': '0.5'}"
    services.delete_model_version(world.access, folder)

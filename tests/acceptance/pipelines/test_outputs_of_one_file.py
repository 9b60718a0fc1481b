"""An output that is one file: a path for who writes it, a path for who reads it, a dataset, and taken again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import Http404

from datastores import snapshots
from datastores.models import DatasetVersion
from pipelines import queries
from pipelines.lineage.graph import walk
from pipelines.lineage.nodes import Place, Version
from pipelines.models import Pipeline, StepRun
from pipelines.step_data import data_of
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "write.py": """
import pathlib, sys
model = pathlib.Path(sys.argv[1])
assert model.name == "model.txt" and model.parent.is_dir() and not model.exists(), model
if len(sys.argv) > 2:
    model.write_text(sys.argv[2])
    (model.parent / "beside.txt").write_text("no part of it")
""",
    "read.py": """
import pathlib, sys
model = pathlib.Path(sys.argv[1])
print("found", model.read_text() if model.is_file() else sorted(model.iterdir()))
""",
}
PARAMETERS = [{"name": "text", "optional": True}]


@pytest.fixture
def studio(world: World, worker_stack: Callable[..., Stack]) -> Stack:
    stack = worker_stack()
    stack.node(world.node.target_id)
    return stack


def _pipeline(world: World, *, name: str = "model", **output: Any) -> Pipeline:
    source = snapshots.edit(world.workspace, None, put=SCRIPTS).digest
    written = {"name": "out", "file": "model.txt", **output}
    write = world.step("write", source=source, entry="write.py", outputs=[written])
    read = world.step("read", "write", source=source, entry="read.py", outputs=[])
    return world.pipeline(
        {**write, "arguments": "${{outputs.out}} $[[${{parameters.text}}]]"}, read, name=name, parameters=PARAMETERS
    )


def test_a_file_is_written_read_registered_and_taken_again(world: World, studio: Stack) -> None:
    pipeline = _pipeline(world, register_as={"dataset": "model"})
    run = over(world.submit(pipeline, parameters={"text": "weights"}))
    assert run.status == "completed", (run.reason, log_of(run, "write"))
    assert log_of(run, "read")[-1] == "found weights"
    step = StepRun.objects.get(run=run, name="write")
    record = step.outputs.outputs["out"]
    assert (record.path.rpartition("/")[2], record.is_file, record.file_count) == ("model.txt", True, 1)

    folder = queries.OutputFolder(world.workspace, step, "out")
    assert [entry.label for entry in folder.list("").entries] == ["model.txt"]
    _entry, stream = folder.open("model.txt")
    with stream:
        assert stream.read() == b"weights"
    for path in ("beside.txt", "model.txt/x"):
        with pytest.raises(Http404):
            folder.open(path)

    version = DatasetVersion.objects.get(dataset__name="model")
    assert [path.path for path in version.definition.paths] == [record.path]
    (shown,) = data_of(world.workspace, step).outputs
    assert (shown["file"], shown["version"]["name"]) == ("model.txt", "model:1")
    assert shown["browse_url"].endswith("%2Fout")

    # Back from the file, and from what it became, to the step that wrote it; forward to the one that read it.
    for centre in (Place(record.datastore_id, record.path), Version(version.pk)):
        drawn = walk(world.workspace, centre).as_json()
        assert {"write", "read"} <= {node["title"] for node in drawn["nodes"]}, centre

    again = over(world.submit(pipeline, parameters={"text": "weights"}))
    assert not StepRun.objects.filter(run=again).exclude(job=None).exists()
    assert again.status == "completed"
    other = over(world.submit(_pipeline(world, name="other"), parameters={"text": "weights"}))
    assert (
        StepRun.objects.get(run=other, name="write").reused_from is not None
    )  # it registers nothing, which is no other
    folder_now = _pipeline(world, name="folder", file=None)
    assert over(world.submit(folder_now, parameters={"text": "weights"})).status == "failed"  # its script wants a file


def test_a_file_that_was_not_written_is_an_empty_folder_or_a_failure(world: World, studio: Stack) -> None:
    run = over(world.submit(_pipeline(world)))
    assert run.status == "completed"
    assert any("wrote no file “model.txt”" in line for line in log_of(run, "write"))
    assert log_of(run, "read")[-1] == "found []"
    run = over(world.submit(_pipeline(world, name="required", required=True)))
    assert run.status == "failed"
    step = StepRun.objects.get(run=run, name="write")
    assert step.reason == "Output “out” is required, and the script ended without its file “model.txt”."


def test_an_output_that_only_arguments_speak_of_is_kept(world: World, studio: Stack) -> None:
    scripts = {"write.py": "import pathlib, sys\npathlib.Path(sys.argv[1], 'a.txt').write_text('1')\n"}
    source = snapshots.edit(world.workspace, None, put=scripts).digest
    step = world.step("write", source=source, entry="write.py", outputs=[]) | {"arguments": "${{outputs.model}}"}
    run = over(world.submit(world.pipeline(step)))
    folder = queries.OutputFolder(world.workspace, StepRun.objects.get(run=run), "model")
    assert [entry.label for entry in folder.list("").entries] == ["a.txt"]

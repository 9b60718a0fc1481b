"""A pipeline as a step, and one for each item of a list that a step writes, with real workers."""

from collections.abc import Callable

import pytest

from datastores import snapshots
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "list.py": """
import pathlib, sys
pathlib.Path(sys.argv[1], "sizes.json").write_text("[2, 3, 5]")
""",
    "square.py": """
import pathlib, sys
size = int(sys.argv[1])
pathlib.Path(sys.argv[2], "square.txt").write_text(str(size * size))
""",
    "count.py": """
import json, pathlib, sys
(found,) = pathlib.Path(sys.argv[1]).iterdir()
pathlib.Path(sys.argv[2], "count.txt").write_text(str(len(json.loads(found.read_text()))))
""",
    "collect.py": """
import json, pathlib, sys
squares, count = map(pathlib.Path, sys.argv[1:])
for item in json.loads((squares / "items.json").read_text()):
    print(item["values"]["size"], (squares / item["folder"] / "square.txt").read_text())
print("count", (count / "count.txt").read_text())
""",
}


def test_a_list_is_written_mapped_counted_and_brought_together(
    world: World, worker_stack: Callable[..., Stack]
) -> None:
    source = snapshots.edit(world.workspace, None, put=SCRIPTS).digest
    square = world.step("square", source=source, entry="square.py")
    square["arguments"] = "${{parameters.size}} ${{outputs.out}}"
    world.pipeline(square, name="square", parameters=[{"name": "size", "type": "integer"}])
    count = world.step("count", source=source, entry="count.py")
    count["inputs"] = [{"name": "data", "binding": {"kind": "parameter", "parameter": "data"}}]
    count["arguments"] = "${{inputs.data}} ${{outputs.out}}"
    world.pipeline(count, name="count", parameters=[{"name": "data", "type": "data_path"}])

    first = world.step("list", source=source, entry="list.py", arguments="${{outputs.out}}")
    reads = {"kind": "output", "step": "list", "output": "out"}
    each = {
        "kind": "map",
        "name": "each",
        "pipeline": "square",
        "inputs": [{"name": "sizes", "binding": reads}],
        "items": "${{inputs.sizes}}",
        "item_parameters": "size",
        "at_once": 2,
        "outputs": [{"name": "squares", "taken_from": "square.out"}],
    }
    nest = {
        "kind": "pipeline",
        "name": "nest",
        "pipeline": "count",
        "inputs": [{"name": "data", "binding": reads}],
        "outputs": [{"name": "count", "taken_from": "count.out"}],
    }
    collect = world.step("collect", source=source, entry="collect.py", outputs=[])
    collect["inputs"] = [
        {"name": "squares", "binding": {"kind": "output", "step": "each", "output": "squares"}},
        {"name": "count", "binding": {"kind": "output", "step": "nest", "output": "count"}},
    ]
    collect["arguments"] = "${{inputs.squares}} ${{inputs.count}}"
    pipeline = world.pipeline(first, each, nest, collect, name="outer")

    run = world.submit(pipeline)
    stack = worker_stack(STUDIO_SWEEP_INTERVAL_S="1")
    stack.node(world.node.target_id)
    stack.control()
    stack.scheduler()
    run = over(run, timeout_s=90)
    said = {step.name: (step.status, step.reason) for step in StepRun.objects.filter(run=run)}
    assert run.status == "completed", said
    assert log_of(run, "collect") == ["2 4", "3 9", "5 25", "count 3"]
    children = Run.objects.filter(parent_step__run=run, parent_step__name="each").order_by("child_number")
    assert [(child.child_label, child.status) for child in children] == [(str(n), "completed") for n in (2, 3, 5)]
    assert_no_gap(run)
    record = StepRun.objects.get(run=run, name="each").outputs.outputs["squares"]
    assert list(record.parts) == ["2", "3", "5"]

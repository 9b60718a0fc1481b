"""Modules with real workers: a published step runs in two pipelines, and an equal step takes its result."""

from collections.abc import Callable

import pytest

from datastores import snapshots
from pipelines.models import StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "write.py": "import pathlib, sys\npathlib.Path(sys.argv[1], 'word.txt').write_text('studio')\n",
    "repeat.py": """
import pathlib, sys
text = next(pathlib.Path(sys.argv[1]).glob("*.txt")).read_text()
said = " ".join([text] * int(sys.argv[2]))
print(said)
pathlib.Path(sys.argv[3], "said.txt").write_text(said)
""",
}
TIMES = {"name": "times", "type": "integer", "default": 2, "minimum": 1, "maximum": 9}


def test_a_published_step_runs_in_pipelines_with_values_of_their_own(
    world: World, worker_stack: Callable[..., Stack]
) -> None:
    source = snapshots.edit(world.workspace, None, put=SCRIPTS).digest
    reads = {"kind": "output", "step": "write", "output": "out"}
    write = world.step("write", source=source, entry="write.py", arguments="${{outputs.out}}")
    repeat = world.step(
        "repeat",
        source=source,
        entry="repeat.py",
        arguments="${{inputs.text}} ${{parameters.times}} ${{outputs.out}}",
        inputs=[{"name": "text", "binding": reads}],
    )
    world.publish(repeat, name="repeat", parameters=[TIMES])
    use = {
        "kind": "module",
        "module": "repeat",
        "inputs": [{"name": "text", "binding": reads}],
        "outputs": [{"name": "out"}],
    }
    # Two steps of one run: each with its own value.
    twice = {**use, "name": "twice"}
    thrice = {**use, "name": "thrice", "parameters": [{"name": "times", "value": "${{parameters.most}}"}]}
    most = {"name": "most", "type": "integer", "default": 3}
    run = world.submit(world.pipeline(write, twice, thrice, name="uses", parameters=[most]))
    stack = worker_stack(STUDIO_SWEEP_INTERVAL_S="1")
    stack.node(world.node.target_id)
    stack.control()
    stack.scheduler()
    run = over(run, timeout_s=90)
    assert run.status == "completed", list(StepRun.objects.filter(run=run).values_list("name", "status", "reason"))
    assert log_of(run, "twice") == ["studio studio"]
    assert log_of(run, "thrice") == ["studio studio studio"]
    assert_no_gap(run)
    # A pipeline that has the step written out takes what the module made.
    by_hand = world.submit(world.pipeline(write, repeat, name="by hand", parameters=[TIMES]))
    by_hand = over(by_hand, timeout_s=60)
    taken = StepRun.objects.get(run=by_hand, name="repeat")
    assert (by_hand.status, taken.reused_from) == ("completed", StepRun.objects.get(run=run, name="twice"))

"""A sweep with real workers: trials log by the SDK, one fails, one is given up while it runs, the best is taken."""

import json
from collections.abc import Callable

import pytest

from datastores import snapshots
from pipelines.kinds.sweep import STOPPED
from pipelines.models import Run, StepRun
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPTS = {
    "fit.py": """
import pathlib, sys, time
from studio_sdk.core import Run
rate, folder = float(sys.argv[1]), pathlib.Path(sys.argv[2])
run = Run.get_context()
if rate == 0.5:
    sys.exit(3)
run.log("accuracy", 0.1)
run.log("accuracy", 1 - abs(rate - 0.3))
while rate == 0.9:  # it would never end by itself
    time.sleep(0.05)
    run.log("accuracy", 0.2)
(folder / "model.txt").write_text(f"rate {rate}")
""",
    "use.py": """
import json, pathlib, sys
model, trials = map(pathlib.Path, sys.argv[1:])
print(next(model.iterdir()).read_text() if model.is_dir() else model.read_text())
print(json.dumps(json.loads(trials.read_text())["best"]["values"]))
""",
}


def test_the_best_of_some_trials_is_found(world: World, worker_stack: Callable[..., Stack]) -> None:
    source = snapshots.edit(world.workspace, None, put=SCRIPTS).digest
    fit = world.step("fit", source=source, entry="fit.py", arguments="${{parameters.rate}} ${{outputs.out}}")
    world.pipeline(fit, name="train", parameters=[{"name": "rate", "type": "number"}])
    tune = {
        "kind": "sweep",
        "name": "tune",
        "pipeline": "train",
        "search_space": [{"name": "rate", "value": "choice(0.1, 0.3, 0.5, 0.9)"}],
        "sampling": "grid",
        "primary_metric": "accuracy",
        "max_concurrent_runs": 2,
        "early_termination": "bandit",
        "slack_amount": 0.5,
        "delay_evaluation": 4,
        "outputs": [{"name": "out"}, {"name": "found", "taken_from": "trials.json"}],
    }
    use = world.step("use", source=source, entry="use.py", arguments="${{inputs.model}} ${{inputs.found}}", outputs=[])
    use["inputs"] = [
        {"name": name, "binding": {"kind": "output", "step": "tune", "output": output}}
        for name, output in (("model", "out"), ("found", "found"))
    ]
    run = world.submit(world.pipeline(tune, use, name="outer"))
    stack = worker_stack(STUDIO_SWEEP_INTERVAL_S="0.5", STUDIO_NODE_HEARTBEAT_S="0.5")
    stack.node(world.node.target_id)
    stack.control()
    stack.scheduler()
    over(run, timeout_s=120)
    step = StepRun.objects.get(run=run, name="tune")
    trials = list(Run.objects.filter(parent_step=step).order_by("child_number"))
    assert [trial.status for trial in trials] == ["completed", "completed", "failed", "cancelled"]
    assert trials[3].reason.startswith(STOPPED)
    assert step.reason == ("The best of 4 trials (1 stopped early, 1 failed): trial 2 with accuracy 1 (rate=0.3).")
    assert log_of(run, "use")[-2:] == ["rate 0.3", json.dumps({"rate": 0.3})]
    for each in (run, *trials):
        assert_no_gap(each)

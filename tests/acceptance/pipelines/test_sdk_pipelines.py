"""Programs as people wrote them for azureml, with the root of their imports changed, against a real server and node."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from compute.execution.sdk import SDK
from datastores import snapshots
from datastores.models import Dataset
from pipelines.models import Pipeline, Run, StepRun
from tests.acceptance.pipelines.test_runs import over
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

SCRIPTS = {
    "prep.py": """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--out")
parser.add_argument("--count", type=int)
args = parser.parse_args()
pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
pathlib.Path(args.out, "numbers.txt").write_text("\\n".join(map(str, range(args.count))))
print("wrote", args.count)
""",
    "train.py": """
import argparse, os, pathlib
from azureml.core import Run
parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--rate", type=float)
parser.add_argument("--model")
args = parser.parse_args()
numbers = pathlib.Path(args.data, "numbers.txt").read_text().split()
Run.get_context().log("accuracy", len(numbers) * args.rate)
os.makedirs(args.model, exist_ok=True)
pathlib.Path(args.model, "model.txt").write_text(f"{len(numbers)} {args.rate} {os.environ['AML_PARAMETER_kind']}")
""",
    "compare.py": """
import pathlib, sys
for folder in sys.argv[1:]:
    print(pathlib.Path(folder, "model.txt").read_text())
""",
    "score.py": """
import pathlib
def run(mini_batch):
    return [f"{pathlib.Path(path).name}={pathlib.Path(path).read_text()}" for path in mini_batch]
""",
    "fit.py": """
import argparse, os, pathlib
from azureml.core import Run
parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--bias", type=float)
parser.add_argument("--rate", type=float)
parser.add_argument("--layers", type=int)
args = parser.parse_args()
Run.get_context().log("accuracy", args.bias + args.rate + args.layers)
rows = len(next(pathlib.Path(args.data).iterdir()).read_text().split())
os.makedirs("outputs", exist_ok=True)
pathlib.Path("outputs", "model.txt").write_text(f"rate {args.rate}, layers {args.layers}, rows {rows}")
""",
    "show.py": """
import pathlib, sys
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    for file in [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file()):
        print(file.name, file.read_text().strip())
""",
    "fails.py": "import sys\nprint('last words', flush=True)\nsys.exit(3)\n",
}

COMPARE = """
import json
from azureml.core import Experiment, Workspace
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
rate = PipelineParameter(name="rate", default_value=0.5)
data = PipelineData("data", datastore=ws.get_default_datastore())
prep = PythonScriptStep(name="prepare data", script_name="prep.py", source_directory="src", compute_target="local",
                        arguments=["--out", data, "--count", 10], outputs=[data])
trains, models = [], []
for kind in ("a", "b"):
    model = OutputFileDatasetConfig(name=f"model_{kind}").register_on_complete(name=f"model-{kind}")
    trains.append(PythonScriptStep(name=f"train {kind}", script_name="train.py", source_directory="src",
                                   arguments=["--data", data, "--rate", rate, "--model", model], inputs=[data],
                                   params={"kind": kind}, compute_target="local"))
    models.append(model.as_input())
compare = PythonScriptStep(name="compare", script_name="compare.py", source_directory="src", arguments=models)
pipeline = Pipeline(workspace=ws, steps=[prep, trains, compare])
assert pipeline.validate() == []
experiment = Experiment(ws, "words")

def told(run):
    steps = list(run.get_children())
    return {step.name: [step.get_status(), step.get_properties().get("azureml.isreused")] for step in steps}

first = experiment.submit(pipeline, pipeline_parameters={"rate": 0.25}, tags={"who": "me"})
assert first.wait_for_completion(show_output=True) == "Finished"
second = experiment.submit(pipeline, pipeline_parameters={"rate": "0.25"})
second.wait_for_completion(show_output=False)
third = experiment.submit(pipeline, pipeline_parameters={"rate": 0.25}, regenerate_outputs=True)
third.wait_for_completion(show_output=False)
Pipeline(ws, [prep, trains, compare], name="named").save("pipeline.yml")
again = Pipeline.load_yaml(ws, "pipeline.yml").submit("words", pipeline_parameters={"rate": 0.25})
again.wait_for_completion(show_output=False)
assert again.save() == open("pipeline.yml").read()
train = first.find_step_run("train a")[0]
train.get_output_data("model_a").download("here")
print("RESULT", json.dumps({
    "ids": [first.id, second.id, third.id],
    "steps": [told(first), told(second), told(third), told(again)],
    "metrics": train.get_metrics(),
    "log": first.find_step_run("compare")[0].get_stdout_log(),
    "job_log": first.find_step_run("prepare data")[0].get_job_log(),
    "tags": first.get_tags(),
}))
"""

OTHERS = """
import json
from azureml.core import Dataset, Experiment, ScriptRunConfig, Workspace
from azureml.data import OutputFileDatasetConfig
from azureml.data.datapath import DataPath, DataPathComputeBinding
from azureml.pipeline.core import (InputPortDef, Module, OutputPortDef, Pipeline, PipelineData, PipelineParameter,
                                   StepSequence, TrainingOutput)
from azureml.pipeline.core.graph import ParamDef
from azureml.pipeline.steps import (CommandStep, DataTransferStep, HyperDriveStep, HyperDriveStepRun, ModuleStep,
                                    ParallelRunConfig, ParallelRunStep, PythonScriptStep)
from azureml.train.hyperdrive import GridParameterSampling, HyperDriveConfig, PrimaryMetricGoal, choice
from azureml.widgets import RunDetails

ws = Workspace.from_config()
store = ws.get_default_datastore()
store.upload("files", target_path="files", show_progress=False)
config = ParallelRunConfig(environment="python", entry_script="score.py", source_directory="src", error_threshold=0,
                           output_action="append_row", compute_target="local", node_count=1, mini_batch_size="2",
                           process_count_per_node=2, append_row_file_name="scores.txt")
scored = OutputFileDatasetConfig("scored", destination=(store, "scored/{run-id}")).register_on_complete("scores")
files = Dataset.File.from_files((store, "files"))
score = ParallelRunStep("score", config, inputs=[files.as_named_input("files")], output=scored)

bias = PipelineParameter("bias", 100)
fit = ScriptRunConfig("src", script="fit.py", arguments=["--data", scored.as_input("data"), "--bias", bias])
grid = GridParameterSampling({"--rate": choice(0.1, 0.3), "layers": choice(1, 2)})
search = HyperDriveConfig(run_config=fit, primary_metric_name="accuracy", hyperparameter_sampling=grid,
                          primary_metric_goal=PrimaryMetricGoal.MAXIMIZE, max_total_runs=4, max_concurrent_runs=2)
model = PipelineData("model", training_output=TrainingOutput("Model", model_file="outputs/model.txt"))
trials = PipelineData("trials", training_output=TrainingOutput("Metrics"))
tune = HyperDriveStep("tune", search, inputs=[scored.as_input("data")], outputs=[model], metrics_output=trials)

what, said = InputPortDef("what"), OutputPortDef("said")
module = Module.create(ws, "show", "Shows what it is given.")
module.publish_python_script("show.py", "first", inputs=[what], outputs=[said], source_directory="src",
                             params={"greeting": "hello"}, arguments=[what, ParamDef("greeting"), "it's $5"])
shown = PipelineData("shown")
use = ModuleStep(module, inputs_map={"what": model}, outputs_map={"said": shown}, params={"greeting": "good day"})

counted = PipelineData("counted", is_directory=False)
count = CommandStep(name="count", outputs=[counted], inputs=[model.as_input("m")],
                    command=["find", model.as_input("m"), "-type f | xargs cat | wc -w >", counted])
path = PipelineParameter("path", default_value=DataPath(store, "nowhere"))
show = PythonScriptStep("show.py", source_directory="src", inputs=[trials, counted, (path, DataPathComputeBinding())],
                        arguments=[counted, trials, path], name="show all")
copy = DataTransferStep("copy", source_data_reference=store.path("files", "raw"),
                        destination_data_reference=store.path("copied", "landed"))
pipeline = Pipeline(ws, StepSequence([[copy, count], show, use]), description="All kinds.")
run = Experiment(ws, "others").submit(pipeline, pipeline_parameters={"path": DataPath(store, "copied")})
RunDetails(run).show()
assert run.get_status() == "Finished", run.get_details()
found = HyperDriveStepRun(run.find_step_run("tune")[0])
best = found.get_best_run_by_primary_metric()
print("RESULT", json.dumps({
    "id": run.id,
    "steps": [step.name for step in run.get_steps()],
    "show": run.find_step_run("show all")[0].get_stdout_log(),
    "use": run.find_step_run("show")[0].get_stdout_log(),
    "best": [best.get_metrics(), best.name],
    "sorted": [json.loads(row["hyperparameters"]) for row in found.get_children_sorted_by_primary_metric()],
    "widget": RunDetails(run).as_html(),
}))
"""

FAILS = """
from azureml.core import Experiment, Workspace
from azureml.exceptions import ActivityFailedException
from azureml.pipeline.core import GraphValidationException, Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.from_config()
wrong = Pipeline(ws, [PythonScriptStep("fails.py", source_directory="src", compute_target="nowhere")])
try:
    wrong.submit("fails")
except GraphValidationException as error:
    print("REFUSED", error)
data = PipelineData("data")
fails = PythonScriptStep("fails.py", name="fails", source_directory="src", arguments=[data], outputs=[data])
after = PythonScriptStep("show.py", name="after", source_directory="src", arguments=[data], inputs=[data])
run = Pipeline(ws, [after], name="has its own name").submit("fails")
assert run.wait_for_completion(show_output=False, raise_on_error=False) == "Failed"
assert [step.get_status() for step in run.get_steps()] == ["Failed", "Canceled"]
try:
    run.wait_for_completion()
except ActivityFailedException as error:
    print("FAILED", error)
"""


def rewritten(text: str) -> str:
    """All that a program needs: another root of its imports."""
    return re.sub(r"(?m)^(from|import) azureml\b", r"\1 studio_sdk", text)


@dataclass
class Ended:
    out: str

    @property
    def result(self) -> Any:
        line = next(line for line in self.out.splitlines() if line.startswith("RESULT "))
        return json.loads(line.removeprefix("RESULT "))


@pytest.fixture
def program(
    world: World, live_server: LiveServer, worker_stack: Callable[..., Stack], tmp_path: Path
) -> Callable[[str], Ended]:
    stack = worker_stack(STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.node(world.node.target_id)
    stack.control()
    stack.scheduler()
    folder = tmp_path / "notebook"
    (folder / "src").mkdir(parents=True)
    for name, text in SCRIPTS.items():
        (folder / "src" / name).write_text(rewritten(text))
    (folder / "files").mkdir()
    for number in range(3):
        (folder / "files" / f"{number}.txt").write_text(str(number))
    config = {"url": live_server.url, "workspace": "ours", "token": AuthToken.objects.create(world.owner)[1]}
    (folder / "config.json").write_text(json.dumps(config))

    def run(text: str) -> Ended:
        (folder / "program.py").write_text(rewritten(text))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SDK), "HOME": str(tmp_path)}
        ended = subprocess.run(
            [sys.executable, "program.py"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return Ended(ended.stdout)

    return run


def test_prepare_train_compare_and_what_is_reused(
    world: World, program: Callable[[str], Ended], tmp_path: Path
) -> None:
    ended = program(COMPARE)
    told = ended.result
    names = ["prepare-data", "train-a", "train-b", "compare"]
    assert told["steps"] == [
        {name: ["Finished", None] for name in names},
        {name: ["Finished", "true"] for name in names},
        {name: ["Finished", None] for name in names},
        {name: ["Finished", "true"] for name in names},
    ]
    assert told["metrics"] == {"accuracy": 2.5}
    assert told["log"] == "10 0.25 a\n10 0.25 b\n"
    assert "wrote 10\n" in told["job_log"]
    assert told["tags"] == {"who": "me"}
    assert "[prepare-data] wrote 10\n" in ended.out
    assert "PipelineRun Status: Finished" in ended.out
    assert [path.read_text() for path in (tmp_path / "notebook" / "here").rglob("model.txt")] == ["10 0.25 a"]
    assert set(Dataset.objects.values_list("name", flat=True)) == {"model-a", "model-b"}
    versions = dict(Pipeline.objects.values_list("name", "latest_version"))
    assert versions == {"words": 1, "named": 1}, "the same pipeline makes no other version"
    for number in told["ids"]:
        assert_no_gap(Run.objects.get(pk=number))
    _by_hand(world, told["ids"][0])


def _by_hand(world: World, run: str) -> None:
    """The same steps, as the builder writes them, take what the program's have made: their fingerprints are equal."""
    source = snapshots.edit(world.workspace, None, put={name: rewritten(text) for name, text in SCRIPTS.items()}).digest
    store = world.datastore.name
    prep = {
        "name": "any-name",
        "kind": "python_script",
        "source": source,
        "entry": "prep.py",
        "arguments": "--out   ${{ outputs.data }} --count 10",
        "outputs": [{"name": "data", "datastore": store}],
    }
    train = {
        "name": "train",
        "kind": "python_script",
        "source": source,
        "entry": "train.py",
        "arguments": "--data ${{inputs.data}} --rate '${{parameters.speed}}' --model ${{outputs.model_a}}",
        "inputs": [{"name": "data", "binding": {"kind": "output", "step": "any-name", "output": "data"}}],
        "outputs": [{"name": "model_a"}],
        "environment_variables": {"AML_PARAMETER_kind": "a"},
    }
    speed = {"name": "speed", "type": "number", "default": 0.25}
    made = over(world.submit(world.pipeline(prep, train, name="by hand", parameters=[speed])), timeout_s=60)
    assert made.status == "completed"
    for name, theirs in (("any-name", "prepare-data"), ("train", "train-a")):
        mine = StepRun.objects.get(run=made, name=name)
        assert mine.fingerprint == StepRun.objects.get(run=run, name=theirs).fingerprint
        assert mine.reused_from is not None


def test_the_other_kinds_of_steps(world: World, program: Callable[[str], Ended]) -> None:
    ended = program(OTHERS)
    told = ended.result
    assert sorted(told["steps"]) == ["copy", "count", "score", "show", "show-all", "tune"]
    shown = told["show"].splitlines()
    assert shown[0] == "counted 6"
    assert json.loads("\n".join(shown[1:-3]).removeprefix("trials.json "))["best"]["values"] == {
        "rate": 0.3,
        "layers": 2,
    }
    assert shown[-3:] == ["0.txt 0", "1.txt 1", "2.txt 2"]
    assert told["use"].splitlines()[0] == "model.txt rate 0.3, layers 2, rows 3"
    assert told["best"] == [{"accuracy": 102.3}, "trial"]
    assert told["sorted"][0] == {"rate": 0.3, "layers": 2}
    assert told["sorted"][-1] == {"rate": 0.1, "layers": 1}
    assert "Step tune: Completed" in ended.out
    assert "<td style='padding:2px 12px 2px 0;text-align:left'>tune</td>" in told["widget"]
    run = Run.objects.get(pk=told["id"])
    assert run.version.pipeline.description == "All kinds."
    (use,) = (step for step in run.version.definition.steps if step.name == "show")
    assert [value.model_dump() for value in use.parameters] == [{"name": "greeting", "value": "good day"}]
    assert StepRun.objects.get(run=run, name="show").frozen.command[-2:] == ["good day", "it's $5"]


def test_what_is_wrong_is_told(world: World, program: Callable[[str], Ended]) -> None:
    out = program(FAILS).out
    assert "REFUSED The pipeline can't be submitted:\n- Step “fails.py”, compute: " in out
    assert "“fails” failed: The script ended with exit code 3." in out
    assert "  last words\n" in out
    assert list(Pipeline.objects.values_list("name", flat=True)) == ["has its own name"], "nothing is kept of the other"

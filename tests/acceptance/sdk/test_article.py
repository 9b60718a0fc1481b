"""The calls of azureml's article on creating and running pipelines, in its order, with the root of the imports changed.

See “Create and run machine learning pipelines with Azure Machine Learning SDK” (v1) of Microsoft's documentation. The
scripts are this test's own. Each promise of the text is asserted where the program has just made the call.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from compute.execution.sdk import SDK
from pipelines.models import Run, StepRun
from tests.service.pipelines.world import World, assert_no_gap
from tests.support.stack import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

FILES = {
    "train-images/a.txt": "1 2 3",
    "train-images/b.txt": "4 5",
    "iris/iris.csv": "width,kind\n0.2,setosa\n1.4,versicolor\n",
    "dataprep_src/prepare.py": """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--input")
parser.add_argument("--output")
args = parser.parse_args()
assert not os.path.exists("too-large.bin"), "what .amlignore names is no part of the snapshot"
found = sorted(path for path in pathlib.Path(args.input).rglob("*") if path.is_file())
pathlib.Path(args.output).mkdir(parents=True, exist_ok=True)
pathlib.Path(args.output, "numbers.txt").write_text(" ".join(path.read_text() for path in found))
""",
    "dataprep_src/.amlignore": "*.bin\n",
    "dataprep_src/too-large.bin": "x",
    "train_src/train.py": """
import argparse, pathlib
from azureml.core import Run
parser = argparse.ArgumentParser()
parser.add_argument("--prepped_data")
parser.add_argument("--training_results")
args = parser.parse_args()
numbers = pathlib.Path(args.prepped_data, "numbers.txt").read_text().split()
Run.get_context().log("total", sum(map(int, numbers)))
pathlib.Path(args.training_results).mkdir(parents=True, exist_ok=True)
pathlib.Path(args.training_results, "model.txt").write_text(f"model of {len(numbers)}")
""",
    "compare_src/compare.py": """
import pathlib, sys
print(pathlib.Path(sys.argv[1], "model.txt").read_text())
""",
    "project/iris_train.py": """
from azureml.core import Dataset, Run
run_context = Run.get_context()
iris_dataset = run_context.input_datasets['iris_data']
print(type(iris_dataset).__name__, run_context.experiment.name)
""",
    "project/train.py": """
import os, sys
print(sys.argv[1:], os.environ.get("ARTICLE"))
""",
    "hello/hello_world.py": "print('Hello World')\n",
    "hello/hello_world.ipynb": "{}",
    "hello/notes.md": "first",
}

PROGRAM = """
import json, pathlib
import azureml.core
from azureml.core import Workspace, Datastore

ws = Workspace.from_config()

def_data_store = ws.get_default_datastore()
def_blob_store = Datastore(ws, "workspaceblobstore")
def_file_store = Datastore(ws, "workspacefilestore")
assert def_data_store == def_blob_store
assert def_file_store.name == "workspacefilestore"
def_blob_store.upload("train-images", target_path="train-images", show_progress=False)
def_blob_store.upload("iris", target_path="iris", show_progress=False)

from azureml.core import Dataset
my_dataset = Dataset.File.from_files([(def_blob_store, 'train-images/')])

from azureml.data import OutputFileDatasetConfig
output_data1 = OutputFileDatasetConfig(destination=(def_blob_store, 'outputdataset/{run-id}'))
output_data_dataset = output_data1.register_on_complete(name='prepared_output_data')

from azureml.core.compute import ComputeTarget, AmlCompute

def the_target(compute_name="aml-compute", vm_size="STANDARD_NC6"):
    if compute_name in ws.compute_targets:
        compute_target = ws.compute_targets[compute_name]
        if compute_target and type(compute_target) is AmlCompute:
            print('Found compute target: ' + compute_name)
    else:
        print('Creating a new compute target...')
        provisioning_config = AmlCompute.provisioning_configuration(vm_size=vm_size, min_nodes=0, max_nodes=2)
        compute_target = ComputeTarget.create(ws, compute_name, provisioning_config)
        compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
        assert compute_target.status.serialize()["scaleSettings"]["maxNodeCount"] == 2
    return compute_target

the_target()
compute_target = the_target()

from azureml.core.runconfig import RunConfiguration
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core import Environment

aml_run_config = RunConfiguration()
aml_run_config.target = compute_target
curated_environment = Environment.get(workspace=ws, name="python")
aml_run_config.environment = curated_environment

from azureml.pipeline.steps import PythonScriptStep
ds_input = my_dataset.as_named_input('input1')

def prepares(given):
    return PythonScriptStep(
        script_name="prepare.py",
        source_directory="./dataprep_src",
        arguments=["--input", given.as_download(), "--output", output_data_dataset],
        compute_target=compute_target,
        runconfig=aml_run_config,
        allow_reuse=True,
    )

data_prep_step = prepares(ds_input)
training_results = OutputFileDatasetConfig(name="training_results", destination=def_blob_store)
train_step = PythonScriptStep(
    script_name="train.py",
    source_directory="./train_src",
    arguments=["--prepped_data", output_data1.as_input(), "--training_results", training_results],
    compute_target=compute_target,
    runconfig=aml_run_config,
    allow_reuse=True,
)
compare_step = PythonScriptStep(
    script_name="compare.py",
    source_directory="./compare_src",
    arguments=[training_results.as_input()],
    compute_target=compute_target,
    runconfig=aml_run_config,
)
compare_models = [data_prep_step, train_step, compare_step]

from azureml.pipeline.core import Pipeline
pipeline1 = Pipeline(workspace=ws, steps=[compare_models])
assert ws._client.get("/pipelines/")["results"] == [], "nothing is sent before it is submitted"

from azureml.core import Experiment
experiment = Experiment(ws, 'Compare_Models_Exp')
ids = []

def ran(pipeline, **more):
    '''The run, and of each step whether it was reused.'''
    run = experiment.submit(pipeline, **more)
    assert run.wait_for_completion(show_output=False) == "Finished"
    ids.append(run.id)
    return run, {step.name: step.get_properties().get("azureml.isreused") == "true" for step in run.get_steps()}

pipeline_run1 = experiment.submit(pipeline1)
pipeline_run1.wait_for_completion()
ids.append(pipeline_run1.id)
names = [step.name for step in pipeline_run1.get_steps()]
prepare, train, compare = names
assert not any(step.get_properties().get("azureml.isreused") for step in pipeline_run1.get_steps())

# Results: logs, metrics, outputs, and the dataset that the output became.
first = pipeline_run1.find_step_run(train)[0]
assert first.get_metrics() == {"total": 15.0}
data = first.get_output_data("training_results")
data.download("results")
(model,) = pathlib.Path("results").rglob("model.txt")
assert model.read_text() == "model of 5"
assert pipeline_run1.find_step_run(compare)[0].get_stdout_log() == "model of 5\\n"
assert "model of 5" in pipeline_run1.find_step_run(compare)[0].get_job_log()
prepared = Dataset.get_by_name(ws, "prepared_output_data")
prepared.download("prepared")
assert [path.name for path in pathlib.Path("prepared").rglob("*.txt")] == ["numbers.txt"]

# Reuse is the default, and regenerate_outputs forces all of it.
assert ran(pipeline1)[1] == {prepare: True, train: True, compare: True}
assert ran(pipeline1, regenerate_outputs=True)[1] == {prepare: False, train: False, compare: False}

# A change in a step's folder: it and what depends on it run again.
script = pathlib.Path("train_src/train.py")
script.write_text(script.read_text().replace("model of", "better model of"))
run, reused = ran(Pipeline(workspace=ws, steps=[compare_models]))
assert reused == {prepare: True, train: False, compare: False}, reused
assert run.find_step_run(compare)[0].get_stdout_log() == "better model of 5\\n"

# A change of the data, even though reuse is asked for.
pathlib.Path("train-images/c.txt").write_text("6")
def_blob_store.upload("train-images", target_path="train-images", overwrite=True, show_progress=False)
run, reused = ran(Pipeline(workspace=ws, steps=[compare_models]))
assert reused == {prepare: False, train: False, compare: False}, reused
assert run.find_step_run(train)[0].get_metrics() == {"total": 21.0}

# Another name of an input: the step runs again, even if the data is the same.
renamed = prepares(my_dataset.as_named_input('input2'))
assert ran(Pipeline(workspace=ws, steps=[renamed]))[1] == {prepare: False}
assert ran(Pipeline(workspace=ws, steps=[renamed]))[1] == {prepare: True}

# A dataset within the step.
iris_tabular_dataset = Dataset.Tabular.from_delimited_files((def_blob_store, "iris/iris.csv"))
project_folder = "project"
dataset_consuming_step = PythonScriptStep(
    script_name="iris_train.py",
    inputs=[iris_tabular_dataset.as_named_input("iris_data")],
    compute_target=compute_target,
    source_directory=project_folder,
)
run, _ = ran(Pipeline(workspace=ws, steps=[dataset_consuming_step]))
assert next(run.get_steps()).get_stdout_log() == "TabularDataset Compare_Models_Exp\\n"

# allow_reuse=False always runs; hash_paths says which files count.
def hello(**more):
    return Pipeline(ws, [PythonScriptStep(name="Hello World", script_name="hello_world.py",
                                          compute_target=compute_target, source_directory="hello", **more)])

for _ in range(2):
    assert not any(ran(hello(allow_reuse=False, hash_paths=['hello_world.ipynb']))[1].values())
assert not any(ran(hello(hash_paths=['hello_world.py']))[1].values())
pathlib.Path("hello/notes.md").write_text("second")
assert all(ran(hello(hash_paths=['hello_world.py']))[1].values()), "what is not named does not count"
pathlib.Path("hello/hello_world.py").write_text("print('Hello again')")
assert not any(ran(hello(hash_paths=['hello_world.py']))[1].values())

# Parameters, with an environment by its name and version, and with the object: both work here.
from azureml.pipeline.core import PipelineParameter
pipeline_param = PipelineParameter(name="pipeline_arg", default_value="default_val")
mine = Environment("MyEnvironment")
mine.environment_variables = {"ARTICLE": "first"}
mine.register(ws)
mine.environment_variables = {"ARTICLE": "second"}
mine.register(ws)

def with_environment(config):
    return Pipeline(ws, [PythonScriptStep(script_name="train.py", arguments=["--param1", pipeline_param],
                                          compute_target=compute_target, source_directory=project_folder,
                                          runconfig=config)])

by_name = RunConfiguration()
by_name.environment.name = 'MyEnvironment'
by_name.environment.version = '1'
by_object = RunConfiguration()
by_object.environment = Environment.get(ws, "MyEnvironment")
said = []
for config, given in ((by_name, {}), (by_name, {"pipeline_arg": "other"}), (by_object, {})):
    run, reused = ran(with_environment(config), pipeline_parameters=given)
    said.append([next(run.get_steps()).get_stdout_log().strip(), any(reused.values())])
assert said == [
    ["['--param1', 'default_val'] first", False],
    ["['--param1', 'other'] first", False],
    ["['--param1', 'default_val'] second", False],
], said
assert all(ran(with_environment(by_name), pipeline_parameters={"pipeline_arg": "other"})[1].values())
by_name.environment.version = '9'
(problem,) = with_environment(by_name).validate()
print("REFUSED", problem)
print("RESULT", json.dumps({"ids": ids, "first": names}))
"""


def rewritten(text: str) -> str:
    return re.sub(r"(?m)^(from|import) azureml\b", r"\1 studio_sdk", text)


def test_the_article_runs_and_keeps_its_promises(
    world: World, live_server: LiveServer, worker_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    stack = worker_stack(STUDIO_SWEEP_INTERVAL_S="0.5")
    stack.control()
    stack.scheduler()
    stack.nodes()
    folder = tmp_path / "notebook"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rewritten(text))
    config = {"url": live_server.url, "workspace": "ours", "token": AuthToken.objects.create(world.owner)[1]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "program.py").write_text(rewritten(PROGRAM))
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SDK), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Creating a new compute target...\n" in ended.stdout
    assert "Found compute target: aml-compute\n" in ended.stdout
    assert "PipelineRun Status: Finished" in ended.stdout
    assert re.search(r"(?m)^REFUSED .*MyEnvironment", ended.stdout), ended.stdout
    told = json.loads(ended.stdout.rpartition("RESULT ")[2])
    for number in told["ids"]:
        assert_no_gap(Run.objects.get(pk=number))
    steps = StepRun.objects.filter(run=told["ids"][1])
    assert [step.job_id for step in steps] == [None] * 3, "what is reused is not sent to the compute"
    outputs = StepRun.objects.get(run=told["ids"][0], name=told["first"][0]).outputs
    assert outputs is not None
    assert [record.path for record in outputs.outputs.values()] == [f"outputdataset/{told['ids'][0]}"]

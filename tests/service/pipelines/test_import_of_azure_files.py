"""Files of Azure ML's command line, version 2, are imported as they stand, or every reason why not is told at once."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from compute.models import Environment
from datastores.backends import get_backend
from datastores.models import Dataset
from pipelines.models import Pipeline
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

IMPORT = "/api/workspaces/ours/pipelines/import/"
COMPONENT = """\
name: fit
type: command
version: 3
inputs:
  images: {type: uri_folder, mode: ro_mount}
  rounds: {type: integer, min: 1, max: 9}
  rate: {type: number, default: 0.5}
  note: {type: string, optional: true}
outputs:
  model: {type: uri_folder}
code: ./src
environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
command: >-
  python fit.py --images ${{inputs.images}} --rounds ${{inputs.rounds}}
  --rate ${{ inputs.rate }} $[[--note ${{inputs.note}}]] --model ${{outputs.model}}
"""
PIPELINE = """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: Fit and look
description: Two jobs
inputs:
  pictures: {type: uri_folder, path: ./data}
  rounds: 3
  where: local
outputs:
  best: {type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/best/${{name}}", name: best-model}
settings:
  default_compute: azureml:gpu-cluster
  continue_on_step_failure: false
jobs:
  fit:
    component: parts/fit.yml
    inputs:
      images: ${{parent.inputs.pictures}}
      rounds: ${{parent.inputs.rounds}}
    outputs:
      model: ${{parent.outputs.best}}
  look:
    command: "ls ${{inputs.model}} > ${{outputs.list}} && echo ${{inputs.words}}"
    inputs:
      model: ${{parent.jobs.fit.outputs.model}}
      words: "it's done; now"
    outputs:
      list: {type: uri_file}
    compute: ${{parent.inputs.where}}
    environment: {name: look-env, image: "python:3.11", conda_file: {dependencies: [python=3.11, {pip: [tqdm]}]}}
    environment_variables: {LEVEL: 2, LOUD: true}
    limits: {timeout: 60}
"""
FILES = {"pipeline.yml": PIPELINE, "parts/fit.yml": COMPONENT, "parts/src/fit.py": "print(1)\n", "data/a.txt": "a"}
MEANS = {"compute": {"gpu-*": "local"}}


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def zipped(files: Mapping[str, str]) -> SimpleUploadedFile:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return SimpleUploadedFile("files.zip", data.getvalue())


def send(client: Client, files: Mapping[str, str], *, status: int = 201, **more: Any) -> Any:
    answer = client.post(IMPORT, {"file": zipped(files), "means": json.dumps(MEANS), **more})
    assert answer.status_code == status, answer.json()
    return answer.json()


def paste(client: Client, text: str, *, status: int = 201, **more: Any) -> Any:
    body = json.dumps({"text": text, "means": MEANS, **more})
    answer = client.post(IMPORT, body, content_type="application/json")
    assert answer.status_code == status, answer.json()
    return answer.json()


def definition_of(name: str) -> dict[str, Any]:
    return Pipeline.objects.get(name=name).versions.get().definition.model_dump(mode="json", exclude_defaults=True)


def step_of(name: str, step: str) -> dict[str, Any]:
    return next(each for each in definition_of(name)["steps"] if each["name"] == step)


def told(answer: Any) -> dict[tuple[Any, ...], str]:
    return {tuple(problem["loc"]): problem["message"] for problem in answer["problems"]}


def test_a_pipeline_with_a_component_of_a_file_and_an_inline_job(world: World, client: Client) -> None:
    answer = send(client, FILES)
    assert answer["to_do"] == []
    assert [(made["sort"], made["name"]) for made in answer["made"]] == [
        ("environment", "look-env"),
        ("pipeline", "Fit and look"),
    ]
    definition = definition_of("Fit and look")
    assert definition["continue_on_step_failure"] is False
    pictures, rounds, where, words = definition["parameters"]
    assert (pictures["type"], rounds["default"], where["default"]) == ("data_path", 3, "local")
    assert words == {"name": "look_words", "default": "it's done; now"}, "what bash could misread is a parameter"
    fit, look = definition["steps"]
    assert fit["command"] == (
        "python fit.py --images ${{inputs.images}} --rounds ${{parameters.rounds}} --rate 0.5  "
        "--model ${{outputs.model}}\n"
    )
    assert fit["inputs"] == [{"name": "images", "binding": {"parameter": "pictures"}, "mode": "mount"}]
    assert fit["outputs"] == [
        {
            "name": "model",
            "datastore": "workspaceblobstore",
            "path": "best/{run-id}",
            "register_as": {"dataset": "best-model"},
        }
    ]
    assert fit["environment"] == "sklearn"
    assert look["command"] == "ls ${{inputs.model}} > ${{outputs.list}} && echo ${{parameters.look_words}}\n"
    assert look["outputs"] == [{"name": "list", "file": "list"}]
    version = Pipeline.objects.get(name="Fit and look").versions.get()
    assert version.definition.steps[1].references == {"compute": "where"}
    assert look["environment_variables"] == [{"name": "LEVEL", "value": "2"}, {"name": "LOUD", "value": "true"}]
    assert look["timeout_s"] == 60
    assert Environment.objects.get(name="look-env").spec.pip == ["tqdm"]


def test_what_was_imported_runs_on_the_data_that_came_along(world: World, client: Client) -> None:
    answer = send(client, FILES)
    pipeline = Pipeline.objects.get(pk=answer["id"])
    path = definition_of("Fit and look")["parameters"][0]["default"].partition("/")[2]
    with get_backend(world.datastore).open_read(f"{path}/a.txt") as stream:
        assert stream.read() == b"a"
    run = world.submit(pipeline)
    assert world.drain() == ["fit", "look"]
    run.refresh_from_db()
    assert run.status == "completed"


def test_a_dry_run_leaves_nothing(world: World, client: Client) -> None:
    answer = send(client, FILES, dry_run="true", status=200)
    assert [made["id"] for made in answer["made"]] == [None, None]
    assert not Pipeline.objects.exists()
    assert not Environment.objects.filter(name="look-env").exists()
    assert not get_backend(world.datastore).list("").entries


def test_a_refused_import_leaves_no_files(world: World, client: Client) -> None:
    world.pipeline(world.step("train"), name="Fit and look")
    refused = client.post(IMPORT, {"file": zipped(FILES), "means": json.dumps(MEANS)})
    assert refused.status_code == 400, refused.json()
    assert "There is a pipeline “Fit and look” already" in refused.json()["problems"][0]["message"]
    assert not Environment.objects.filter(name="look-env").exists()
    assert not get_backend(world.datastore).list("").entries


def test_a_folder_that_many_inputs_name_is_read_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    digest = hashlib.file_digest

    def counted(stream: IO[bytes], how: str) -> Any:
        read.append(stream.name)
        return digest(stream, how)

    monkeypatch.setattr("pipelines.yaml.azure.reading.hashlib.file_digest", counted)
    more = "".join(f"  more{each}: {{type: uri_folder, path: ./data}}\n" for each in range(20))
    files = FILES | {"pipeline.yml": FILES["pipeline.yml"].replace("  rounds: 3\n", f"  rounds: 3\n{more}", 1)}
    send(client, files, dry_run="true", status=200)
    assert sorted({Path(name).name for name in read}) == sorted(Path(name).name for name in read)


def test_everything_that_is_wrong_is_told_at_once(client: Client) -> None:
    text = """\
type: pipeline
display_name: Wrong
colour: red
inputs:
  a: {type: whole}
settings: {default_compute: azureml:big, default_datastor: x}
jobs:
  one:
    comand: echo
    environment: azureml:unheard-of:1
    code: ./src
  two:
    type: spark
  three:
    command: echo ${{inputs.b}} ${{outputs.c}} ${{parent.inputs.a}}
    environment: azureml:AzureML-sklearn-1.0@latest
    inputs:
      d: ${{parent.inputs.nothing}}
      e: {type: uri_folder, path: "s3://bucket/x", mode: rw_mount}
    resources: {instance_count: 4}
"""
    found = told(answer := paste(client, text, status=400))
    lines = {loc[1]: message for loc, message in found.items()}
    assert lines.keys() >= {3, 5, 6, 9, 10, 11, 13, 15, 18, 19, 20}
    assert all(loc[0] == "pasted.yml" for loc in found)
    assert "“colour”" in lines[3]
    assert "Did you mean “command”?" in lines[9]
    assert "no environment “unheard-of”" in lines[10]
    assert "Spark jobs" in lines[13]
    assert "no input “nothing”" in lines[18]
    assert "one node" in lines[20]
    assert answer["needs"] == [{"sort": "compute", "name": "big"}, {"sort": "environment", "name": "unheard-of"}]
    assert not Pipeline.objects.exists()


def test_names_that_mean_nothing_here_are_asked_for_and_said(client: Client) -> None:
    text = "type: command\nname: hello\ncommand: echo\ncompute: azureml:big\nenvironment: {image: ghcr.io/own/it:1}\n"
    answer = paste(client, text, status=400)
    assert answer["needs"] == [{"sort": "image", "name": "ghcr.io/own/it:1"}, {"sort": "compute", "name": "big"}]
    paste(client, text, means={"image": {"ghcr.io/own/*": "python"}, "compute": {"big": "local"}})
    step = definition_of("hello")["steps"][0]
    assert step["command"] == "echo\n"


def test_a_component_alone_becomes_a_pipeline_whose_inputs_are_parameters(world: World, client: Client) -> None:
    files = {"fit.yml": COMPONENT, "src/fit.py": "print(1)\n"}
    assert send(client, files)["to_do"] == []
    definition = definition_of("fit")
    assert [(each["name"], each.get("type", "string")) for each in definition["parameters"]] == [
        ("images", "data_path"),
        ("rounds", "integer"),
        ("rate", "number"),
        ("note", "string"),
    ]
    assert definition["parameters"][1] == {"name": "rounds", "type": "integer", "minimum": 1, "maximum": 9}
    assert "$[[--note ${{parameters.note}}]]" in definition["steps"][0]["command"]


def test_a_sweep_becomes_a_pipeline_for_its_trials(world: World, client: Client) -> None:
    text = """\
type: pipeline
display_name: Search
jobs:
  search:
    type: sweep
    trial: ./fit.yml
    inputs: {images: {type: uri_folder, path: "azureml:pictures:2"}, note: hi}
    search_space:
      rounds: {type: choice, values: [1, 2, 3]}
      rate: {type: loguniform, min_value: -6, max_value: -1}
    sampling_algorithm: {type: random, seed: 7}
    objective: {goal: minimize, primary_metric: loss}
    limits: {max_total_trials: 5, max_concurrent_trials: 2, timeout: 600}
    early_termination: {type: bandit, slack_factor: 0.2, evaluation_interval: 2}
  after:
    command: ls ${{inputs.model}}
    environment: azureml:python
    inputs: {model: "${{parent.jobs.search.outputs.model}}"}
"""
    send(client, {"pipeline.yml": text, "fit.yml": COMPONENT, "src/fit.py": "print(1)\n"})
    step = step_of("Search", "search")
    assert step["search_space"] == [
        {"name": "rounds", "value": "choice(1, 2, 3)"},
        {"name": "rate", "value": "loguniform(-6, -1)"},
    ]
    wanted = {"seed": 7, "goal": "minimize", "primary_metric": "loss", "max_total_runs": 5, "max_concurrent_runs": 2}
    wanted |= {"max_duration_minutes": 10, "early_termination": "bandit", "slack_factor": 0.2, "evaluation_interval": 2}
    assert wanted.items() <= step.items()
    assert step["inputs"] == [{"name": "images", "binding": {"dataset": "pictures", "version": 2}, "mode": "mount"}]
    assert step["parameters"] == [{"name": "note", "value": "hi"}]
    assert step["outputs"] == [{"name": "model", "taken_from": "trial.model"}]
    inner = definition_of(step["pipeline"])
    assert {each["name"]: each.get("type", "string") for each in inner["parameters"]} == {
        "images": "dataset",
        "note": "string",
        "rounds": "integer",
        "rate": "number",
    }
    assert "--rounds ${{parameters.rounds}} --rate ${{parameters.rate}}" in inner["steps"][0]["command"]


def test_a_sweep_with_a_trial_of_its_own(client: Client) -> None:
    text = """\
type: sweep
display_name: Alone
trial:
  command: python a.py --x ${{search_space.x}} --y ${{inputs.y}}
  environment: azureml:python
inputs: {y: 4}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: score}
"""
    assert paste(client, text)["to_do"] == []
    inner = definition_of("Alone – sweep")
    assert inner["steps"][0]["command"] == "python a.py --x ${{parameters.x}} --y ${{parameters.y}}\n"
    assert step_of("Alone", "sweep")["parameters"] == [{"name": "y", "value": "${{parameters.y}}"}]


def test_a_parallel_job_and_one_that_reads_its_rows(client: Client) -> None:
    text = """\
type: pipeline
display_name: Many
inputs:
  images: {type: mltable, path: azureml://datastores/workspaceblobstore/paths/images, mode: eval_mount}
jobs:
  score:
    type: parallel
    inputs: {images: "${{parent.inputs.images}}"}
    outputs: {rows: {type: uri_file}}
    input_data: ${{inputs.images}}
    mini_batch_size: "5"
    mini_batch_error_threshold: 2
    max_concurrency_per_instance: 2
    retry_settings: {max_retries: 2, timeout: 30}
    resources: {instance_count: 3}
    task:
      type: run_function
      code: ./src
      entry_script: batches.py
      environment: azureml:python
      program_arguments: --verbose
      append_row_to: ${{outputs.rows}}
  read:
    command: cat ${{inputs.rows}}
    environment: azureml:python
    inputs: {rows: "${{parent.jobs.score.outputs.rows}}"}
"""
    script = "def run(mini_batch):\n    return mini_batch\n"
    answer = send(client, {"pipeline.yml": text, "src/batches.py": script})
    assert answer["to_do"] == []
    step = step_of("Many", "score")
    wanted = {"entry_script": "batches.py", "arguments": "--verbose", "input": "${{inputs.images}}", "nodes": 3}
    wanted |= {"mini_batch_size": "5", "processes": 2, "error_threshold": 2, "batch_timeout_s": 30}
    wanted |= {"output": "${{outputs.rows}}", "outputs": [{"name": "rows"}]}
    assert wanted.items() <= step.items()
    assert step_of("Many", "read")["command"] == "cat ${{inputs.rows}}/parallel_run_step.txt\n"


def test_a_pipeline_component_becomes_a_pipeline_that_a_step_runs(world: World, client: Client) -> None:
    inner = """\
type: pipeline
name: inner
inputs: {images: {type: uri_folder}, rounds: {type: integer, default: 2}}
outputs: {model: {type: uri_folder}}
jobs:
  fit:
    component: ../parts/fit.yml
    inputs: {images: "${{parent.inputs.images}}", rounds: "${{parent.inputs.rounds}}"}
    outputs: {model: "${{parent.outputs.model}}"}
"""
    outer = """\
type: pipeline
display_name: Outer
jobs:
  first:
    command: touch ${{outputs.images}}/a
    environment: azureml:python
    outputs: {images: {type: uri_folder}}
  nested:
    type: pipeline
    component: ./inner/inner.yml
    inputs: {images: "${{parent.jobs.first.outputs.images}}"}
  last:
    command: ls ${{inputs.model}}
    environment: azureml:python
    inputs: {model: "${{parent.jobs.nested.outputs.model}}"}
"""
    files = {"pipeline.yml": outer, "inner/inner.yml": inner, **{k: v for k, v in FILES.items() if k != "pipeline.yml"}}
    answer = send(client, files)
    assert answer["to_do"] == []
    assert [made["name"] for made in answer["made"]] == ["Outer – nested", "Outer"]
    step = step_of("Outer", "nested")
    assert step["pipeline"] == "Outer – nested"
    assert step["outputs"] == [{"name": "model", "taken_from": "fit.model"}]
    world.submit(Pipeline.objects.get(pk=answer["id"]))
    assert world.drain() == ["first"], "the rest is the inner run's"


def test_a_registered_component_is_a_module_or_a_file_that_came_along(world: World, client: Client) -> None:
    world.publish(world.step("scale"), name="scale")
    text = """\
type: pipeline
display_name: Registered
jobs:
  scale: {component: "azureml:scale:1"}
  fit:
    component: azureml:fit@latest
    inputs: {images: "${{parent.jobs.scale.outputs.out}}", rounds: 1}
"""
    answer = send(client, {"pipeline.yml": text, "fit.yml": COMPONENT, "src/fit.py": "print(1)\n"})
    assert answer["to_do"] == []
    module = step_of("Registered", "scale")
    assert (module["module"], module["module_version"], module["outputs"]) == ("scale", 1, [{"name": "out"}])
    assert step_of("Registered", "fit")["command"].startswith("python fit.py")
    found = told(paste(client, text.replace("azureml:fit@latest", "azureml:gone"), name="x", status=400))
    assert any("no module “gone”" in message for message in found.values())


def test_environments_and_data_alone(world: World, client: Client) -> None:
    conda = "channels: [conda-forge]\ndependencies:\n- python=3.11\n- pip:\n  - rich\n"
    send(client, {"env.yml": "name: own\nimage: python\nconda_file: conda.yml\n", "conda.yml": conda}, main="env.yml")
    assert Environment.objects.get(name="own").spec.pip == ["rich"]
    get_backend(world.datastore).write("t.csv", io.BytesIO(b"a\n"))
    paste(client, "type: uri_file\nname: titanic\npath: azureml://datastores/workspaceblobstore/paths/t.csv\n")
    assert Dataset.objects.get(name="titanic").versions.get().definition.paths[0].path == "t.csv"


def test_a_schedule_is_refused_by_its_name(client: Client) -> None:
    text = "name: nightly\ntrigger: {type: cron, expression: '0 * * * *'}\ncreate_job: ./pipeline.yml\n"
    assert "Schedules can't be made here yet" in paste(client, text, status=400)["problems"][0]["message"]


@pytest.mark.parametrize(
    ("code", "words"),
    [("../../etc", "leads out"), ("/etc", "leads out"), ("git+https://x/y", "uploaded"), ("./none", "no “none”")],
)
def test_code_is_taken_from_what_was_uploaded_alone(client: Client, code: str, words: str) -> None:
    text = f"type: command\nname: a\ncommand: ls\nenvironment: azureml:python\ncode: {code}\n"
    found = told(send(client, {"job.yml": text, "src/a.py": ""}, status=400))
    assert words in found["job.yml", 5, 1]


def test_who_may_not_edit_environments_or_data_imports_none(world: World, client: Client) -> None:
    reader = Client()
    reader.force_login(world.member("reader", Role.READER))
    answer = reader.post(IMPORT, {"file": zipped(FILES), "means": json.dumps(MEANS)})
    assert answer.status_code == 403


def test_what_names_mean_is_kept_and_goes_for_the_next_import(world: World, client: Client) -> None:
    text = "type: command\nname: {}\ncommand: echo\ncompute: azureml:big\nenvironment: {{image: own/it:1}}\n"
    said = {"image": {"own/it:1": "sklearn"}, "compute": {"big": "local"}}
    paste(client, text.format("dry"), means=said, remember=True, dry_run=True, status=200)
    assert client.get(f"{IMPORT}names/").json() == [], "a dry run keeps nothing"
    paste(client, text.format("first"), means=said, remember=True)
    paste(client, text.format("second"), means={})
    assert definition_of("second")["steps"][0]["environment"] == "sklearn"

    def change(status: int = 200, **fields: str) -> Any:
        answer = client.patch(f"{IMPORT}names/", json.dumps(fields), content_type="application/json")
        assert answer.status_code == status, answer.json()
        return answer.json()

    assert change(sort="image", theirs="own/*", ours="python") == [
        {"sort": "compute", "theirs": "big", "ours": "local"},
        {"sort": "image", "theirs": "own/*", "ours": "python"},
        {"sort": "image", "theirs": "own/it:1", "ours": "sklearn"},
    ]
    change(sort="image", theirs="own/it:1", ours="")
    paste(client, text.format("third"), means={})
    assert "environment" not in definition_of("third")["steps"][0], "the usual one, python, by the pattern"
    (problem,) = change(400, sort="image", theirs="x", ours="pyton")["problems"]
    assert problem["loc"] == ["ours"]
    assert "no environment “pyton” here. Did you mean “python”" in problem["message"]
    assert change(400, sort="compute", theirs="x", ours="big")["problems"][0]["loc"] == ["ours"]
    assert change(400, sort="nothing", theirs="x", ours="big")["problems"][0]["loc"] == ["sort"]


def test_names_of_a_workspace_are_its_own_and_readers_change_none(world: World, client: Client) -> None:
    theirs = World.make("theirs")
    stranger, reader = Client(), Client()
    stranger.force_login(theirs.owner)
    reader.force_login(world.member("reader", Role.READER))
    body = json.dumps({"sort": "image", "theirs": "a", "ours": "python"})
    assert client.patch(f"{IMPORT}names/", body, content_type="application/json").status_code == 200
    assert reader.get(f"{IMPORT}names/").json() == [{"sort": "image", "theirs": "a", "ours": "python"}]
    assert reader.patch(f"{IMPORT}names/", body, content_type="application/json").status_code == 403
    assert stranger.get(f"{IMPORT}names/").status_code == 404
    assert stranger.get("/api/workspaces/theirs/pipelines/import/names/").json() == []


def test_a_pipeline_that_holds_itself_is_told(client: Client) -> None:
    text = """\
type: pipeline
name: inner
jobs:
  one: {type: pipeline, component: ./inner.yml}
  two: {type: pipeline, component: ./inner.yml}
"""
    answer = send(client, {"inner.yml": text}, status=400)
    assert any("hold itself" in message for message in told(answer).values())
    assert any("more than 200 pipelines" in message for message in told(answer).values())


@pytest.mark.parametrize(
    ("means", "sort", "words"),
    [
        ({"compute": {"a\0b": "local"}}, "compute", "can't be kept"),
        ({"compute": {"a\ud800": "local"}}, "compute", "can't be kept"),
        ({"image": {"a" * 301: "python"}}, "image", "at most 300 characters"),
        ({"planet": {"a": "local"}}, "planet", "Names are of image, environment, compute"),
    ],
)
def test_names_that_cannot_be_kept_are_refused_at_their_sort(
    client: Client, means: dict[str, dict[str, str]], sort: str, words: str
) -> None:
    body = json.dumps({"text": PIPELINE, "means": means, "remember": True})
    answer = client.post(IMPORT, body, content_type="application/json")
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert problem["loc"][:2] == ["means", sort]
    assert words in problem["message"]

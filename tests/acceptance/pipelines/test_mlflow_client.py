"""MLflow's own client, of the newest release, in an environment that the studio builds: in a step, and from outside."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from compute.services import create_environment
from compute.spec import EnvironmentSpec
from datastores import snapshots
from pipelines import queries, services
from pipelines.metric_queries import measured_in, tags_of
from pipelines.models import Run, StepRun
from pipelines.registered import ModelVersion
from pipelines.services import Left
from pipelines.states import ModelStage
from tests.acceptance.pipelines.test_runs import log_of, over
from tests.service.pipelines.world import World
from tests.support.stack import Stack

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

BUILD_S = 400.0
# What scikit-learn's autologging needs of MLflow: the small package, and pandas beside it.
PACKAGES = ["mlflow-skinny", "scikit-learn", "pandas"]

STEP = """
import os
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

mlflow.autolog()
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=200).fit(*load_iris(return_X_y=True))
    mlflow.sklearn.log_model(
        model, name="kept", registered_model_name="from-step", serialization_format="cloudpickle"
    )
    mlflow.MlflowClient().set_registered_model_alias("from-step", "fresh", "1")
    flower = [[5.1, 3.5, 1.4, 0.2]]
    print("predicts", int(mlflow.pyfunc.load_model("models:/from-step@fresh").predict(flower)[0]))
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_text("made in the step", "notes/note.txt")
first = run.info.run_id
with mlflow.start_run(run_name="another") as run:
    mlflow.log_metric("loss", 7)
print("first", first)
print("second", run.info.run_id)
print("token", os.environ["MLFLOW_TRACKING_TOKEN"])
"""

# Every call of the client's that a training script or a notebook makes; it prints what it saw.
OUTSIDE = """
import json, math, os, sys, tempfile, time
from pathlib import Path
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException

seen = {}
client = MlflowClient()
mlflow.set_experiment("Iris, outside")
with mlflow.start_run(run_name="parent", description="a trial") as parent:
    mlflow.log_params({"lr": 0.1, "depth": 3})
    for step in range(5):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"nan": math.nan, "inf": math.inf})
    mlflow.set_tags({"team": "blue", "drop": "me"})
    mlflow.delete_tag("drop")
    try:
        mlflow.log_param("lr", 0.2)
    except MlflowException as error:
        seen["immutable"] = error.error_code
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_text("hello")
        Path(folder, "deep").mkdir()
        Path(folder, "deep", "b.csv").write_text("x\\n1\\n")
        mlflow.log_artifact(str(Path(folder, "a.txt")))
        mlflow.log_artifacts(folder, "all")
    mlflow.log_dict({"a": [1]}, "d.json")
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metric("loss", 3)
run_id = parent.info.run_id
now = int(time.time() * 1000)
client.log_batch(run_id, [Metric("many", float(at), now + at, at) for at in range(1000)], [], [])
client.log_batch(run_id, [], [Param("p", "q")], [RunTag("t", "u")])
try:
    with mlflow.start_run(run_name="broken"):
        raise RuntimeError
except RuntimeError:
    pass
run = client.get_run(run_id)
seen["run"] = [run.info.status, run.info.run_name, run.data.params, run.data.metrics["loss"], run.data.tags["team"]]
seen["odd"] = [math.isnan(run.data.metrics["nan"]), run.data.metrics["inf"] == math.inf, "drop" in run.data.tags]
seen["history"] = [point.step for point in client.get_metric_history(run_id, "loss")]
seen["many"] = len(client.get_metric_history(run_id, "many"))
experiment = client.get_experiment_by_name("Iris, outside")
ids = [experiment.experiment_id]
seen["searched"] = {
    text: sorted(found.info.run_name for found in client.search_runs(ids, text))
    for text in ("metrics.loss < 1", "params.lr = '0.1'", "attributes.status = 'FAILED'", "tags.team LIKE 'bl%'")
}
seen["sorted"] = [found.info.run_name for found in client.search_runs(ids, order_by=["metrics.loss DESC"])]
page = client.search_runs(ids, max_results=2)
seen["pages"] = [len(page), len(client.search_runs(ids, max_results=2, page_token=page.token))]
try:
    client.search_runs(ids, "metrics.loss < 'a'")
except RestException as error:
    seen["unfit"] = error.error_code
try:
    client.get_run("nothing")
except RestException as error:
    seen["missing"] = error.error_code
seen["parent"] = client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run_id
seen["files"] = sorted(file.path for file in client.list_artifacts(run_id))
folder = client.download_artifacts(run_id, "all")
seen["below"] = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
seen["text"] = Path(client.download_artifacts(run_id, "all/deep/b.csv")).read_text()
made = client.create_experiment("other", tags={"a": "b"})
client.set_experiment_tag(made, "c", "d")
client.rename_experiment(made, "renamed")
client.delete_experiment(made)
seen["experiment"] = [client.get_experiment(made).lifecycle_stage, client.get_experiment(made).tags]
client.restore_experiment(made)
seen["experiments"] = sorted(each.name for each in client.search_experiments(filter_string="name LIKE 'r%'"))
client.delete_run(run_id)
seen["deleted"] = client.get_run(run_id).info.lifecycle_stage
client.restore_run(run_id)
try:
    MlflowClient(os.environ["MLFLOW_TRACKING_URI"].replace("/ours", "/theirs")).search_experiments()
except RestException as error:
    seen["theirs"] = error.error_code
# The model that the step logged by itself, used here.
import numpy
model_uri = sys.argv[1]
seen["predicts"] = int(mlflow.sklearn.load_model(model_uri).predict(numpy.array([[5.1, 3.5, 1.4, 0.2]]))[0])
print("SEEN" + json.dumps(seen))
"""

# The registry, as a notebook uses it.
REGISTRY = """
import json, sys
from pathlib import Path
import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import RestException
from sklearn.linear_model import LinearRegression

run_id, made_here = sys.argv[1:]
seen = {}
client = MlflowClient()
flower = [[5.1, 3.5, 1.4, 0.2]]


def predicts(uri, asked=flower):
    return round(float(mlflow.pyfunc.load_model(uri).predict(asked)[0]), 3)


def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except RestException as error:
        return error.error_code


seen["of the step"] = predicts("models:/from-step/1")
mlflow.set_experiment("Registry, outside")
line = LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
with mlflow.start_run() as run:
    kept = mlflow.sklearn.log_model(
        line, name="line", registered_model_name="line", serialization_format="cloudpickle"
    )
seen["logged"] = kept.registered_model_version
seen["registered"] = [
    mlflow.register_model(f"runs:/{run_id}/kept", "iris", tags={"from": "outside"}).version,
    mlflow.register_model(f"models:/{kept.model_id}", "line").version,
    mlflow.register_model(f"runs:/{run.info.run_id}/line", "line").version,
    mlflow.register_model("models:/line/1", "line").version,
]
seen["predicts"] = [predicts("models:/iris/1"), predicts("models:/line/2", [[3]]), predicts("models:/line/4", [[3]])]
client.set_registered_model_alias("line", "champion", "1")
client.set_registered_model_alias("line", "champion", 2)
champion = client.get_model_version_by_alias("line", "champion")
seen["alias"] = [predicts("models:/line@champion", [[4]]), champion.version]
seen["aliases"] = client.get_registered_model("line").aliases
client.delete_registered_model_alias("line", "champion")
seen["no alias"] = refused(client.get_model_version_by_alias, "line", "champion")
client.transition_model_version_stage("line", "2", "Production")
client.transition_model_version_stage("line", "3", "Staging", archive_existing_versions=True)
seen["stages"] = {each.current_stage: each.version for each in client.get_latest_versions("line")}
seen["latest"] = [predicts("models:/line/Production", [[5]]), predicts("models:/line/latest", [[5]])]
client.update_registered_model("line", "a line")
client.update_model_version("line", "1", "the first")
client.set_registered_model_tag("line", "team", "blue")
client.set_model_version_tag("line", "1", "checked", "yes")
client.set_model_version_tag("line", stage="Staging", key="checked", value="no")
client.delete_model_version_tag("line", "3", "checked")
seen["said"] = [
    client.get_registered_model("line").description,
    client.get_registered_model("line").tags,
    client.get_model_version("line", "1").description,
    client.get_model_version("line", "1").tags,
    client.get_model_version("line", "3").tags,
]
client.delete_registered_model_tag("line", "team")
seen["models"] = [each.name for each in client.search_registered_models(order_by=["name ASC"])]
seen["filtered"] = [each.name for each in client.search_registered_models("name LIKE 'l%'")]
page = client.search_registered_models(max_results=1)
seen["pages"] = [len(page), len(client.search_registered_models(max_results=2, page_token=page.token))]
lines = client.search_model_versions("name = 'line'", order_by=["version_number ASC"])
seen["versions"] = [each.version for each in lines]
seen["by run"] = [each.name for each in client.search_model_versions(f"run_id = '{run_id}'", order_by=["name ASC"])]
seen["by tag"] = [each.name for each in client.search_model_versions("tags.`from` = 'outside'")]
seen["copied"] = client.copy_model_version("models:/line/1", "other").version
seen["files"] = Path(mlflow.artifacts.download_artifacts("models:/other/1"), "MLmodel").is_file()
client.rename_registered_model("other", "renamed")
client.delete_model_version("renamed", "1")
client.delete_registered_model("renamed")
seen["gone"] = refused(client.get_registered_model, "renamed")
seen["elsewhere"] = refused(client.create_model_version, "line", "s3://bucket/model")
seen["unfit"] = refused(client.search_registered_models, "nonsense = 'x'")
seen["made here"] = Path(mlflow.artifacts.download_artifacts(f"models:/{made_here}/Production")).is_dir()
print("SEEN" + json.dumps(seen))
"""


def client_outside(python: Path, url: str, token: str, *arguments: str, script: str = OUTSIDE) -> dict[str, Any]:
    variables = {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": token, "PATH": os.environ["PATH"]}
    variables |= {"HOME": str(python.parent), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    done = subprocess.run(
        [str(python), "-c", script, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    seen: dict[str, Any] = json.loads(line.removeprefix("SEEN"))
    return seen


def test_the_official_client_runs_in_a_step_and_outside(
    world: World, live_server: LiveServer, worker_stack: Callable[..., Stack], settings: Any
) -> None:
    create_environment(
        workspace=world.workspace, name="mlflow", spec=EnvironmentSpec(pip=PACKAGES), created_by=world.owner
    )
    source = snapshots.edit(world.workspace, None, put={"train.py": STEP}).digest
    step = world.step("train", source=source, entry="train.py", arguments="", outputs=[], environment="mlflow")
    run = world.submit(world.pipeline(step), experiment="iris")
    worker_stack(STUDIO_PUBLIC_URL=live_server.url).node()
    over(run, timeout_s=BUILD_S)
    said = "\n".join(log_of(run, "train"))
    assert run.status == "completed", said
    row = StepRun.objects.get(run=run)
    assert f"first r{run.pk}-s{row.pk}" in said

    assert "predicts 0" in said
    kept = ModelVersion.objects.select_related("model").get()
    assert (str(kept), kept.step_run_id, kept.created_by) == ("from-step:1", row.pk, world.owner)

    measured = {each.metric.name: each.metric for each in measured_in(run)}
    assert {"loss", "training_accuracy_score", "training_f1_score"} <= set(measured)
    assert (measured["loss"].count, measured["loss"].last) == (5, "0.2")
    labels = {tag.name: tag for tag in tags_of(run, row)}
    assert labels["max_iter"].value == "200"
    assert labels["max_iter"].is_property
    assert labels["estimator_name"].value == "LogisticRegression"
    assert labels["estimator_name"].set_by is None, "nobody but the step said so"
    folder = queries.ArtifactFolder(world.workspace, row)
    _entry, note = folder.open("notes/note.txt")
    with note:
        assert note.read() == b"made in the step"
    assert "MLmodel" in {entry.name for entry in folder.list("models/model").entries}

    second = Run.objects.exclude(pk=run.pk).get()
    assert (second.status, second.experiment.name) == ("completed", "iris"), "a second run of the script"
    token = said.partition("token ")[2].split()[0]
    python = next(Path(settings.NODE_HOME, "environments").glob("*/bin/python"))
    refused = subprocess.run(
        [str(python), "-c", f"import mlflow; mlflow.MlflowClient().set_tag('r{run.pk}-s{row.pk}', 'late', '1')"],
        env={"MLFLOW_TRACKING_URI": f"{live_server.url}/api/mlflow", "MLFLOW_TRACKING_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert refused.returncode != 0
    assert "This token was of a step that is over." in refused.stderr

    World.make("theirs")
    own = AuthToken.objects.create(world.owner)[1]
    model = f"runs:/r{run.pk}-s{row.pk}/model"
    seen = client_outside(python, f"{live_server.url}/api/mlflow/ours", own, model)
    params = {"lr": "0.1", "depth": "3", "p": "q"}
    assert seen == {
        "immutable": "INVALID_PARAMETER_VALUE",
        "run": ["FINISHED", "parent", params, 0.2, "blue"],
        "odd": [True, True, False],
        "history": [0, 1, 2, 3, 4],
        "many": 1000,
        "searched": {
            "metrics.loss < 1": ["parent"],
            "params.lr = '0.1'": ["parent"],
            "attributes.status = 'FAILED'": ["broken"],
            "tags.team LIKE 'bl%'": ["parent"],
        },
        "sorted": ["child", "parent", "broken"],
        "pages": [2, 1],
        "unfit": "INVALID_PARAMETER_VALUE",
        "missing": "RESOURCE_DOES_NOT_EXIST",
        "parent": True,
        "files": ["a.txt", "all", "d.json"],
        "below": ["a.txt", "deep/b.csv"],
        "text": "x\n1\n",
        "experiment": ["deleted", {"a": "b", "c": "d"}],
        "experiments": ["renamed"],
        "deleted": "deleted",
        "theirs": "RESOURCE_DOES_NOT_EXIST",
        "predicts": 0,
    }

    # What the studio registers itself is there for the client, too.
    services.register_model(
        world.access, row, Left(artifact="models/model"), name="by-hand", stage=ModelStage.PRODUCTION
    )
    seen = client_outside(
        python, f"{live_server.url}/api/mlflow/ours", own, f"r{run.pk}-s{row.pk}", "by-hand", script=REGISTRY
    )
    assert seen == {
        "of the step": 0,
        "logged": "1",
        "registered": ["1", "2", "3", "4"],
        "predicts": [0, 7, 7],
        "alias": [9, "2"],
        "aliases": {"champion": "2"},
        "no alias": "RESOURCE_DOES_NOT_EXIST",
        "stages": {"None": "4", "Staging": "3", "Production": "2"},
        "latest": [11, 11],
        "said": ["a line", {"team": "blue"}, "the first", {"checked": "yes"}, {}],
        "models": ["by-hand", "from-step", "iris", "line"],
        "filtered": ["line"],
        "pages": [1, 2],
        "versions": ["1", "2", "3", "4"],
        "by run": ["by-hand", "from-step", "iris"],
        "by tag": ["iris"],
        "copied": "1",
        "files": True,
        "gone": "RESOURCE_DOES_NOT_EXIST",
        "elsewhere": "INVALID_PARAMETER_VALUE",
        "unfit": "INVALID_PARAMETER_VALUE",
        "made here": True,
    }

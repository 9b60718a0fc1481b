"""What MLflow's client prints as it ends a run leads to the run's page, for those whom it concerns."""

from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.models import StepRun
from studio.workspaces.models import Role
from tests.service.pipelines.tracker import Tracker
from tests.service.pipelines.world import World


@pytest.fixture
def run_id(world: World) -> str:
    return Tracker.of(world.owner).begin(run_name="first")


@pytest.mark.parametrize("base", ["/api/mlflow/", "/api/mlflow/ours/"])
def test_a_run_and_an_experiment(world: World, client: Client, run_id: str, base: str) -> None:
    client.force_login(world.member("reader", Role.READER))
    step = StepRun.objects.select_related("run__experiment").get()
    page = reverse("runs:detail", args=["ours", step.run_id])
    answer = client.get(base, {"run": run_id})
    assert answer["Location"] == f"{page}?{urlencode({'step': step.name})}"
    assert client.get(answer["Location"]).status_code == 200
    answer = client.get(base, {"experiment": str(step.run.experiment_id)})
    assert answer["Location"] == f"{reverse('runs:list', args=['ours'])}?experiment={step.run.experiment.name}"
    assert client.get(answer["Location"]).status_code == 200


def test_whoever_is_not_signed_in_signs_in_first(client: Client, run_id: str) -> None:
    address = f"/api/mlflow/ours/?run={run_id}"
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('login')}?{urlencode({'next': address}, safe='/')}"


def test_what_the_address_means_stands_behind_it(client: Client, world: World) -> None:
    answer = client.get("/api/mlflow/ours/")
    assert answer.status_code == 200
    assert b"studio/mlflow.js" in answer.content
    assert client.post("/api/mlflow/ours/").status_code == 405


@pytest.mark.parametrize("query", [{"run": "r1-s1"}, {"run": "x\0"}, {"run": ""}, {"experiment": "9" * 30}])
def test_there_is_none(client: Client, world: World, query: dict[str, str]) -> None:
    client.force_login(world.owner)
    assert client.get("/api/mlflow/", query).status_code == 404


def test_one_of_another_workspace_is_none(client: Client, run_id: str) -> None:
    theirs = World.make("theirs")
    client.force_login(theirs.owner)
    experiment = str(StepRun.objects.get().run.experiment_id)
    for base in ("/api/mlflow/", "/api/mlflow/ours/", "/api/mlflow/theirs/"):
        assert client.get(base, {"run": run_id}).status_code == 404
        assert client.get(base, {"experiment": experiment}).status_code == 404

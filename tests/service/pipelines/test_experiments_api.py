"""Experiments are listed by name; runs are narrowed to one."""

from typing import Any

import pytest
from django.test import Client

from pipelines.models import Experiment
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


@pytest.fixture
def world(db: None) -> World:
    return World.make()


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.member("reader", Role.READER))
    return client


def test_experiments_by_name(world: World, client: Client, django_assert_max_num_queries: Any) -> None:
    pipeline = world.pipeline(world.step("a"))
    for name in ("beta", "alpha", "alpha-2"):
        world.submit(pipeline, experiment=name)
    theirs = World.make("theirs")
    theirs.submit(theirs.pipeline(theirs.step("a")), experiment="not-ours")
    with django_assert_max_num_queries(6):
        rows = client.get(f"{WS}/experiments/").json()["results"]
    assert [row["name"] for row in rows] == ["alpha", "alpha-2", "beta"]
    assert [row["name"] for row in client.get(f"{WS}/experiments/?q=ALPHA").json()["results"]] == ["alpha", "alpha-2"]
    assert client.get("/api/workspaces/theirs/experiments/").status_code == 404
    assert client.post(f"{WS}/experiments/").status_code == 403
    assert Experiment.objects.count() == 4


def test_runs_of_one_experiment(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"))
    wanted = world.submit(pipeline, experiment="alpha")
    world.submit(pipeline, experiment="alpha-2")
    assert [row["id"] for row in client.get(f"{WS}/runs/?experiment=alpha").json()["results"]] == [wanted.pk]
    assert client.get(f"{WS}/runs/?experiment=nothing").json()["results"] == []
    assert client.get(f"{WS}/runs/?experiment=%00").json()["results"] == []

"""Steps of a kind that is not installed any more: told in words, and nobody else's trouble."""

import json

import pytest
from django.db import connection
from django.test import Client

from pipelines.models import Pipeline, Run
from tests.service.pipelines.world import World

API = "/api/workspaces/ours"
SENTENCE = "This holds a step of the kind “gone”, which is not installed here. Install the package that"


@pytest.fixture
def client(world: World) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(world.owner)
    return client


@pytest.fixture
def old(world: World) -> tuple[Pipeline, Run]:
    """Of a pipeline that has run."""
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"), name="old")
    run = world.submit(pipeline)
    world.drain()
    kind = run.steps.get(name="a").frozen.step.kind
    with connection.cursor() as cursor:
        for table, column in (("pipelines_steprun", "frozen"), ("pipelines_pipelineversion", "definition")):
            cursor.execute(f"SELECT id, {column} FROM {table}")
            for pk, text in cursor.fetchall():
                plain = text if isinstance(text, str) else json.dumps(text)
                changed = plain.replace(f'"kind": "{kind}"', '"kind": "gone"')
                assert changed != plain
                cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [changed, pk])
    return pipeline, run


def test_what_needs_it_is_told_so_and_the_rest_goes_on(world: World, client: Client, old: tuple[Pipeline, Run]) -> None:
    pipeline, run = old
    ours, runs = f"{API}/pipelines/{pipeline.pk}", f"{API}/runs/{run.pk}"
    pages = [f"/w/ours/pipelines/{pipeline.pk}/", f"/w/ours/pipelines/{pipeline.pk}/edit/"]
    told = [f"{ours}/", f"{ours}/versions/1/", f"{ours}/versions/1/yaml/", f"{runs}/steps/a/", f"{runs}/steps/a/log/"]
    for address in [*told, *pages]:
        answer = client.get(address)
        assert answer.status_code == 409, address
        said = answer.content.decode() if address in pages else answer.json()["detail"]
        assert SENTENCE in said, address
    for address in (f"{ours}/runs/", f"{runs}/resubmit/", f"{runs}/steps/a/rerun/"):
        answer = client.post(address, "{}", content_type="application/json")
        assert (answer.status_code, answer.json()["detail"].startswith(SENTENCE)) == (409, True), address
    for address in (f"{API}/runs/", f"{API}/pipelines/", "/w/ours/runs/", "/w/ours/pipelines/"):
        assert client.get(address).status_code == 200, address
    other = world.submit(world.pipeline(world.step("c"), name="another"))
    world.drain()
    assert client.get(f"{API}/runs/{other.pk}/").json()["status"] == "completed"


def test_its_run_can_be_thrown_away(client: Client, old: tuple[Pipeline, Run]) -> None:
    _pipeline, run = old
    answer = client.post(f"{API}/runs/{run.pk}/trash/", "{}", content_type="application/json")
    assert answer.status_code == 204
    assert not Run.objects.filter(pk=run.pk).exists()

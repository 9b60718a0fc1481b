"""Programs that ask twice, and people who save at once: one run for a key, and no version over another's."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pipelines import services
from pipelines.models import Pipeline, PipelineVersion, Run, SubmitKey
from pipelines.services import submitting_once
from studio.lib.problems import ConflictError
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


def owner_of(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


@pytest.fixture
def pipeline(world: World) -> Pipeline:
    made: Pipeline = world.pipeline(world.step("only"), name="once")
    return made


def send(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"{WS}/{path}", json.dumps(body or {}), content_type="application/json", headers=headers)


def submit(client: Client, pipeline: Pipeline, key: str, body: Any = None) -> Any:
    return send(client, f"pipelines/{pipeline.pk}/runs/", body, Idempotency_Key=key)


def test_a_key_is_answered_with_the_run_that_there_is(world: World, pipeline: Pipeline) -> None:
    client = owner_of(world)
    first, again = submit(client, pipeline, "nightly-7"), submit(client, pipeline, "nightly-7")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert submit(client, pipeline, "nightly-8").json()["id"] != first.json()["id"]
    assert Run.objects.count() == 2


def test_a_key_for_something_else_is_refused(world: World, pipeline: Pipeline) -> None:
    client, other = owner_of(world), world.pipeline(world.step("only"), name="other")
    run = submit(client, pipeline, "k").json()["id"]
    for wrong in (submit(client, other, "k"), submit(client, pipeline, "k", {"experiment": "another"})):
        assert wrong.status_code == 409
        assert f"was used for run {run}" in wrong.json()["detail"]
        assert wrong.json()["current"] == {"run": run}
    assert Run.objects.count() == 1


def test_a_key_is_one_person_s_own(world: World, pipeline: Pipeline) -> None:
    runs = {submit(owner_of(world), pipeline, "k").json()["id"]}
    someone = Client()
    someone.force_login(world.member("someone", Role.CONTRIBUTOR))
    runs.add(submit(someone, pipeline, "k").json()["id"])
    assert len(runs) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_keys_that_can_not_be_one(world: World, pipeline: Pipeline, key: str) -> None:
    answer = submit(owner_of(world), pipeline, key)
    assert answer.status_code == 400
    assert "1 to 255 characters" in answer.json()["detail"]
    assert not Run.objects.exists()


def test_a_refused_submission_uses_up_no_key(world: World, pipeline: Pipeline) -> None:
    client = owner_of(world)
    assert submit(client, pipeline, "k", {"version": 9}).status_code == 400
    assert submit(client, pipeline, "k").status_code == 201


def test_of_two_at_once_one_makes_the_run(world: World, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second looked before the first was there."""
    first, _is_new = services.submit_once(world.access, pipeline, "k", {})
    looks = iter([None, first])
    monkeypatch.setattr(submitting_once, "_found", lambda *_args: next(looks))
    assert services.submit_once(world.access, pipeline, "k", {}) == (first, False)
    assert Run.objects.count() == 1


def test_keys_are_forgotten_after_a_day(world: World, pipeline: Pipeline) -> None:
    services.submit_once(world.access, pipeline, "old", {})
    SubmitKey.objects.update(created_at=timezone.now() - submitting_once.KEPT - timedelta(seconds=1))
    services.submit_once(world.access, pipeline, "new", {})
    services.forget_submit_keys()
    assert [row.key for row in SubmitKey.objects.all()] == ["new"]
    with pytest.raises(ConflictError):
        services.submit_once(world.access, pipeline, "new", {"experiment": "e"})
    assert services.submit_once(world.access, pipeline, "old", {})[1]


def test_a_version_is_saved_over_what_was_read(world: World, pipeline: Pipeline) -> None:
    client, path = owner_of(world), f"pipelines/{pipeline.pk}/versions/"
    read = client.get(f"{WS}/pipelines/{pipeline.pk}/")
    changed = {"definition": {**read.json()["definition"], "steps": [world.step("changed")]}}
    saved = send(client, path, changed, If_Match=read.headers["ETag"])
    assert (saved.status_code, saved.json()["number"]) == (201, 2)
    late = send(client, path, changed, If_Match=read.headers["ETag"])
    assert late.status_code == 412
    assert "The pipeline is at version 2 by now." in late.json()["detail"]
    both = send(client, path, {**changed, "base_version": 2}, If_Match=read.headers["ETag"])
    assert both.status_code == 412
    assert PipelineVersion.objects.filter(pipeline=pipeline).count() == 2
    now = client.get(f"{WS}/pipelines/{pipeline.pk}/").headers["ETag"]
    assert saved.headers["ETag"] == now
    assert send(client, path, changed, If_Match=f'"x", {now}').status_code == 200


def test_without_a_version_or_a_tag_nothing_is_saved(world: World, pipeline: Pipeline) -> None:
    answer = send(owner_of(world), f"pipelines/{pipeline.pk}/versions/", {"definition": {"steps": []}})
    assert answer.status_code == 400
    assert [problem["loc"] for problem in answer.json()["problems"]] == [["base_version"]]

"""Results that somebody excluded from reuse, or that expired, are not taken again; and runs that take none."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from pipelines import queries, services
from pipelines.models import Pipeline, Run, StepRun
from pipelines.services.reusing import RUNS_ANEW
from studio.lib.problems import ConflictError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events

WS = "/api/workspaces/ours"


@pytest.fixture
def pipeline(world: World) -> Pipeline:
    return world.pipeline(world.step("a"), world.step("b", "a"))


def ran(world: World, pipeline: Pipeline, **more: Any) -> list[str]:
    world.submit(pipeline, **more)
    return world.drain()


def note(run: Run, name: str) -> str:
    return StepRun.objects.get(run=run, name=name).reuse_note


def test_a_run_whose_outputs_are_regenerated_takes_nothing_and_is_taken_from(world: World, pipeline: Pipeline) -> None:
    assert ran(world, pipeline) == ["a", "b"]
    anew = world.submit(pipeline, regenerate_outputs=True)
    assert world.drain() == ["a", "b"]
    assert [note(anew, name) for name in "ab"] == [RUNS_ANEW] * 2
    third = world.submit(pipeline)
    assert world.drain() == []
    assert StepRun.objects.get(run=third, name="a").reused_from == StepRun.objects.get(run=anew, name="a")
    assert services.resubmit_run(world.access, queries.run_of(world.workspace, anew.pk)).regenerate_outputs
    assert not services.resubmit_run(world.access, queries.run_of(world.workspace, third.pk)).regenerate_outputs


def test_it_goes_over_the_api(world: World, pipeline: Pipeline) -> None:
    ran(world, pipeline)
    client = Client()
    client.force_login(world.owner)
    body = json.dumps({"regenerate_outputs": True})
    made = client.post(f"{WS}/pipelines/{pipeline.pk}/runs/", body, content_type="application/json").json()
    assert world.drain() == ["a", "b"]
    assert client.get(f"{WS}/runs/{made['id']}/").json()["regenerate_outputs"] is True


def test_an_excluded_step_is_not_taken_until_it_may_be_again(world: World, pipeline: Pipeline) -> None:
    first = world.submit(pipeline)
    world.drain()
    assert services.end_reuse(world.access, first, "a") == 1
    run = world.submit(pipeline)
    assert world.drain() == ["a"], "and what it led to has the same content"
    assert note(run, "a") == f"Ran: run {first.pk} did the same, but ours-owner excluded its result from reuse."
    assert services.end_reuse(world.access, run, "a") == 1
    assert services.allow_reuse(world.access, first, "a") == 1
    assert ran(world, pipeline) == []
    assert services.allow_reuse(world.access, first, "a") == 0
    first.refresh_from_db()
    assert [event["ends_at"] is None for event in events(first) if event["kind"] == "reuse_changed"] == [False, True]
    assert_no_gap(first)
    verbs = AuditEvent.objects.filter(target=f"run {first.pk}, a").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["run.exclude_from_reuse", "run.allow_reuse"]


def test_a_result_expires(world: World, pipeline: Pipeline) -> None:
    first = world.submit(pipeline)
    world.drain()
    services.end_reuse(world.access, first, ends_at=timezone.now() + timedelta(hours=1))
    assert ran(world, pipeline) == []
    services.end_reuse(world.access, first, ends_at=timezone.now() - timedelta(seconds=1))
    assert ran(world, pipeline) == ["a", "b"]


def test_of_a_reused_step_it_is_the_one_that_made_the_result(world: World, pipeline: Pipeline) -> None:
    first = world.submit(pipeline)
    world.drain()
    second = world.submit(pipeline)
    services.end_reuse(world.access, second, "a")
    assert StepRun.objects.get(reuse_end__isnull=False).run == first
    detail = queries.step_detail(world.workspace, queries.step_of(second, "a"))
    assert (detail["reuse_ends"]["run"], detail["reuse_ends"]["by"]) == (first.pk, "ours-owner")
    with pytest.raises(ConflictError, match="no result of its own"):
        services.end_reuse(world.access, second)


def test_a_whole_run(world: World, pipeline: Pipeline) -> None:
    first = world.submit(pipeline)
    world.drain()
    assert services.end_reuse(world.access, first) == 2
    assert ran(world, pipeline) == ["a", "b"]
    assert services.end_reuse(world.access, first) == 2, "twice is harmless"
    assert services.allow_reuse(world.access, first) == 2


def test_who_may_and_who_may_not(world: World, pipeline: Pipeline) -> None:
    run = world.submit(pipeline)
    reader = Access(world.member("reader", Role.READER), world.workspace, Role.READER)
    for call in (services.end_reuse, services.allow_reuse):
        with pytest.raises(PermissionDenied):
            call(reader, run, "a")
    client, theirs = Client(), World.make("theirs")
    client.force_login(theirs.owner)
    for verb in ("exclude-from-reuse", "allow-reuse"):
        for place in (f"runs/{run.pk}", f"runs/{run.pk}/steps/a"):
            assert client.post(f"/api/workspaces/theirs/{place}/{verb}/").status_code == 404
            assert client.post(f"{WS}/{place}/{verb}/").status_code == 404
    client.force_login(world.member("ada", Role.CONTRIBUTOR))
    assert client.post(f"{WS}/runs/{run.pk}/exclude-from-reuse/").json() == {"steps": 2}
    body = json.dumps({"ends_at": "tomorrow"})
    refused = client.post(f"{WS}/runs/{run.pk}/exclude-from-reuse/", body, content_type="application/json")
    assert refused.status_code == 400
    assert client.post(f"{WS}/runs/{run.pk}/steps/gone/exclude-from-reuse/").status_code == 404


def test_switched_off_and_gone_are_told_apart(world: World, pipeline: Pipeline) -> None:
    world.save(pipeline, world.step("a", allow_reuse=False))
    first = world.submit(pipeline)
    world.drain()
    world.save(pipeline, world.step("a"))
    run = world.submit(pipeline)
    assert note(run, "a") == f"Ran: run {first.pk} did the same, but with reuse switched off: its result is not taken."

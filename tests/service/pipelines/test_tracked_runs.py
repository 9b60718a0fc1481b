"""Runs that a client makes somewhere else: begun, logged to and ended over REST, and runs like any other meanwhile."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from compute.models import ComputeTarget, Job
from pipelines import services
from pipelines.metric_queries import measured_in
from pipelines.models import Pipeline, Run, RunEvent, StepRun
from pipelines.services.purging import purge_due
from pipelines.states import StepStatus
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.owner)
    return client


def post(client: Client, path: str, data: Any) -> Any:
    return client.post(f"{WS}/runs/{path}", json.dumps(data), content_type="application/json")


def begin(client: Client, **more: Any) -> dict[str, Any]:
    answer = post(client, "tracked/", {"experiment": "laptop", **more})
    assert answer.status_code == 201, answer.content
    begun: dict[str, Any] = answer.json()
    return begun


def end(world: World, step: StepRun, status: StepStatus = StepStatus.COMPLETED) -> bool:
    return services.end_tracked_run(world.access, step, status)


def test_a_run_is_begun_logged_to_and_ended(world: World, client: Client) -> None:
    begun = begin(client, name="try 1", tags={"team": "blue"})
    assert begun["status"] == "running"
    run = Run.objects.get(pk=begun["id"])
    step = run.steps.get()
    assert begun["tracking_id"] == f"r{run.pk}-s{step.pk}"
    said = {
        "points": [{"name": "loss", "value": 0.5, "step": 1}, {"name": "odd", "value": "NaN"}],
        "properties": {"lr": "0.1"},
        "tags": {"team": "red"},
    }
    logged = post(client, f"{run.pk}/log/", said)
    assert logged.status_code == 204, logged.content
    ended = post(client, f"{run.pk}/end/", {"status": "failed", "reason": "It diverged."})
    assert (ended.status_code, ended.json()) == (200, {"ended": True, "status": "failed"})
    again = post(client, f"{run.pk}/end/", {"status": "completed"})
    assert again.json() == {"ended": False, "status": "failed"}
    run.refresh_from_db()
    assert (run.status, run.reason) == ("failed", "“client” failed: It diverged.")
    assert run.finished_at is not None
    shown = client.get(f"{WS}/runs/{run.pk}/steps/client/").json()
    assert (shown["status"], shown["reason"]) == ("failed", "It diverged.")
    assert shown["tags"]["properties"]["lr"]["value"] == "0.1"
    assert {name: tag["value"] for name, tag in shown["tags"]["tags"].items()} == {
        "team": "red",
        "mlflow.runName": "try 1",
    }
    measured = client.get(f"{WS}/runs/{run.pk}/metrics/").json()["metrics"]
    assert [(each["name"], each["last"]) for each in measured] == [("loss", 0.5), ("odd", "NaN")]
    said = [event.data.get("status") for event in RunEvent.objects.filter(run=run)]
    assert said == ["queued", "running", "running", "failed", "failed"], "a watcher sees each change"
    listed = client.get(f"{WS}/runs/?q=laptop").json()["results"]
    assert [each["id"] for each in listed] == [run.pk]


def test_pages_show_it(world: World, client: Client) -> None:
    begun = begin(client)
    post(client, f"{begun['id']}/log/", {"points": [{"name": "loss", "value": 1}]})
    for page in (f"/w/ours/runs/{begun['id']}/", "/w/ours/runs/", "/w/ours/pipelines/", "/w/ours/compute/"):
        answer = client.get(page)
        assert answer.status_code == 200, page
    page = client.get(f"/w/ours/runs/{begun['id']}/").content
    assert b'data-run="cancel"' in page
    for button in (b"again", b"continue", b"pause", b"edit"):
        assert b'data-run="%b"' % button not in page
    assert b"clients" not in client.get("/w/ours/compute/").content, "nobody is shown a target that is none"
    pipeline = Pipeline.objects.get(name="Tracked runs")
    assert client.get(f"/w/ours/pipelines/{pipeline.pk}/").status_code == 200


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["experiment"]),
        ({"experiment": ""}, ["experiment"]),
        ({"experiment": "a" * 101}, ["experiment"]),
        ({"experiment": "a", "name": "n" * 251}, ["name"]),
        ({"experiment": "a", "tags": {"a\nb": "x"}}, ["tags", "a\nb"]),
        ({"experiment": "a", "tags": {"a": "x" * 8001}}, ["tags", "a"]),
        ({"experiment": "a", "tag": {}}, ["tag"]),
    ],
)
def test_what_does_not_fit_is_told_at_its_field(client: Client, body: Any, loc: list[str]) -> None:
    answer = post(client, "tracked/", body)
    assert answer.status_code == 400
    assert loc in [problem["loc"] for problem in answer.json()["problems"]]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"points": [{"name": "a", "value": "word"}]}, ["points", 0, "value"]),
        ({"points": [{"name": "", "value": 1}]}, ["points", 0, "name"]),
        ({"points": [{"name": "a", "value": 1, "step": 2**62}]}, ["points", 0, "step"]),
        ({"points": [{"name": "a", "value": 1, "at_ms": -1}]}, ["points", 0, "at_ms"]),
        ({"points": [{"name": "a", "value": 1}] * 1001}, ["points"]),
        ({"properties": {"a": "x" * 8001}}, ["properties", "a"]),
        ({"metrics": []}, ["metrics"]),
    ],
)
def test_what_is_logged_amiss_is_told_at_its_field(client: Client, body: Any, loc: list[Any]) -> None:
    begun = begin(client)
    answer = post(client, f"{begun['id']}/log/", body)
    assert answer.status_code == 400
    assert loc in [problem["loc"] for problem in answer.json()["problems"]]


def test_a_property_is_said_once(world: World, client: Client) -> None:
    begun = begin(client)
    assert post(client, f"{begun['id']}/log/", {"properties": {"lr": "1"}}).status_code == 204
    assert post(client, f"{begun['id']}/log/", {"properties": {"lr": "1"}}).status_code == 204
    answer = post(client, f"{begun['id']}/log/", {"properties": {"lr": "2"}, "points": [{"name": "m", "value": 1}]})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["loc"] == ["properties", "lr"]
    assert measured_in(Run.objects.get()) == [], "nothing of it was logged"


def test_a_run_of_the_studio_is_not_ended_by_a_client(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    for path, body in ((f"{run.pk}/end/", {"status": "completed"}), (f"{run.pk}/log/", {"tags": {"a": "b"}})):
        answer = post(client, path, body)
        assert answer.status_code == 409
        assert "is run by the studio" in answer.json()["detail"]


def test_it_can_be_cancelled_and_nothing_is_left_of_it(world: World, client: Client) -> None:
    begun = begin(client)
    run = Run.objects.get(pk=begun["id"])
    assert services.cancel_run(world.access, run)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert post(client, f"{run.pk}/end/", {"status": "completed"}).json() == {"ended": False, "status": "cancelled"}


def test_nothing_runs_it(world: World, client: Client) -> None:
    begin(client)
    with pytest.raises(AssertionError, match="no job to claim"):
        world.claim()
    assert not Job.objects.exclude(status="completed").exists()
    assert ComputeTarget.objects.filter(name="clients").count() == 0
    begin(client)
    assert Pipeline.objects.count() == 1
    assert ComputeTarget._base_manager.filter(name="clients").count() == 1


def test_only_a_client_begins_one(world: World, client: Client) -> None:
    begin(client)
    pipeline = Pipeline.objects.get()
    with pytest.raises(UserError, match="Only a program can begin such a run"):
        services.submit_run(world.access, pipeline)
    builder = client.get(f"/w/ours/pipelines/{pipeline.pk}/edit/")
    assert b"Tracked by a client" not in builder.content or b'data-kind="tracked"' not in builder.content


def test_whatever_becomes_of_the_pipeline_the_next_run_has_its_step(world: World, client: Client) -> None:
    begin(client)
    pipeline = Pipeline.objects.get()
    world.save(pipeline, world.step("a"))
    assert Run.objects.get(pk=begin(client)["id"]).version.number == 3
    services.delete_pipeline(world.access, pipeline)
    assert Run.objects.get(pk=begin(client)["id"]).pipeline_id != pipeline.pk


def test_a_reader_begins_and_ends_none(world: World, client: Client) -> None:
    step = services.start_tracked_run(world.access, experiment="e")
    reader = Access(world.member("reader", Role.READER), world.workspace, Role.READER)
    with pytest.raises(PermissionDenied):
        services.start_tracked_run(reader, experiment="e")
    with pytest.raises(PermissionDenied):
        services.end_tracked_run(reader, step, StepStatus.COMPLETED)
    with pytest.raises(PermissionDenied):
        services.log_records(reader, step, None, services.Records(tags={"a": "b"}))
    with pytest.raises(PermissionDenied):
        services.remove_tag(reader, step, "a")


def test_times_are_believed_within_reason(world: World) -> None:
    now = timezone.now()
    for moment in (now - timedelta(days=365 * 60), now + timedelta(days=3)):
        with pytest.raises(UserError):
            services.start_tracked_run(world.access, experiment="e", began_at=moment)
    began = now - timedelta(days=3)
    step = services.start_tracked_run(world.access, experiment="e", began_at=began)
    assert Run.objects.get().started_at == step.started_at == began


def test_in_the_trash_it_is_closed_and_from_there_it_goes_with_all_that_it_had(world: World) -> None:
    step = services.start_tracked_run(world.access, experiment="e")
    attempt = services.attempt_to_log_to(step, as_its_program=False)
    from compute.metrics.from_clients import ClientPoint
    from compute.models import Metric

    points = [ClientPoint("loss", 0, 1.0, 0)]
    services.log_records(world.access, step, attempt, services.Records(points=points, tags={"a": "b"}))
    assert end(world, step)
    services.trash_run(world.access, Run.objects.get())
    run = Run.everything.get()
    with pytest.raises(ConflictError):
        services.log_records(world.access, step, attempt, services.Records(tags={"a": "c"}))
    with pytest.raises(ConflictError):
        end(world, step)
    run.trash.due_at = timezone.now() - timedelta(days=1)
    run.trash.save()
    while purge_due():
        pass
    assert not Run.everything.exists()
    assert not Metric.objects.exists()
    assert not Job.objects.exists()


def test_one_that_failed_is_not_tried_again_here_and_keeps_its_metrics(world: World, client: Client) -> None:
    begun = begin(client)
    step = StepRun.objects.get(run_id=begun["id"])
    assert post(client, f"{begun['id']}/log/", {"points": [{"name": "loss", "value": 0.5}]}).status_code == 204
    assert end(world, step, StepStatus.FAILED)
    refused = post(client, f"{begun['id']}/continue/", {})
    assert refused.status_code == 409
    assert "A program elsewhere did this run" in refused.json()["detail"]
    run = Run.objects.get(pk=begun["id"])
    assert (run.status, StepRun.objects.get(pk=step.pk).job_id is not None) == ("failed", True)

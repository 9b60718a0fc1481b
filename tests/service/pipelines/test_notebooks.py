"""Notebooks through the API, and what is kept of steps that came to nothing."""

import io
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from compute.models import Attempt, Environment, SpecificationLock, StorageUse
from compute.services import create_environment
from compute.services.leases import Lease, Outcome, start
from compute.services.recount import ask_recount, recount_storage
from compute.spec import EnvironmentLock, EnvironmentSpec, JobResult, LockedPackage, OutputRecord
from compute.states import JobStatus
from datastores import snapshots
from datastores.backends import get_backend
from datastores.models import Datastore
from pipelines import services
from pipelines.models import Run, StepOutput, StepRun
from studio.lib.problems import UserError
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)><b>bold</b>"
EXECUTED = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {
            "cell_type": "code",
            "metadata": {},
            "source": "x = 1",
            "execution_count": 1,
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": EVIL},
                {"output_type": "display_data", "metadata": {}, "data": {"text/html": EVIL}},
                {"output_type": "display_data", "metadata": {}, "data": {"application/javascript": "alert(1)"}},
            ],
        }
    ],
}


@pytest.fixture
def client(world: World) -> Client:
    return client_of(world.owner)


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def notebook(parameters: str) -> str:
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": parameters, "outputs": []}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})


def step(world: World, text: str = notebook("alpha = 1"), **more: Any) -> dict[str, Any]:
    source = snapshots.edit(world.workspace, None, put={"a.ipynb": text}).digest
    plain = {name: value for name, value in world.step("a").items() if name not in {"entry", "arguments"}}
    return {**plain, "kind": "notebook", "notebook": "a.ipynb", "source": source, "environment": "notebook", **more}


def checked(client: Client, *steps: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"definition": {"steps": list(steps)}})
    answer = client.post(f"{WS}/pipelines/validate/", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def keep(lease: Lease, outcome: JobStatus, world: World, **more: Any) -> None:
    """Play a process that left an executed notebook and came to nothing."""
    output = lease.spec.outputs["executed_notebook"]
    assert output.kept
    record = OutputRecord(
        datastore_id=output.datastore_id,
        path=output.path.replace("{attempt}", str(lease.attempt)),
        fingerprint="f",
        file_count=1,
        size_bytes=70,
    )
    backend = get_backend(Datastore.objects.get(pk=record.datastore_id))
    backend.write(f"{record.path}/a.ipynb", io.BytesIO(json.dumps(EXECUTED).encode()))
    start(lease, timezone.now())
    world.end(lease, Outcome(outcome, result=JobResult(outputs={"executed_notebook": record}), **more))


def stored_bytes() -> int:
    """What steps left, all people together."""
    return sum(StorageUse.objects.values_list("size_bytes", flat=True))


def failed_run(world: World) -> Run:
    run = world.submit(world.pipeline(step(world)))
    keep(world.claim(), JobStatus.FAILED, world, exit_code=1, reason="The script ended with exit code 1.")
    return run


def test_a_notebook_is_looked_into_before_it_runs(world: World, client: Client) -> None:
    given = [{"name": "alpha", "value": 2}, {"name": "beta", "value": False}]
    answer = checked(client, step(world, parameters=given))
    assert answer["problems"] == []
    assert answer["warnings"] == [
        {
            "loc": ["steps", 0, "parameters", 1, "name"],
            "message": "The notebook's cell of parameters has no “beta”. There are: alpha.",
        }
    ]
    (problem,) = checked(client, step(world, "no JSON"))["problems"]
    assert problem["loc"] == ["steps", 0, "notebook"]


def test_what_the_environment_has_is_known_from_its_lock(world: World, client: Client) -> None:
    spec = EnvironmentSpec(pip=["papermill"])
    create_environment(workspace=world.workspace, name="mine", spec=spec, created_by=world.owner)
    mine = step(world, environment="mine")
    assert checked(client, mine)["problems"] == []  # nobody has built it
    packages = [LockedPackage(name="papermill", version="2.7.0"), LockedPackage(name="IPyKernel", version="7")]
    lock = EnvironmentLock(python="3.11.7", platform="linux-64", packages=packages[:1])
    digest = Environment.objects.get(name="mine").spec.digest
    row = SpecificationLock.objects.create(digest=digest, document=lock, node_name="here")
    (problem,) = checked(client, mine)["problems"]
    assert (problem["loc"], "has no ipykernel," in problem["message"]) == (["steps", 0, "environment"], True)
    row.document = lock.model_copy(update={"packages": packages})
    row.save()
    assert checked(client, mine)["problems"] == []
    (problem,) = checked(client, step(world, environment="python"))["problems"]
    assert "has no papermill and ipykernel," in problem["message"]


def test_an_environment_that_a_parameter_chooses_is_looked_into_too(world: World) -> None:
    parameters = [{"name": "where", "type": "string", "default": "notebook"}]
    pipeline = world.pipeline(step(world, environment="${{parameters.where}}"), parameters=parameters)
    with pytest.raises(UserError, match="has no papermill and ipykernel") as refused:
        world.submit(pipeline, parameters={"where": "python"})
    assert refused.value.problems[0].loc == ("parameters", "where")
    assert world.submit(pipeline).status == "queued"


def test_as_many_questions_for_many_notebooks_as_for_few(
    world: World, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = step(world)
    checked(client, first)
    with django_assert_max_num_queries(20):
        assert checked(client, *({**first, "name": f"s{n}"} for n in range(40)))["problems"] == []


def test_what_a_failed_step_kept_is_there_and_nobody_reads_it(world: World, client: Client) -> None:
    run = failed_run(world)
    row = StepRun.objects.get(run=run)
    assert (row.status, list(row.outputs.outputs)) == ("failed", ["executed_notebook"])
    assert not StepOutput.objects.exists()
    detail = client.get(f"{WS}/runs/{run.pk}/steps/a/").json()
    assert [(each["name"], each["is_kept"], each["file_count"]) for each in detail["outputs"]] == [
        ("out", False, None),
        ("executed_notebook", True, 1),
    ]
    listed = client.get(f"{WS}/runs/{run.pk}/steps/a/outputs/executed_notebook/").json()
    assert [entry["name"] for entry in listed["entries"]] == ["a.ipynb"]
    assert stored_bytes() == 70
    ask_recount(world.workspace.pk)
    assert recount_storage(world.workspace.pk)
    assert stored_bytes() == 70
    again = world.submit(run.pipeline)
    assert StepRun.objects.get(run=again).status == "queued"  # what came to nothing is not taken again


def test_a_cancelled_step_keeps_it_too_and_one_that_is_tried_again_does_not_show_it_yet(world: World) -> None:
    run = world.submit(world.pipeline(step(world, retry={"max_attempts": 2})))
    keep(world.claim(), JobStatus.FAILED, world, exit_code=1, failure="exit")
    row = StepRun.objects.get(run=run)
    assert (row.status, row.outputs) == ("queued", None)
    assert stored_bytes() == 70, "it lies there, and counts"
    keep(world.claim(), JobStatus.CANCELLED, world, reason="Cancelled.")
    row.refresh_from_db()
    assert row.status == "cancelled"
    assert stored_bytes() == 140, "of each attempt what it left"
    ask_recount(world.workspace.pk)
    assert recount_storage(world.workspace.pk)
    assert stored_bytes() == 140
    assert row.outputs.outputs["executed_notebook"].path.endswith("/a/2/executed_notebook")


def test_a_reused_step_shows_the_notebook_of_the_earlier_one(world: World, client: Client) -> None:
    pipeline = world.pipeline(step(world))
    world.submit(pipeline)
    world.drain()
    again = world.submit(pipeline)
    assert StepRun.objects.get(run=again).reused_from is not None
    listed = client.get(f"{WS}/runs/{again.pk}/steps/a/outputs/executed_notebook/").json()
    assert [entry["name"] for entry in listed["entries"]] == ["data.txt"]


def test_the_executed_notebook_is_shown_and_nothing_in_it_runs(world: World, client: Client) -> None:
    run = failed_run(world)
    address = f"/w/ours/runs/{run.pk}/steps/a/notebook/"
    shown = client.get(address, {"output": "executed_notebook", "path": "a.ipynb"})
    page = shown.content.decode()
    assert shown.status_code == 200
    assert "<b>bold</b>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page  # as it was printed
    for bad in ("<script", "<img src=x", "onerror=alert(1)>"):
        assert bad not in page
    assert "script-src 'self'" in shown["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"output": "executed_notebook", "path": "b.ipynb"}, 404),
        ({"output": "executed_notebook", "path": ""}, 404),
        ({"output": "executed_notebook", "path": "../../../a.ipynb"}, 400),
        ({"output": "out", "path": "a.ipynb"}, 404),
        ({"path": "a.ipynb"}, 404),
        ({}, 404),
    ],
)
def test_what_is_no_file_of_an_output_is_not_shown(
    world: World, client: Client, query: dict[str, str], status: int
) -> None:
    run = failed_run(world)
    assert client.get(f"/w/ours/runs/{run.pk}/steps/a/notebook/", query).status_code == status


def test_a_stranger_sees_no_notebook(world: World) -> None:
    run = failed_run(world)
    stranger = client_of(World.make("theirs").owner)
    for slug in ("ours", "theirs"):
        query = {"output": "executed_notebook", "path": "a.ipynb"}
        assert stranger.get(f"/w/{slug}/runs/{run.pk}/steps/a/notebook/", query).status_code == 404


def test_a_notebook_that_is_ignored_is_told_at_its_field(world: World) -> None:
    put = {"a.ipynb": notebook("a = 1"), ".amlignore": "*.ipynb\n"}
    source = snapshots.edit(world.workspace, None, put=put).digest
    with pytest.raises(UserError) as refused:
        world.submit(world.pipeline(step(world) | {"source": source}))
    assert refused.value.problems[0].loc == ("steps", 0, "notebook")


def test_what_earlier_attempts_kept_stays_reachable(world: World, client: Client) -> None:
    """After another attempt of the same job, and after somebody continued the run by another job."""
    run = world.submit(world.pipeline(step(world, retry={"max_attempts": 2})))
    keep(world.claim(), JobStatus.FAILED, world, exit_code=1, failure="exit")
    keep(world.claim(), JobStatus.FAILED, world, exit_code=1, failure="exit")
    services.continue_run(world.access, run)
    keep(world.claim(), JobStatus.CANCELLED, world, reason="Cancelled.")
    detail = client.get(f"{WS}/runs/{run.pk}/steps/a/").json()
    assert [[kept["name"] for kept in each["kept"]] for each in detail["attempts"]] == [
        ["executed_notebook"],
        ["executed_notebook"],
        [],  # it is the step's own
    ]
    base = f"{WS}/runs/{run.pk}/steps/a/outputs/executed_notebook/"
    for attempt in (1, 2, 3):
        listed = client.get(base, {"attempt": attempt}).json()
        assert [entry["name"] for entry in listed["entries"]] == ["a.ipynb"], attempt
        given = client.get(f"{base}download/", {"attempt": attempt, "path": "a.ipynb"})
        assert json.loads(given.getvalue()) == EXECUTED
        query = {"output": "executed_notebook", "path": "a.ipynb", "attempt": attempt}
        assert b"<b>bold</b>" in client.get(f"/w/ours/runs/{run.pk}/steps/a/notebook/", query).content
    for attempt, output in ((4, "executed_notebook"), (1, "out"), (1, "nothing")):
        assert client.get(f"{WS}/runs/{run.pk}/steps/a/outputs/{output}/", {"attempt": attempt}).status_code == 404


def test_what_was_kept_before_attempts_said_so_is_reachable_too(world: World, client: Client) -> None:
    run = failed_run(world)
    Attempt.objects.update(kept=None)
    services.continue_run(world.access, run)
    listed = client.get(f"{WS}/runs/{run.pk}/steps/a/outputs/executed_notebook/", {"attempt": 1}).json()
    assert [entry["name"] for entry in listed["entries"]] == ["a.ipynb"]
    assert client.get(f"{WS}/runs/{run.pk}/steps/a/outputs/executed_notebook/").status_code == 404

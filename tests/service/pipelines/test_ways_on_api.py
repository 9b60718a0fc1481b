"""Ways on from a failed run over REST: what is answered, to whom, and what of it the page reads."""

import json
from typing import Any

import pytest
from django.test import Client

from pipelines.models import Run, StepRun
from studio.workspaces.models import Role, User
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client(world: World) -> Client:
    return signed_in(world.owner)


@pytest.fixture
def run(world: World) -> Run:
    """a → bad; bad failed."""
    run = world.submit(world.pipeline(world.step("a"), world.step("bad", "a")))
    world.complete(world.claim())
    world.fail(world.claim())
    return run


def post(client: Client, path: str, data: Any = None) -> Any:
    return client.post(path, json.dumps(data or {}), content_type="application/json")


def put(text: str, **more: Any) -> dict[str, Any]:
    return {"base_edit": 0, "files": {"put": [{"path": "main.py", "text": text}]}, **more}


def test_continue(world: World, client: Client, run: Run) -> None:
    answer = post(client, f"{WS}/runs/{run.pk}/continue/")
    assert (answer.status_code, answer.json()) == (200, {"steps": 1, "status": "queued"})
    again = post(client, f"{WS}/runs/{run.pk}/continue/")
    assert again.status_code == 409
    assert "goes on already" in again.json()["detail"]
    state = client.get(f"{WS}/runs/{run.pk}/").json()
    assert (state["status"], state["finished_at"], state["reason"]) == ("queued", None, "")
    assert state["steps"][1]["status"] == "queued"


def test_edit_and_continue(world: World, client: Client, run: Run) -> None:
    answer = post(client, f"{WS}/runs/{run.pk}/steps/bad/edit/", put("print('good')\n", save_to_pipeline=True))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["steps"], body["version"], body["status"]) == (1, 2, "queued")
    assert (body["edit"]["changes"], body["edit"]["edited_by"]) == (["main.py"], "ours-owner")
    assert world.drain() == ["bad"]
    step = f"{WS}/runs/{run.pk}/steps/bad/"
    texts = [client.get(f"{step}code/?path=main.py&attempt={number}").json()["text"] for number in (1, 2)]
    assert texts == ["print(1)\n", "print('good')\n"]
    detail = client.get(step).json()
    assert [attempt["number"] for attempt in detail["attempts"]] == [1, 2]
    assert detail["edits"] == [body["edit"]]
    assert client.get(f"{step}log/?attempt=1").json()["attempts"] == [1, 2]


def test_problems_come_with_their_fields(client: Client, run: Run) -> None:
    edit = f"{WS}/runs/{run.pk}/steps/bad/edit/"
    wrong = post(client, edit, {"base_edit": 0, "settings": {"entry": "mian.py"}})
    assert (wrong.status_code, wrong.json()["problems"][0]["loc"]) == (400, ["settings", "entry"])
    assert post(client, edit).json()["problems"] == [
        {"loc": ["base_edit"], "message": "This field is required.", "pointer": "#/base_edit"}
    ]
    gone = post(client, f"{WS}/runs/{run.pk}/steps/none/edit/", put("x"))
    assert gone.status_code == 404


def test_new_runs_of_an_earlier_one(world: World, client: Client, run: Run) -> None:
    again = post(client, f"{WS}/runs/{run.pk}/resubmit/", {"experiment": "second"})
    assert again.status_code == 201
    made = client.get(f"{WS}/runs/{again.json()['id']}/").json()
    assert (made["experiment"], made["rerun_of"], made["rerun_from"]) == ("second", run.pk, "")
    rerun = post(client, f"{WS}/runs/{run.pk}/steps/bad/rerun/")
    assert (rerun.status_code, rerun.json()["url"]) == (201, f"/w/ours/runs/{rerun.json()['id']}/")
    made = client.get(f"{WS}/runs/{rerun.json()['id']}/").json()
    assert (made["rerun_of"], made["rerun_from"], made["steps"][0]["reused_from"]) == (run.pk, "bad", run.pk)
    page = client.get(rerun.json()["url"]).content.decode()
    assert "from “bad” on" in page
    early = post(client, f"{WS}/runs/{rerun.json()['id']}/steps/bad/rerun/")
    assert (early.status_code, "is not over" in early.json()["detail"]) == (409, True)


def test_a_clone_opens_in_the_builder(world: World, client: Client, run: Run) -> None:
    answer = post(client, f"{WS}/runs/{run.pk}/clone/")
    assert (answer.status_code, answer.json()["name"]) == (201, "digits (copy)")
    assert client.get(answer.json()["url"]).status_code == 200


def test_a_reader_is_refused_and_another_workspaces_run_is_not_found(world: World, run: Run) -> None:
    other = World.make("theirs")
    for person, status in ((world.member("reader", Role.READER), 403), (other.owner, 404)):
        client = signed_in(person)
        for way in ("continue", "resubmit", "clone", "steps/bad/rerun"):
            assert post(client, f"{WS}/runs/{run.pk}/{way}/").status_code == status
        assert post(client, f"{WS}/runs/{run.pk}/steps/bad/edit/", put("x")).status_code == status
    theirs = signed_in(other.owner)
    for way in ("continue", "resubmit", "clone", "steps/bad/rerun"):
        assert post(theirs, f"/api/workspaces/theirs/runs/{run.pk}/{way}/").status_code == 404
    assert post(theirs, f"/api/workspaces/theirs/runs/{run.pk}/steps/bad/edit/", put("x")).status_code == 404
    assert Run.objects.count() == 1
    run.refresh_from_db()
    assert (run.status, StepRun.objects.get(run=run, name="bad").edits.count()) == ("failed", 0)


def test_pause_and_resume(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("x"), name="other"))
    paused = post(client, f"{WS}/runs/{run.pk}/pause/")
    assert paused.status_code == 200
    body = paused.json()
    assert (body["changed"], body["status"], body["paused_by"]) == (True, "queued", "ours-owner")
    assert body["paused_at"]
    state = client.get(f"{WS}/runs/{run.pk}/").json()
    assert (state["paused_by"], state["paused_at"]) == (body["paused_by"], body["paused_at"])
    page = client.get(f"/w/ours/runs/{run.pk}/").content.decode()
    assert "Paused by ours-owner: nothing further starts." in page
    assert "Paused by ours-owner" in client.get("/w/ours/runs/?status=paused").content.decode()
    assert post(client, f"{WS}/runs/{run.pk}/pause/").json()["changed"] is False
    resumed = post(client, f"{WS}/runs/{run.pk}/resume/").json()
    assert (resumed["changed"], resumed["paused_at"], resumed["paused_by"]) == (True, None, None)
    world.drain()
    late = post(client, f"{WS}/runs/{run.pk}/pause/")
    assert late.status_code == 409
    assert "is over" in late.json()["detail"]


def test_a_reader_pauses_nothing(world: World) -> None:
    run = world.submit(world.pipeline(world.step("x"), name="other"))
    reader = signed_in(world.member("looks", Role.READER))
    for verb in ("pause", "resume"):
        assert post(reader, f"{WS}/runs/{run.pk}/{verb}/").status_code == 403
    run.refresh_from_db()
    assert run.paused_at is None


def test_continue_on_step_failure_by_submission(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("x"), name="other")
    for body, wanted in (({}, True), ({"continue_on_step_failure": False}, False)):
        run = post(client, f"{WS}/pipelines/{pipeline.pk}/runs/", body).json()["id"]
        assert client.get(f"{WS}/runs/{run}/").json()["continue_on_step_failure"] is wanted
        again = post(client, f"{WS}/runs/{run}/resubmit/").json()["id"]
        assert client.get(f"{WS}/runs/{again}/").json()["continue_on_step_failure"] is wanted

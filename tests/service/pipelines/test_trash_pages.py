"""The pages and the API of the trash: who may do what there, and what each says."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pipelines import services
from pipelines.models import Pin, Retention, Run, TrashedRun
from studio.workspaces.models import Role, User
from tests.service.pipelines.trash import its_days_are_over, over, purge
from tests.service.pipelines.world import World


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def call(client: Client, method: str, path: str, **body: Any) -> Any:
    answer = client.generic(method, f"/api/workspaces/ours/{path}", json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def owner(world: World) -> Client:
    return signed_in(world.owner)


@pytest.fixture
def contributor(world: World) -> Client:
    return signed_in(world.member("cora", Role.CONTRIBUTOR))


@pytest.fixture
def reader(world: World) -> Client:
    return signed_in(world.member("rita", Role.READER))


@pytest.fixture
def run(world: World) -> Run:
    return over(world, world.pipeline(world.step("a"), world.step("b", "a")))


def test_a_run_goes_and_comes_over_the_api(contributor: Client, reader: Client, run: Run) -> None:
    for path in ("trash/", "restore/", "pin/"):
        assert call(reader, "POST", f"runs/{run.pk}/{path}")[0] == 403
    assert call(contributor, "POST", f"runs/{run.pk}/trash/") == (204, None)
    assert call(contributor, "POST", f"runs/{run.pk}/trash/")[0] == 409
    assert call(contributor, "GET", f"runs/{run.pk}/")[1]["trash"]["trashed_by"] == "cora"
    (row,) = call(reader, "GET", "trash/")[1]["results"]
    assert (row["run"], row["pipeline"]["name"], row["status"]) == (run.pk, "digits", "in_trash")
    assert call(contributor, "POST", f"runs/{run.pk}/purge/")[0] == 403
    assert call(contributor, "POST", f"runs/{run.pk}/restore/") == (204, None)
    assert call(contributor, "POST", f"runs/{run.pk}/restore/")[0] == 409
    assert call(contributor, "GET", f"runs/{run.pk}/")[1]["trash"] is None


def test_several_are_chosen_and_the_answer_is_a_sentence(world: World, contributor: Client, run: Run) -> None:
    going = world.submit(world.pipeline(world.step("c"), name="other"))
    status, body = call(contributor, "POST", "runs/trash/", runs=[run.pk, going.pk])
    assert (status, body["trashed"]) == (200, [run.pk])
    assert body["said"] == f"1 run is in the trash. Run {going.pk} is not over. Cancel it, or wait for its end."
    status, body = call(contributor, "POST", "runs/trash/", runs=[going.pk])
    assert (status, TrashedRun.objects.count()) == (409, 1)
    assert call(contributor, "POST", "runs/trash/", runs=["x"])[0] == 400
    assert call(contributor, "POST", "runs/trash/")[0] == 400


def test_a_pin_is_seen_in_the_list_and_on_the_page(contributor: Client, reader: Client, run: Run) -> None:
    assert "pin-mark" not in reader.get("/w/ours/runs/").content.decode()
    status, body = call(contributor, "POST", f"runs/{run.pk}/pin/", note="<b>the baseline</b>")
    assert (status, body["by"], body["note"]) == (200, "cora", "<b>the baseline</b>")
    call(contributor, "POST", f"runs/{run.pk}/steps/b/pin/", note="its model")
    page = reader.get("/w/ours/runs/").content.decode()
    assert "pin-mark" in page
    detail = reader.get(f"/w/ours/runs/{run.pk}/").content.decode()
    assert "by cora: &lt;b&gt;the baseline&lt;/b&gt;" in detail
    assert "Take the pin off" not in detail
    assert "Take the pin off" in contributor.get(f"/w/ours/runs/{run.pk}/").content.decode()
    steps = {step["name"]: step["pin"] for step in call(reader, "GET", f"runs/{run.pk}/")[1]["steps"]}
    assert (steps["a"], steps["b"]["note"]) == (None, "its model")
    assert call(reader, "GET", f"runs/{run.pk}/steps/b/")[1]["pin"]["note"] == "its model"
    assert [row["pinned"] for row in call(reader, "GET", "runs/")[1]["results"]] == [True]
    assert call(contributor, "DELETE", f"runs/{run.pk}/pin/")[0] == 204
    assert call(contributor, "DELETE", f"runs/{run.pk}/steps/b/pin/")[0] == 204
    assert not Pin.objects.exists()


def test_another_workspaces_runs_are_not_there(world: World, owner: Client) -> None:
    theirs = World.make("theirs")
    run = over(theirs, theirs.pipeline(theirs.step("a")))
    services.trash_run(theirs.access, run)
    for path in ("trash/", "restore/", "purge/", "pin/"):
        assert call(owner, "POST", f"runs/{run.pk}/{path}")[0] == 404
    assert owner.get(f"/w/ours/trash/runs/{run.pk}/delete/").status_code == 404
    assert owner.get("/w/theirs/trash/").status_code == 404
    assert call(owner, "GET", "trash/")[1]["results"] == []
    assert f"#{run.pk}" not in owner.get("/w/ours/trash/").content.decode()


def test_the_page_of_a_run_in_the_trash_says_so(world: World, contributor: Client, reader: Client, run: Run) -> None:
    services.trash_run(world.access, run)
    page = contributor.get(f"/w/ours/runs/{run.pk}/").content.decode()
    assert "This run is in the trash." in page
    assert f"/runs/{run.pk}/restore/" in page
    for gone in ("data-may-run", "data-may-pin", 'data-run="again"', "Put in the trash", "Delete now"):
        assert gone not in page
    seen = reader.get(f"/w/ours/runs/{run.pk}/").content.decode()
    assert "This run is in the trash." in seen
    assert "restore/" not in seen


def test_the_trash_lists_what_is_there_and_who_may_do_what(
    world: World, owner: Client, contributor: Client, reader: Client, run: Run
) -> None:
    assert "The trash is empty" in reader.get("/w/ours/trash/").content.decode()
    services.trash_run(world.access, run)
    pipeline = world.pipeline(world.step("c"), name="old one")
    services.delete_pipeline(world.access, pipeline)
    restore, delete = f'id="restore-{run.pk}"', f'id="delete-{run.pk}"'
    for client, buttons in ((owner, [restore, delete]), (contributor, [restore]), (reader, [])):
        page = client.get("/w/ours/trash/").content.decode()
        assert f"#{run.pk}" in page
        assert "ours-owner" in page
        assert "old one" in page
        assert [button for button in (restore, delete) if button in page] == buttons
    assert call(contributor, "POST", f"pipelines/{pipeline.pk}/restore/", name="new one")[1]["name"] == "new one"
    assert call(contributor, "POST", f"pipelines/{pipeline.pk}/restore/")[0] == 404
    TrashedRun.objects.update(status="purging", problem="Files in datastore “far” could not be deleted: it is away.")
    page = owner.get("/w/ours/trash/").content.decode()
    assert "it is away." in page
    assert restore not in page


def test_the_lists_cost_as_much_with_more_runs(world: World, owner: Client) -> None:
    pipeline = world.pipeline(world.step("a"))

    def cost() -> list[int]:
        counts = []
        for path in ("/w/ours/trash/", "/api/workspaces/ours/trash/", "/w/ours/runs/"):
            with CaptureQueriesContext(connection) as queries:
                assert owner.get(path).status_code == 200
            counts.append(len(queries))
        return counts

    services.trash_run(world.access, over(world, pipeline))
    over(world, pipeline)
    few = cost()
    for _ in range(5):
        services.trash_run(world.access, over(world, pipeline))
        services.pin(world.access, over(world, pipeline))
    assert cost() == few


def test_whoever_deletes_is_told_what_stays(world: World, owner: Client, contributor: Client) -> None:
    outputs = [
        {"name": "out", "register_as": {"dataset": "orders"}},
        {"name": "more", "register_as": {"dataset": "all"}},
    ]
    pipeline = world.pipeline(world.step("a", outputs=outputs), world.step("b", "a"))
    run, taker = over(world, pipeline), over(world, pipeline)
    address = f"/w/ours/trash/runs/{run.pk}/delete/"
    assert contributor.get(address).status_code == 403
    assert "Put the run there first" in owner.get(address).content.decode()
    assert owner.post(address).status_code == 409
    services.trash_run(world.access, run)
    page = owner.get(address).content.decode()
    assert f"Run {taker.pk} reused “b”: its result, log and metrics go over to that run." in page
    assert "1 output stays, for dataset orders:1 reads it." in page
    assert "1 output stays, for dataset all:1 reads it." in page
    stays = call(owner, "GET", f"runs/{run.pk}/purge/")[1]["stays"]
    assert len(stays) == 4
    assert owner.post(address).status_code == 302
    its_days_are_over(run)
    assert services.purge_due() == 1


def test_rules_are_seen_before_they_are_saved(world: World, owner: Client, reader: Client, run: Run) -> None:
    newest = over(world, run.pipeline)
    address = "/w/ours/retention/"
    assert "Owners of the workspace set these rules." in reader.get(address).content.decode()
    assert reader.post(address, {"trash_days": 5, "do": "save"}).status_code == 403
    rules = {"keep_runs": 1, "trash_days": 5}
    for do in ("preview", "save"):
        page = owner.post(address, {**rules, "do": do}).content.decode()
        assert "This would put 1 run," in page
        assert not Retention.objects.exists()
    seen = re.search(r'name="seen" value="([^"]*)"', page)
    assert seen
    assert owner.post(address, {**rules, "keep_runs": 2, "do": "save", "seen": seen[1]}).status_code == 302
    assert Retention.objects.get().keep_runs == 2, "which puts nothing in the trash, so nobody is asked"
    assert owner.post(address, {**rules, "do": "save", "seen": seen[1]}).status_code == 302
    assert (Retention.objects.get().keep_runs, Retention.objects.get().trash_days) == (1, 5)
    assert services.follow_rules() == 1
    assert list(Run.objects.values_list("pk", flat=True)) == [newest.pk]
    wrong = owner.post(address, {"keep_days": 0, "trash_days": "", "do": "save"})
    assert wrong.status_code == 422
    assert wrong.content.decode().count("field-error") == 2
    assert owner.get(address).status_code == 200


def test_rules_over_the_api(world: World, owner: Client, contributor: Client, run: Run) -> None:
    assert call(contributor, "GET", "retention/")[1] == {
        "trash_days": 30,
        "keep_days": None,
        "keep_runs": None,
        "keep_bytes": None,
    }
    over(world, run.pipeline)
    assert call(contributor, "PATCH", "retention/", keep_days=1)[0] == 403
    assert call(contributor, "POST", "retention/preview/", keep_days=1)[0] == 403
    assert call(owner, "POST", "retention/preview/", keep_runs=1)[1]["runs"] == 1
    assert call(owner, "PATCH", "retention/", keep_days=90, keep_bytes=10**9)[0] == 200
    assert call(owner, "PATCH", "retention/", keep_days=None)[1]["keep_bytes"] == 10**9
    assert Retention.objects.get().keep_days is None
    status, body = call(owner, "PATCH", "retention/", keep_days=0)
    assert (status, body["problems"][0]["loc"]) == (400, ["keep_days"])


@pytest.mark.parametrize(("field", "value"), [("keep_days", 0), ("keep_days", 10**9), ("keep_runs", -1)])
def test_a_preview_refuses_the_rules_that_nobody_can_set(owner: Client, field: str, value: int) -> None:
    status, body = call(owner, "POST", "retention/preview/", **{field: value})
    (problem,) = body["problems"]
    assert (status, problem["loc"], problem["message"][:12]) == (400, [field], "Give between")


def test_a_run_that_is_gone_answers_as_one_that_never_was(world: World, owner: Client, run: Run) -> None:
    purge(world, run)
    assert owner.get(f"/w/ours/runs/{run.pk}/").status_code == 404
    status, body = call(owner, "GET", f"runs/{run.pk}/")
    assert (status, body["detail"]) == (404, "There is no such run in this workspace, or it was deleted.")

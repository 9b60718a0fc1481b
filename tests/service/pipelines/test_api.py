"""The REST API: what a member gets, what a reader is refused, what a stranger does not find, and what it costs."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from pipelines import api_urls, services
from pipelines.models import Module, Pipeline, Run, StepRun
from pipelines.registered import RegisteredModel
from studio.workspaces.models import Role
from tests.service.pipelines.world import World

WS = "/api/workspaces/ours"


@pytest.fixture
def client(world: World) -> Client:
    return _client(world.owner)


def _client(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, path: str, data: Any) -> Any:
    return client.post(path, json.dumps(data), content_type="application/json")


def test_a_pipeline_from_its_name_to_its_run(world: World, client: Client) -> None:
    made = post(client, f"{WS}/pipelines/", {"name": "digits", "description": "d"})
    assert made.status_code == 201
    pipeline_id = made.json()["id"]
    assert made.json()["url"] == f"/w/ours/pipelines/{pipeline_id}/"
    definition = {"steps": [world.step("a"), world.step("b", "a")]}
    checked = post(client, f"{WS}/pipelines/validate/", {"definition": definition})
    assert checked.json() == {
        "problems": [],
        "warnings": [],
        "edges": [{"from": "a", "output": "out", "to": "b", "input": "from_a"}],
    }
    saved = post(client, f"{WS}/pipelines/{pipeline_id}/versions/", {"definition": definition, "base_version": 0})
    assert (saved.status_code, saved.json()) == (201, {"number": 1, "problems": []})
    again = post(client, f"{WS}/pipelines/{pipeline_id}/versions/", {"definition": definition, "base_version": 1})
    assert (again.status_code, again.json()["number"]) == (200, 1)
    shown = client.get(f"{WS}/pipelines/{pipeline_id}/").json()
    assert [step["name"] for step in shown["definition"]["steps"]] == ["a", "b"]
    assert client.get(f"{WS}/pipelines/{pipeline_id}/versions/1/").json()["created_by"] == "ours-owner"
    run = post(client, f"{WS}/pipelines/{pipeline_id}/runs/", {"experiment": "first"})
    assert run.status_code == 201
    run_id = run.json()["id"]
    world.drain()
    state = client.get(f"{WS}/runs/{run_id}/").json()
    assert (state["status"], state["experiment"], state["steps_done"]) == ("completed", "first", 2)
    assert state["edges"] == [{"from": "a", "to": "b", "output": "out", "input": "from_a"}]
    events = client.get(f"{WS}/runs/{run_id}/events/?after=3").json()
    assert [event["seq"] for event in events["events"]] == list(range(4, state["last_event"] + 1))


def test_half_finished_is_saved_and_not_submitted(world: World, client: Client) -> None:
    pipeline = services.create_pipeline(world.access, name="half")
    body = {"definition": {"steps": [{"name": "a"}]}, "base_version": 0}
    saved = post(client, f"{WS}/pipelines/{pipeline.pk}/versions/", body)
    assert saved.status_code == 201
    assert {"loc": ["steps", 0, "source"], "message": saved.json()["problems"][0]["message"]} in saved.json()[
        "problems"
    ]
    refused = post(client, f"{WS}/pipelines/{pipeline.pk}/runs/", {})
    assert refused.status_code == 400
    assert ["steps", 0, "source"] in [problem["loc"] for problem in refused.json()["problems"]]


def test_a_wrong_shape_is_a_400_at_its_field(world: World, client: Client) -> None:
    pipeline = services.create_pipeline(world.access, name="shape")
    body: dict[str, Any] = {"definition": {"steps": [{"name": 3}]}, "base_version": 0}
    refused = post(client, f"{WS}/pipelines/{pipeline.pk}/versions/", body)
    assert refused.status_code == 400
    assert refused.json()["problems"][0]["loc"] == ["steps", 0, "name"]
    for body in (
        {},
        {"definition": []},
        {"definition": {}, "base_version": "x"},
        {"definition": {}, "base_version": -1},
    ):
        refused = post(client, f"{WS}/pipelines/{pipeline.pk}/versions/", body)
        assert refused.status_code == 400
        assert refused.json()["problems"]


def test_a_save_over_somebody_elses_is_a_409_that_says_whose(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"))
    body = {"definition": {"steps": [world.step("b")]}, "base_version": 0}
    refused = post(client, f"{WS}/pipelines/{pipeline.pk}/versions/", body)
    assert refused.status_code == 409
    assert refused.json()["current"]["number"] == 1
    assert refused.json()["current"]["created_by"] == "ours-owner"


def test_names_are_taken_once_and_free_after_deletion(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"), name="digits")
    assert post(client, f"{WS}/pipelines/", {"name": "digits"}).json()["problems"][0]["loc"] == ["name"]
    other = services.create_pipeline(world.access, name="other")
    taken = client.patch(f"{WS}/pipelines/{other.pk}/", {"name": "digits"}, content_type="application/json")
    assert taken.status_code == 400
    run = world.submit(pipeline)
    assert client.delete(f"{WS}/pipelines/{pipeline.pk}/").status_code == 204
    assert client.get(f"{WS}/pipelines/{pipeline.pk}/").status_code == 404
    assert client.get(f"{WS}/runs/{run.pk}/").status_code == 200, "its runs stay"
    assert post(client, f"{WS}/pipelines/", {"name": "digits"}).status_code == 201


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\0b"])
def test_unfit_names(world: World, client: Client, name: str) -> None:
    assert post(client, f"{WS}/pipelines/", {"name": name}).status_code == 400


def test_values_of_the_wrong_type_are_told_at_their_names(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"), parameters=[{"name": "c", "type": "integer"}])
    refused = post(client, f"{WS}/pipelines/{pipeline.pk}/runs/", {"parameters": {"c": "3"}})
    assert refused.json()["problems"][0]["loc"] == ["parameters", "c"]
    assert post(client, f"{WS}/pipelines/{pipeline.pk}/runs/", {"parameters": {"c": 0}}).status_code == 201
    assert post(client, f"{WS}/pipelines/{pipeline.pk}/runs/", {"parameters": [1]}).status_code == 400


def test_runs_are_narrowed_by_the_address(world: World, client: Client) -> None:
    one, two = world.pipeline(world.step("a"), name="one"), world.pipeline(world.step("b"), name="two")
    first, second = world.submit(one, experiment="baseline"), world.submit(two)
    services.cancel_run(world.access, second)

    def found(query: str) -> list[int]:
        return [run["id"] for run in client.get(f"{WS}/runs/?{query}").json()["results"]]

    assert found("") == [second.pk, first.pk]
    assert found("status=cancelled") == [second.pk]
    assert found(f"pipeline={one.pk}") == [first.pk]
    assert found("pipeline=x") == []
    assert found("pipeline=99999999999999999999999") == []
    assert found("submitted_by=ours-owner") == [second.pk, first.pk]
    assert found("submitted_by=nobody%00") == []
    assert found("q=base") == [first.pk]
    assert found(f"q=%23{second.pk}") == [second.pk]


def test_outputs_are_browsed_and_downloaded_below_their_folder_only(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    base = f"{WS}/runs/{run.pk}/steps/a/outputs/out"
    assert client.get(f"{base}/").status_code == 404, "not written yet"
    world.drain()
    entries = client.get(f"{base}/").json()["entries"]
    assert [(entry["name"], entry["kind"], entry["size_bytes"]) for entry in entries] == [("data.txt", "file", 5)]
    download = client.get(f"{base}/download/?path=data.txt")
    assert b"".join(download.streaming_content) == b"hello"
    assert download["Content-Disposition"] == 'attachment; filename="data.txt"'
    assert download["X-Content-Type-Options"] == "nosniff"
    for path in ("../../../../../secret-key", "/etc/passwd", "..", "data.txt/..", "%00", "nothing", ""):
        assert client.get(f"{base}/download/?path={path}").status_code in {400, 404}, path
    assert client.get(f"{WS}/runs/{run.pk}/steps/a/outputs/other/").status_code == 404
    assert client.get(f"{base}/?path=..").status_code == 400


def test_the_log_of_a_step_that_has_not_begun_is_empty(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    base = f"{WS}/runs/{run.pk}/steps/b/log"
    log = client.get(f"{base}/?start=-100").json()
    assert (log["lines"], log["attempts"], log["complete"]) == ([], [], False)
    assert client.get(f"{base}/search/?q=x").json()["line"] is None
    assert client.get(f"{base}/?attempt=2").status_code == 404
    assert client.get(f"{base}/?start=x").status_code == 400
    assert client.get(f"{base}/?start={10**30}").status_code == 400
    assert b"".join(client.get(f"{base}/download/").streaming_content) == b""


def test_the_code_that_ran_is_shown(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    base = f"{WS}/runs/{run.pk}/steps/a/code/"
    assert client.get(base).json() == {"files": [{"path": "main.py", "size_bytes": 9}], "git": None}
    assert client.get(f"{base}?path=main.py").json()["text"] == "print(1)\n"
    assert client.get(f"{base}?path=../main.py").status_code == 404


def test_cancelling(world: World, client: Client) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    answer = client.post(f"{WS}/runs/{run.pk}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert client.post(f"{WS}/runs/{run.pk}/cancel/").json()["asked"] is False


def test_a_runs_state_costs_the_same_however_many_steps_it_has(
    world: World, client: Client, django_assert_max_num_queries: Any
) -> None:
    run = world.submit(world.pipeline(*[world.step(f"s{n}") for n in range(60)]))
    for _ in range(5):
        world.fail(world.claim())
    with django_assert_max_num_queries(20):
        state = client.get(f"{WS}/runs/{run.pk}/").json()
    assert len(state["steps"]) == 60
    with django_assert_max_num_queries(13):
        client.get(f"{WS}/runs/{run.pk}/steps/s0/")
    for _ in range(5):
        world.submit(Pipeline.objects.get())
    with django_assert_max_num_queries(6):
        client.get(f"{WS}/runs/")


def test_a_token_signs_in(world: World) -> None:
    from knox.models import AuthToken

    _token, secret = AuthToken.objects.create(world.owner)
    assert Client().get(f"{WS}/runs/", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert Client().get(f"{WS}/runs/", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def _routes(patterns: Any, before: str = "/api/") -> list[tuple[str, Any]]:
    routes: list[tuple[str, Any]] = []
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            routes += _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            routes.append((route, pattern.callback.view_class))
    return routes


# What speaks MLflow's protocol has its own words for a failure: `test_mlflow_access` asks there.
ROUTES = [each for each in _routes(api_urls.urlpatterns) if not each[0].startswith("/api/mlflow/")]


def _address(route: str, slug: str, world: World, run: Run) -> str:
    values = {
        "<slug:slug>": slug,
        "<int:pipeline_id>": run.pipeline_id,
        "<int:number>": 1,
        "<int:run_id>": run.pk,
        "<int:module_id>": _module(world) if "module_id" in route else 0,
        "<int:model_id>": _model(world, run) if "model_id" in route else 0,
        "<str:name>": "a",
        "<str:output>": "out",
        "<str:digest>": world.source,
    }
    for mark, value in values.items():
        route = route.replace(mark, str(value))
    return route


def _module(world: World) -> int:
    module = Module.objects.filter(workspace=world.workspace).first()
    return module.pk if module else world.publish(world.step("scale"), name="scale").module_id


def _model(world: World, run: Run) -> int:
    """Of what that run left."""
    model = RegisteredModel.objects.filter(workspace=world.workspace).first()
    if model is not None:
        return model.pk
    step = StepRun.objects.get(run=run, name="a")
    return services.register_model(world.access, step, services.Left(output="out"), name="model").version.model_id


def _methods(view: Any) -> list[str]:
    return [method for method in ("get", "post", "patch", "delete") if hasattr(view, method)]


@pytest.mark.parametrize(("route", "view"), ROUTES, ids=[route for route, _view in ROUTES])
def test_nobody_gets_in_where_they_have_no_business(world: World, route: str, view: Any) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.drain()
    stranger = _client(World.make("theirs").owner)
    for method in _methods(view):
        ours = _address(route, "ours", world, run)
        assert getattr(Client(), method)(ours).status_code == 401, method
        assert getattr(stranger, method)(ours).status_code == 404, method


# Those that name something of a workspace: its list and what makes a new thing are there in every one.
WITH_IDS = [each for each in ROUTES if "<" in each[0].replace("<slug:slug>", "")]


@pytest.mark.parametrize(("route", "view"), WITH_IDS, ids=[route for route, _view in WITH_IDS])
def test_another_workspaces_ids_are_not_found_through_ones_own(world: World, route: str, view: Any) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.drain()
    theirs = World.make("theirs")
    # Sources of the same content have the same digest: theirs must differ to be somebody else's.
    from datastores import snapshots

    snapshots.Snapshot.objects.filter(workspace=theirs.workspace).delete()
    mine = _client(theirs.owner)
    for method in _methods(view):
        address = _address(route, "theirs", world, run)
        query = f"path=main.py&left={run.pk}&right={run.pk}"
        assert getattr(mine, method)(f"{address}?{query}").status_code == 404, method


@pytest.mark.parametrize(("route", "view"), ROUTES, ids=[route for route, _view in ROUTES])
def test_a_reader_reads_and_changes_nothing(world: World, route: str, view: Any) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.drain()
    reader = _client(world.member("reader", Role.READER))
    for method in _methods(view):
        status = getattr(reader, method)(_address(route, "ours", world, run)).status_code
        # Who may answer an approval, its step says: it can be a reader.
        is_refused = method != "get" and not route.endswith("/answer/")
        assert (status == 403) == is_refused, (method, status)


def test_a_wrong_csrf_token_is_refused(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.owner)
    assert client.post(f"{WS}/pipelines/", {"name": "x"}, content_type="application/json").status_code == 403


def test_runs_are_paged_by_cursor(world: World, client: Client) -> None:
    pipeline = world.pipeline(world.step("a"))
    older, newer = world.submit(pipeline), world.submit(pipeline)
    page = client.get(f"{WS}/runs/?page_size=1").json()
    assert [row["id"] for row in page["results"]] == [newer.pk]
    following = client.get(page["next"]).json()
    assert [row["id"] for row in following["results"]] == [older.pk]
    assert following["next"] is None


@pytest.mark.parametrize("address", [f"{WS}/pipelines/", f"{WS}/sources/edit/"])
def test_json_that_nobody_could_read_is_refused_in_words(client: Client, address: str) -> None:
    answer = client.post(address, "[" * 100_000, content_type="application/json")
    assert answer.status_code == 400
    assert "nested too deeply" in answer.json()["detail"]

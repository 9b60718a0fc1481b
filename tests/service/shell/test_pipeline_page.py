import json
import re

from pipelines.states import RunStatus
from studio.workspaces.models import Role
from tests.service.shell.conftest import Room, queries_of


def embedded(page: str, name: str) -> dict:  # type: ignore[type-arg]
    found = re.search(rf'<script[^>]*id="{name}"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found, name
    return json.loads(found[1])


def test_it_shows_graph_versions_parameters_and_runs(room: Room) -> None:
    pipeline = room.pipeline("Digits", versions=12, description="Reads digits.")
    runs = [room.run(pipeline) for _ in range(12)]
    page = room.client().get(room.url(f"pipelines/{pipeline.pk}/")).content.decode()
    graph = embedded(page, "graph-data")
    assert {node["id"] for node in graph["nodes"]} == {"prepare", "train", "dataset:digits:2"}
    assert {"from": "prepare", "output": "features", "to": "train", "input": "data"} in graph["edges"]
    assert "Version 12" in page
    assert "?versions_before=3" in page
    assert "<code>0</code>" in page, "0 is a default like any other"
    assert page.count('id="run-link-') == 10
    assert f"#{runs[-1].pk}" in page
    older = room.client().get(room.url(f"pipelines/{pipeline.pk}/?versions_before=3")).content.decode()
    assert "?version=2" in older
    assert "?version=3" not in older


def test_durations_are_bars_by_status_oldest_first(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    made = [
        room.run(pipeline, seconds=s, status=status)
        for s, status in ((10, RunStatus.COMPLETED), (20, RunStatus.FAILED), (30, RunStatus.COMPLETED))
    ]
    room.run(pipeline, status=RunStatus.RUNNING)
    figure = embedded(room.client().get(room.url(f"pipelines/{pipeline.pk}/")).content.decode(), "durations-figure")
    bars = {trace["meta"]["status"]: trace for trace in figure["data"]}
    assert list(bars["completed"]["x"]) == [f"#{made[0].pk}", f"#{made[2].pk}"]
    assert bars["failed"]["customdata"] == [room.url(f"runs/{made[1].pk}/")]
    assert figure["layout"]["xaxis"]["categoryarray"] == [f"#{run.pk}" for run in made]


def test_no_name_ends_the_script_that_holds_it(room: Room) -> None:
    pipeline = room.pipeline("</script><script>alert(1)</script>")
    for _ in range(2):
        room.run(pipeline)
    page = room.client().get(room.url(f"pipelines/{pipeline.pk}/")).content.decode()
    assert "<script>alert" not in page
    embedded(page, "durations-figure")


def test_one_that_was_never_saved_or_run_says_what_to_do(room: Room) -> None:
    pipeline = room.pipeline("New", versions=0)
    page = room.client().get(room.url(f"pipelines/{pipeline.pk}/")).content.decode()
    assert "Add the first step" in page
    assert "It has not run yet." in page
    assert "data-submit-pipeline" not in page, "nothing to submit"


def test_each_role_finds_the_buttons_it_may_press(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    address = room.url(f"pipelines/{pipeline.pk}/")
    contributor = room.client(room.member(Role.CONTRIBUTOR)).get(address).content.decode()
    assert "data-submit-pipeline" in contributor
    assert 'data-api="delete"' in contributor
    reader_client = room.client(room.member(Role.READER))
    reader = reader_client.get(address).content.decode()
    assert "data-submit-pipeline" not in reader
    assert "data-api=" not in reader
    api = f"/api/workspaces/{room.workspace.slug}/pipelines/{pipeline.pk}/"
    assert reader_client.delete(api).status_code == 403
    assert reader_client.post(f"{api}runs/", {}, content_type="application/json").status_code == 403


def test_a_refresh_is_only_the_runs(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    room.run(pipeline)
    part = room.client().get(room.url(f"pipelines/{pipeline.pk}/"), headers={"HX-Request": "true"}).content.decode()
    assert "run-link-" in part
    assert "<html" not in part
    assert "graph-data" not in part


def test_the_number_of_queries_does_not_grow(room: Room) -> None:
    pipeline, client = room.pipeline("Digits", versions=2), room.client()
    room.run(pipeline)
    address = room.url(f"pipelines/{pipeline.pk}/")
    few = queries_of(client, address)
    for _ in range(50):
        room.run(pipeline)
    assert queries_of(client, address) == few <= 8

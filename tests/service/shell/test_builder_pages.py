"""The builder as the server renders it: what it embeds, for whom, and at what cost."""

import json
import re
from typing import Any

import pytest

from compute.models import ComputeTarget, Environment
from compute.spec import EnvironmentSpec
from datastores.models import Dataset, DatasetVersion, FileDefinition
from pipelines.models import Pipeline
from studio.workspaces.models import Role
from tests.service.shell.conftest import Room, queries_of


def embedded(page: str) -> Any:
    found = re.search(r'<script id="builder-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def dataset(room: Room, name: str, *, versions: int) -> None:
    row = Dataset.objects.create(workspace=room.workspace, name=name)
    for number in range(1, versions + 1):
        DatasetVersion.objects.create(dataset=row, number=number, definition=FileDefinition(paths=[]))


def test_a_name_makes_a_pipeline_and_leads_to_the_builder(room: Room) -> None:
    client = room.client()
    answer = client.post(room.url("pipelines/new/"), {"name": " Digits ", "description": "Reads them."})
    pipeline = Pipeline.objects.get()
    assert (pipeline.name, pipeline.description) == ("Digits", "Reads them.")
    assert answer.headers["Location"] == room.url(f"pipelines/{pipeline.pk}/edit/")
    page = client.get(answer.headers["Location"]).content.decode()
    assert embedded(page)["version"] == 0
    assert "Not saved yet" in page


@pytest.mark.parametrize(("name", "words"), [("", "Give the pipeline a name."), ("Taken", "There is a pipeline")])
def test_an_unfit_name_is_told_at_its_field_and_nothing_is_lost(room: Room, name: str, words: str) -> None:
    room.pipeline("Taken")
    answer = room.client().post(room.url("pipelines/new/"), {"name": name, "description": "<b>kept</b>"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert 'aria-describedby="id_name_error"' in page
    assert "&lt;b&gt;kept&lt;/b&gt;" in page


def test_the_page_embeds_the_definition_and_what_there_is_to_choose(room: Room, other_room: Room) -> None:
    pipeline = room.pipeline("Digits", versions=2)
    dataset(room, "digits", versions=2)
    dataset(other_room, "theirs", versions=1)
    ComputeTarget.objects.get_or_create(name="local", workspace=None, defaults={"shared_with_all": True})
    Environment.objects.create(workspace=None, name="mine", version=1, spec=EnvironmentSpec())
    Environment.objects.create(workspace=room.workspace, name="mine", version=7, spec=EnvironmentSpec())
    data = embedded(room.client().get(room.url(f"pipelines/{pipeline.pk}/edit/")).content.decode())
    assert data["version"] == 2
    assert not data["read_only"]
    assert [step["name"] for step in data["definition"]["steps"]] == ["prepare", "train"]
    assert [(row["name"], row["versions"]) for row in data["catalogue"]["datasets"]] == [("digits", [2, 1])]
    # The workspace's own environment stands before the shared one of that name, as it does at submission.
    assert {row["name"]: row["versions"] for row in data["catalogue"]["environments"]}["mine"] == [7]
    assert "local" in [row["name"] for row in data["catalogue"]["computes"]]


def test_an_older_version_can_be_looked_at_and_restored(room: Room) -> None:
    pipeline = room.pipeline("Digits", versions=3)
    client = room.client()
    old = client.get(room.url(f"pipelines/{pipeline.pk}/edit/?version=2")).content.decode()
    assert embedded(old)["read_only"]
    assert "Restore as new version" in old
    newest = client.get(room.url(f"pipelines/{pipeline.pk}/edit/?version=3")).content.decode()
    assert not embedded(newest)["read_only"]
    for missing in ("9", "0", "-1", "x", "99999999999999999999"):
        answer = client.get(room.url(f"pipelines/{pipeline.pk}/edit/?version={missing}"))
        assert answer.status_code == 404, missing


def test_a_reader_looks_and_is_refused_a_new_one(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    reader = room.client(room.member(Role.READER))
    page = reader.get(room.url(f"pipelines/{pipeline.pk}/edit/")).content.decode()
    assert embedded(page)["read_only"]
    assert 'data-act="save"' not in page
    assert reader.get(room.url("pipelines/new/")).status_code == 403
    assert reader.post(room.url("pipelines/new/"), {"name": "x"}).status_code == 403


def test_another_workspaces_pipeline_is_not_there(room: Room, other_room: Room) -> None:
    theirs = other_room.pipeline("Secret")
    client = room.client()
    assert client.get(room.url(f"pipelines/{theirs.pk}/edit/")).status_code == 404
    assert client.get(other_room.url(f"pipelines/{theirs.pk}/edit/")).status_code == 404


def test_the_page_costs_as_much_with_a_lot_to_choose_from(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    path = room.url(f"pipelines/{pipeline.pk}/edit/")
    client = room.client()
    few = queries_of(client, path)
    for number in range(20):
        dataset(room, f"data{number}", versions=3)
        Environment.objects.create(workspace=room.workspace, name=f"e{number}", version=1, spec=EnvironmentSpec())
    assert queries_of(client, path) == few

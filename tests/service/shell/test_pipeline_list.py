import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from pipelines.models import Pipeline
from pipelines.states import RunStatus
from studio.workspaces.models import Role
from tests.service.shell.conftest import Room, queries_of


def names(page: str) -> list[str]:
    return re.findall(r'class="row-title" id="pipeline-link-\d+"[^>]*>([^<]*)</a>', page)


def test_each_pipeline_shows_its_last_run_and_who_saved_it(room: Room) -> None:
    pipeline = room.pipeline("Digits", versions=3, description="Reads digits.")
    room.run(pipeline, status=RunStatus.FAILED)
    last = room.run(pipeline, status=RunStatus.COMPLETED, seconds=125)
    page = room.client().get(room.url("pipelines/")).content.decode()
    assert names(page) == ["Digits"]
    assert "Reads digits." in page
    assert f"#{last.pk}" in page
    assert "2 min 5 s" in page
    assert "Completed" in page
    assert "Failed" not in page
    assert room.owner.username in page


def test_the_last_changed_comes_first_and_the_order_can_be_chosen(room: Room) -> None:
    now = timezone.now()
    made = {name: room.pipeline(name) for name in ("b", "A", "c")}
    for age, name in enumerate(("c", "A", "b")):
        Pipeline.objects.filter(pk=made[name].pk).update(updated_at=now - timedelta(hours=age))
    room.run(made["A"])
    client = room.client()
    orders = {"": ["c", "A", "b"], "name": ["A", "b", "c"], "-name": ["c", "b", "A"], "changed": ["b", "A", "c"]}
    for sort, expected in orders.items():
        assert names(client.get(room.url(f"pipelines/?sort={sort}")).content.decode()) == expected, sort
    for sort in ("run", "-run"):
        assert names(client.get(room.url(f"pipelines/?sort={sort}")).content.decode())[0] == "A", (
            "what never ran is last"
        )
    assert names(client.get(room.url("pipelines/?sort=password")).content.decode()) == ["c", "A", "b"]


def test_a_text_is_looked_for_in_names_and_descriptions(room: Room) -> None:
    room.pipeline("Digits")
    room.pipeline("Fraud", description="scores 100% of payments")
    client = room.client()
    assert names(client.get(room.url("pipelines/?q=DIGI")).content.decode()) == ["Digits"]
    assert names(client.get(room.url("pipelines/?q=100%25")).content.decode()) == ["Fraud"]
    nothing = client.get(room.url("pipelines/?q=nowhere")).content.decode()
    assert "No pipeline fits" in nothing
    assert 'value="nowhere"' in nothing


def test_twenty_five_a_page(room: Room) -> None:
    for number in range(30):
        room.pipeline(f"p{number:02}")
    client = room.client()
    assert len(names(client.get(room.url("pipelines/?sort=name")).content.decode())) == 25
    second = client.get(room.url("pipelines/?sort=name&page=2")).content.decode()
    assert names(second) == [f"p{number}" for number in range(25, 30)]
    assert "26–30 of 30" in second
    assert len(names(client.get(room.url("pipelines/?page=999")).content.decode())) == 5


def test_a_refresh_is_the_same_table_and_nothing_else(room: Room) -> None:
    room.pipeline("Digits")
    client = room.client()
    whole = client.get(room.url("pipelines/"))
    part = client.get(room.url("pipelines/"), headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert names(part.content.decode()) == names(whole.content.decode())
    assert "HX-Request" in part.headers["Vary"]
    assert "HX-Request" in whole.headers["Vary"]


def test_an_empty_list_says_what_to_do_to_those_who_may(room: Room) -> None:
    assert "Build your first pipeline" in room.client().get(room.url("pipelines/")).content.decode()
    reader = room.client(room.member(Role.READER)).get(room.url("pipelines/")).content.decode()
    assert "No pipelines yet" in reader
    assert "New pipeline" not in reader


def test_deleted_pipelines_and_other_workspaces_are_not_there(room: Room, other_room: Room) -> None:
    gone = room.pipeline("Gone")
    Pipeline.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())
    theirs = other_room.pipeline("Theirs")
    client = room.client()
    assert names(client.get(room.url("pipelines/")).content.decode()) == []
    assert client.get(room.url(f"pipelines/{gone.pk}/")).status_code == 404
    assert client.get(room.url(f"pipelines/{theirs.pk}/")).status_code == 404
    assert client.get(other_room.url("pipelines/")).status_code == 404
    assert Client().get(room.url("pipelines/")).headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_a_name_is_text_whatever_it_holds(room: Room, evil: str) -> None:
    room.pipeline(evil[:100], description=evil)
    page = room.client().get(room.url("pipelines/")).content.decode()
    assert evil not in page


def test_the_number_of_queries_does_not_grow(room: Room) -> None:
    client = room.client()
    room.run(room.pipeline("first"))
    few = queries_of(client, room.url("pipelines/"))
    for number in range(50):
        room.run(room.pipeline(f"more {number}", versions=2))
    assert queries_of(client, room.url("pipelines/")) == few <= 8

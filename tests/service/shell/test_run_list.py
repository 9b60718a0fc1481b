import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pipelines.models import Pipeline, Run
from pipelines.states import RunStatus
from studio.workspaces.models import Role
from tests.service.shell.conftest import Room, queries_of


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="run-link-(\d+)"', page)]


def listed(room: Room, query: str = "") -> list[int]:
    return numbers(room.client().get(room.url(f"runs/?{query}")).content.decode())


def test_newest_first_with_what_a_reader_wants_to_know(room: Room) -> None:
    pipeline = room.pipeline("Digits", versions=2)
    first = room.run(pipeline, experiment="baseline", seconds=12)
    second = room.run(pipeline, status=RunStatus.RUNNING)
    page = room.client().get(room.url("runs/")).content.decode()
    assert numbers(page) == [second.pk, first.pk]
    for words in ("Completed", "Running", "Digits", "v2", "baseline", room.owner.username, "2/2", "0/2", "12 s"):
        assert words in page
    assert "data-since=" in page, "a running run's duration ticks"


def test_filters_stand_in_the_address(room: Room) -> None:
    digits, fraud, friend = room.pipeline("Digits"), room.pipeline("Fraud"), room.member(Role.CONTRIBUTOR)
    a = room.run(digits, status=RunStatus.FAILED)
    b = room.run(fraud, by=friend, experiment="nightly")
    c = room.run(fraud, status=RunStatus.QUEUED)
    d = room.run(digits, status=RunStatus.RUNNING, by=friend)
    expected = {
        "": [d, c, b, a],
        "status=failed": [a],
        "status=active": [d, c],
        f"pipeline={fraud.pk}": [c, b],
        f"submitted_by={friend.username}": [d, b],
        "q=FRAU": [c, b],
        "q=night": [b],
        f"q=%23{a.pk}": [a],
        f"status=active&submitted_by={friend.username}": [d],
        "status=nonsense&pipeline=x": [d, c, b, a],
        "q=nowhere": [],
        "submitted_by=nobody": [],
    }
    for query, runs in expected.items():
        assert listed(room, query) == [run.pk for run in runs], query
    chosen = room.client().get(room.url(f"runs/?status=failed&pipeline={digits.pk}&q=x")).content.decode()
    assert '<option value="failed" selected>' in chosen
    assert f'<option value="{digits.pk}" selected>' in chosen
    assert 'value="x"' in chosen


def test_an_experiment_groups_its_runs_and_no_others(room: Room, other_room: Room) -> None:
    pipeline = room.pipeline("Digits")
    runs = [room.run(pipeline, experiment=name) for name in ("trees", "trees-2", "trees")]
    other_room.run(other_room.pipeline("Theirs"), experiment="trees")
    assert listed(room, "experiment=trees") == [runs[2].pk, runs[0].pk]
    assert listed(room, "experiment=trees-2&status=completed") == [runs[1].pk]
    assert listed(room, "experiment=tree") == []
    page = room.client().get(room.url("runs/?experiment=trees")).content.decode()
    assert "<option selected>trees</option>" in page
    assert "<option>trees-2</option>" in page
    link = f'href="{room.url("runs/")}?experiment=trees"'
    assert link in room.client().get(room.url(f"runs/{runs[0].pk}/")).content.decode()


def test_pages_go_older_and_newer_and_meet(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    made = [room.run(pipeline).pk for _ in range(120)][::-1]
    client = room.client()
    first = client.get(room.url("runs/"))
    assert numbers(first.content.decode()) == made[:50]
    assert first.context["found"].after is None
    second = client.get(room.url(f"runs/?before={first.context['found'].before}"))
    assert numbers(second.content.decode()) == made[50:100]
    third = client.get(room.url(f"runs/?before={second.context['found'].before}"))
    assert numbers(third.content.decode()) == made[100:]
    assert third.context["found"].before is None
    back = client.get(room.url(f"runs/?after={third.context['found'].after}"))
    assert numbers(back.content.decode()) == made[50:100]
    newest = client.get(room.url(f"runs/?after={back.context['found'].after}"))
    assert numbers(newest.content.decode()) == made[:50]
    assert newest.context["found"].after is None


@pytest.mark.parametrize("query", ["before=0", "after=999999999999", "before=x", "before=-1", "after=9" * 4])
def test_an_address_that_leads_nowhere_is_no_error(room: Room, query: str) -> None:
    room.run(room.pipeline("Digits"))
    assert room.client().get(room.url(f"runs/?{query}")).status_code == 200


def test_no_page_counts_or_skips_rows(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    for _ in range(60):
        room.run(pipeline)
    client = room.client()
    with CaptureQueriesContext(connection) as queries:
        for query in ("", "before=40", "after=10", "status=completed", "q=digits"):
            client.get(room.url(f"runs/?{query}"))
    about_runs = [entry["sql"] for entry in queries if 'FROM "pipelines_run"' in entry["sql"]]
    assert about_runs
    assert not [sql for sql in about_runs if "COUNT(" in sql or "OFFSET" in sql]


def test_who_may_run_can_cancel_what_runs(room: Room) -> None:
    pipeline = room.pipeline("Digits")
    over, running, ending = room.run(pipeline), *[room.run(pipeline, status=RunStatus.RUNNING) for _ in range(2)]
    Run.objects.filter(pk=ending.pk).update(cancel_requested_at=timezone.now())
    page = room.client(room.member(Role.CONTRIBUTOR)).get(room.url("runs/")).content.decode()
    assert f'id="run-cancel-{running.pk}"' in page
    assert f'id="run-cancel-{over.pk}"' not in page
    assert f'id="run-cancel-{ending.pk}"' not in page
    assert "Cancelling" in page
    reader = room.client(room.member(Role.READER)).get(room.url("runs/")).content.decode()
    assert "run-cancel-" not in reader


def test_runs_of_a_deleted_pipeline_stay_without_a_link_to_it(room: Room) -> None:
    pipeline = room.pipeline("Gone")
    run = room.run(pipeline)
    Pipeline.objects.filter(pk=pipeline.pk).update(deleted_at=timezone.now())
    page = room.client().get(room.url("runs/")).content.decode()
    assert numbers(page) == [run.pk]
    assert f"/pipelines/{pipeline.pk}/" not in page


def test_other_workspaces_runs_are_not_there(room: Room, other_room: Room) -> None:
    theirs = other_room.pipeline("Theirs")
    run = other_room.run(theirs)
    assert listed(room) == []
    for query in (f"pipeline={theirs.pk}", f"q={run.pk}", f"submitted_by={other_room.owner.username}", "q=Theirs"):
        assert listed(room, query) == []
    assert room.client().get(other_room.url("runs/")).status_code == 404
    assert "Theirs" not in room.client().get(room.url("runs/")).content.decode()


def test_empty_lists_say_what_to_do(room: Room) -> None:
    client = room.client()
    assert "Nothing has run yet" in client.get(room.url("runs/")).content.decode()
    assert "No run fits these filters" in client.get(room.url("runs/?status=failed")).content.decode()


def test_the_number_of_queries_does_not_grow(room: Room) -> None:
    client = room.client()
    room.run(room.pipeline("first"))
    few = queries_of(client, room.url("runs/"))
    people = [room.member(Role.CONTRIBUTOR)]
    for number in range(50):
        room.run(room.pipeline(f"more {number}"), by=people[0], experiment=f"e{number}", status=RunStatus.RUNNING)
    assert queries_of(client, room.url("runs/")) == few <= 9

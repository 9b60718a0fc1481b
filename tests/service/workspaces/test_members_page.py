from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from studio.workspaces.audit import record
from studio.workspaces.models import Membership, Role, User
from tests.service.workspaces.conftest import Team

ClientOf = Callable[[User], Client]


def test_everybody_in_it_sees_who_is(team: Team, client_of: ClientOf) -> None:
    for user in (team.owner, team.contributor, team.reader):
        answer = client_of(user).get(team.url("members/"))
        assert answer.status_code == 200
        assert b"contributor@example.org" in answer.content


def test_only_an_owner_finds_something_to_press(team: Team, client_of: ClientOf) -> None:
    assert b"/remove/" in client_of(team.owner).get(team.url("members/")).content
    for user in (team.contributor, team.reader):
        page = client_of(user).get(team.url("members/")).content
        assert b"/remove/" not in page
        assert b"Rename workspace" not in page


def test_who_may_not_is_refused_and_who_is_no_member_finds_nothing(team: Team, client_of: ClientOf) -> None:
    reader = team.membership(team.reader)
    posts = {
        "members/": {"who": "stranger", "role": "reader"},
        f"members/{reader.pk}/role/": {"role": "owner"},
        f"members/{reader.pk}/remove/": {},
        "members/rename/": {"name": "Mine"},
    }
    for path, body in posts.items():
        for user in (team.contributor, team.reader):
            assert client_of(user).post(team.url(path), body).status_code == 403, path
        assert client_of(team.stranger).post(team.url(path), body).status_code == 404, path
        assert "/accounts/login/" in Client().post(team.url(path), body).headers["Location"]
    assert client_of(team.stranger).get(team.url("members/")).status_code == 404
    assert Membership.objects.filter(workspace=team.workspace).count() == 3


def test_an_owner_adds_changes_and_removes(team: Team, client_of: ClientOf) -> None:
    client = client_of(team.owner)
    assert client.post(team.url("members/"), {"who": "stranger", "role": "reader"}).status_code == 302
    added = team.membership(team.stranger)
    client.post(team.url(f"members/{added.pk}/role/"), {"role": "contributor"})
    assert team.membership(team.stranger).role == Role.CONTRIBUTOR
    page = client.post(team.url(f"members/{added.pk}/remove/"), follow=True)
    assert not Membership.objects.filter(pk=added.pk).exists()
    assert "changed the role of a member" in page.content.decode()


def test_a_wrong_name_is_told_at_its_field_and_kept(team: Team, client_of: ClientOf) -> None:
    answer = client_of(team.owner).post(team.url("members/"), {"who": "nobody-here", "role": "reader"})
    assert answer.status_code == 400
    assert "Nobody here has this username" in answer.content.decode()
    assert 'value="nobody-here"' in answer.content.decode()


def test_the_last_owner_is_told_what_to_do(team: Team, client_of: ClientOf) -> None:
    own = team.membership(team.owner)
    page = client_of(team.owner).post(team.url(f"members/{own.pk}/remove/"), follow=True)
    assert "Make somebody else an owner first." in page.content.decode()


def test_an_owner_who_leaves_is_taken_home(team: Team, client_of: ClientOf) -> None:
    Membership.objects.filter(user=team.contributor).update(role=Role.OWNER)
    own = team.membership(team.owner)
    answer = client_of(team.owner).post(team.url(f"members/{own.pk}/remove/"), follow=True)
    assert answer.redirect_chain[-1][0] == "/"
    assert "You are in no workspace yet" in answer.content.decode()


def test_the_trail_shows_fifty_at_a_time(team: Team, client_of: ClientOf) -> None:
    for number in range(70):
        record(team.workspace, team.owner, "run.submit", f"run {number} of digits")
    client = client_of(team.reader)
    page = client.get(team.url("members/"))
    assert page.content.decode().count("submitted a run") == 50
    older = client.get(team.url(f"members/?before={page.context['next_before']}")).content.decode()
    assert older.count("submitted a run") == 20
    assert "run 0 of digits" in older


def test_what_a_person_is_called_is_escaped(team: Team, client_of: ClientOf) -> None:
    User.objects.filter(pk=team.reader.pk).update(first_name="<script>alert(1)</script>")
    record(team.workspace, team.reader, "run.submit", "<img src=x>")
    page = client_of(team.owner).get(team.url("members/")).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x>" not in page


@pytest.mark.parametrize("role", [Role.OWNER, Role.READER])
def test_the_number_of_queries_does_not_grow_with_members_and_events(
    team: Team, client_of: ClientOf, role: Role
) -> None:
    client = client_of(team.owner if role == Role.OWNER else team.reader)
    client.get(team.url("members/"))
    with CaptureQueriesContext(connection) as few:
        client.get(team.url("members/"))
    for number in range(50):
        user = User.objects.create(username=f"more-{number}")
        Membership.objects.create(workspace=team.workspace, user=user, role=Role.READER)
        record(team.workspace, user, "run.submit", "run 1")
    with CaptureQueriesContext(connection) as many:
        client.get(team.url("members/"))
    assert len(many) == len(few) <= 9

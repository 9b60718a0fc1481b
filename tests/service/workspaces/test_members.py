import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404

from studio.lib.problems import ConflictError, UserError
from studio.workspaces.models import AuditEvent, Membership, Role, User
from studio.workspaces.services import add_member, change_role, create_workspace, remove_member, rename_workspace
from tests.service.workspaces.conftest import Team


def test_somebody_is_added_by_username_or_address(team: Team) -> None:
    add_member(team.access(team.owner), who=" stranger ", role="contributor")
    assert team.membership(team.stranger).role == Role.CONTRIBUTOR
    friend = User.objects.create_user("friend", "Friend@Example.org")
    add_member(team.access(team.owner), who="friend@example.ORG", role="reader")
    assert team.membership(friend).role == Role.READER
    verbs = AuditEvent.objects.filter(workspace=team.workspace).values_list("verb", "target")
    assert ("member.add", "friend as reader") in verbs


@pytest.mark.parametrize(
    ("who", "role", "loc"),
    [
        ("", "reader", "who"),
        ("nobody", "reader", "who"),
        ("twin@example.org", "reader", "who"),
        ("stranger", "boss", "role"),
    ],
)
def test_what_makes_no_member_is_refused_at_its_field(team: Team, who: str, role: str, loc: str) -> None:
    User.objects.create_user("twin-1", "twin@example.org")
    User.objects.create_user("twin-2", "twin@example.org")
    with pytest.raises(UserError) as refused:
        add_member(team.access(team.owner), who=who, role=role)
    assert [problem.loc for problem in refused.value.problems] == [(loc,)]


def test_somebody_who_was_switched_off_is_not_found(team: Team) -> None:
    User.objects.filter(pk=team.stranger.pk).update(is_active=False)
    with pytest.raises(UserError):
        add_member(team.access(team.owner), who="stranger", role="reader")


def test_a_member_is_not_added_twice(team: Team) -> None:
    with pytest.raises(ConflictError):
        add_member(team.access(team.owner), who="reader", role="owner")
    assert team.membership(team.reader).role == Role.READER


def test_only_owners_change_who_is_in(team: Team) -> None:
    for user in (team.contributor, team.reader):
        access = team.access(user)
        with pytest.raises(PermissionDenied):
            add_member(access, who="stranger", role="reader")
        with pytest.raises(PermissionDenied):
            change_role(access, team.membership(user).pk, role="owner")
        with pytest.raises(PermissionDenied):
            remove_member(access, team.membership(team.owner).pk)
        with pytest.raises(PermissionDenied):
            rename_workspace(access, name="Mine")


def test_the_last_owner_stays_one(team: Team) -> None:
    access, own = team.access(team.owner), team.membership(team.owner).pk
    for attempt in (lambda: change_role(access, own, role="reader"), lambda: remove_member(access, own)):
        with pytest.raises(UserError, match="only owner"):
            attempt()
    assert team.membership(team.owner).role == Role.OWNER


def test_an_owner_who_was_switched_off_does_not_count(team: Team) -> None:
    change_role(team.access(team.owner), team.membership(team.contributor).pk, role="owner")
    User.objects.filter(pk=team.contributor.pk).update(is_active=False)
    with pytest.raises(UserError, match="only owner"):
        remove_member(team.access(team.owner), team.membership(team.owner).pk)


def test_with_a_second_owner_the_first_may_go(team: Team) -> None:
    access = team.access(team.owner)
    change_role(access, team.membership(team.contributor).pk, role="owner")
    remove_member(access, team.membership(team.owner).pk)
    assert not Membership.objects.filter(workspace=team.workspace, user=team.owner).exists()


def test_a_role_that_stays_leaves_no_trail(team: Team) -> None:
    before = AuditEvent.objects.count()
    change_role(team.access(team.owner), team.membership(team.reader).pk, role="reader")
    assert AuditEvent.objects.count() == before


def test_a_membership_of_another_workspace_is_not_there(team: Team) -> None:
    other = create_workspace(name="Other", slug="other", owner=team.stranger)
    theirs = Membership.objects.get(workspace=other, user=team.stranger)
    with pytest.raises(Http404):
        remove_member(team.access(team.owner), theirs.pk)
    with pytest.raises(Http404):
        change_role(team.access(team.owner), theirs.pk, role="reader")


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_demote_each_other_at_once_one_stays() -> None:
    ada, grace = User.objects.create_user("ada"), User.objects.create_user("grace")
    workspace = create_workspace(name="Pair", slug="pair", owner=ada)
    Membership.objects.create(workspace=workspace, user=grace, role=Role.OWNER)
    team = Team(workspace, ada, grace, ada, ada)
    start = threading.Barrier(2)
    refused: list[str] = []

    def demote(actor: User, victim: User) -> None:
        try:
            access, membership = team.access(actor), team.membership(victim)
            start.wait(timeout=10)
            change_role(access, membership.pk, role="reader")
        except UserError as error:
            refused.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=pair) for pair in ((ada, grace), (grace, ada))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(refused) == 1
    assert Membership.objects.filter(workspace=workspace, role=Role.OWNER).count() == 1

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.test import Client

from studio.workspaces.access import Access
from studio.workspaces.models import Membership, Role, User, Workspace
from studio.workspaces.services import create_workspace


@dataclass(frozen=True)
class Team:
    """A workspace with one person of each role, and a stranger."""

    workspace: Workspace
    owner: User
    contributor: User
    reader: User
    stranger: User

    def access(self, user: User) -> Access:
        return Access(user, self.workspace, Role(self.membership(user).role))

    def membership(self, user: User) -> Membership:
        return Membership.objects.get(workspace=self.workspace, user=user)

    def url(self, path: str = "") -> str:
        return f"/w/{self.workspace.slug}/{path}"


@pytest.fixture
def team(db: None) -> Team:
    people = {
        name: User.objects.create_user(name, f"{name}@example.org", "a long passphrase")
        for name in ("owner", "contributor", "reader", "stranger")
    }
    workspace = create_workspace(name="Team", slug="team", owner=people["owner"])
    for name in ("contributor", "reader"):
        Membership.objects.create(workspace=workspace, user=people[name], role=name)
    return Team(workspace=workspace, **people)


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in

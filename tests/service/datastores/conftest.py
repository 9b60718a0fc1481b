"""People and places for the tests of data."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from datastores.backends import get_backend
from datastores.models import Datastore
from studio.workspaces.models import Membership, Role, User, Workspace
from studio.workspaces.services import create_workspace


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    """The studio's home, of this test alone."""
    settings.STUDIO_HOME = tmp_path / "home"
    settings.STUDIO_HOME.mkdir()
    return settings.STUDIO_HOME


def member(workspace: Workspace, username: str, role: Role) -> User:
    user = User.objects.create_user(username=username)
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return user


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user(username="olga")


@pytest.fixture
def workspace(owner: User) -> Workspace:
    return create_workspace(name="Digits", slug="digits", owner=owner)


@pytest.fixture
def contributor(workspace: Workspace) -> User:
    return member(workspace, "carl", Role.CONTRIBUTOR)


@pytest.fixture
def reader(workspace: Workspace) -> User:
    return member(workspace, "rosa", Role.READER)


@pytest.fixture
def stranger(db: None) -> User:
    """Owner of another workspace, `elsewhere`."""
    user = User.objects.create_user(username="sam")
    create_workspace(name="Elsewhere", slug="elsewhere", owner=user)
    return user


@pytest.fixture
def datastore(workspace: Workspace) -> Datastore:
    """The default one."""
    return Datastore.objects.get(workspace=workspace, is_default=True)


@pytest.fixture
def put(datastore: Datastore) -> Callable[..., None]:
    """`put("a/b.txt", "c.txt", content=b"…")` writes files into the default datastore."""
    from io import BytesIO

    def write(*paths: str, content: bytes = b"x") -> None:
        for path in paths:
            get_backend(datastore).write(path, BytesIO(content))

    return write


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return client_of

"""Register, change, remove: what is refused, and what is left behind."""

from pathlib import Path

import pytest

from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.services import (
    change_datastore,
    create_first_datastores,
    make_default,
    register_datastore,
    remove_datastore,
)
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.models import AuditEvent, User, Workspace

pytestmark = pytest.mark.django_db


def register(workspace: Workspace, actor: User, **changes: object) -> Datastore:
    values = {"kind": "local", "name": "images", "config": {}, "description": "", **changes}
    return register_datastore(workspace, actor=actor, **values)


def test_a_workspace_starts_with_a_default_datastore_below_the_home(datastore: Datastore, home: Path) -> None:
    assert (datastore.name, datastore.kind) == ("workspaceblobstore", "local")
    assert get_backend(datastore).local_path("") == home / f"workspaces/{datastore.workspace_id}/workspaceblobstore"
    assert create_first_datastores(datastore.workspace) == datastore


def test_one_more_is_made_for_files_that_people_share(workspace: Workspace) -> None:
    names = Datastore.objects.filter(workspace=workspace).values_list("name", "is_default")
    assert list(names) == [("workspaceblobstore", True), ("workspacefilestore", False)]


def test_a_second_one_is_not_the_default(workspace: Workspace, owner: User) -> None:
    images = register(workspace, owner)
    assert not images.is_default
    make_default(images, actor=owner)
    assert list(Datastore.objects.filter(is_default=True)) == [images]
    verbs = set(AuditEvent.objects.filter(workspace=workspace, actor=owner).values_list("verb", flat=True))
    assert {"datastore.register", "datastore.make_default"} <= verbs


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"name": ""}, ("name",)),
        ({"name": "no spaces"}, ("name",)),
        ({"name": "x" * 101}, ("name",)),
        ({"name": "../up"}, ("name",)),
        ({"name": "nul\0"}, ("name",)),
        ({"name": "workspaceblobstore"}, ("name",)),
        ({"description": "x" * 501}, ("description",)),
        ({"kind": "tape"}, ("kind",)),
        ({"config": {"path": "relative"}}, ("config", "path")),
        ({"config": {"path": "/etc"}}, ("config", "path")),
        ({"config": {"path": 5}}, ("config", "path")),
        ({"config": {"root": "/"}}, ("config", "root")),
    ],
)
def test_a_mistake_is_said_at_its_field(
    workspace: Workspace, owner: User, changes: dict[str, object], loc: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        register(workspace, owner, **changes)
    assert loc in [problem.loc for problem in caught.value.problems]
    assert Datastore.objects.count() == 2


def test_two_workspaces_may_use_the_same_name(workspace: Workspace, owner: User, stranger: User) -> None:
    elsewhere = stranger.workspaces.get()
    places = {get_backend(register(place, owner)).local_path("") for place in (workspace, elsewhere)}
    assert len(places) == 2


def test_a_datastore_cannot_be_registered_in_another_workspaces_folder(
    workspace: Workspace, owner: User, stranger: User
) -> None:
    theirs = get_backend(Datastore.objects.get(workspace=stranger.workspaces.get(), is_default=True)).local_path("")
    with pytest.raises(UserError, match="private"):
        register(workspace, owner, config={"path": str(theirs)})


def test_only_the_description_changes(datastore: Datastore, owner: User) -> None:
    change_datastore(datastore, description="All our data", actor=owner)
    datastore.refresh_from_db()
    assert datastore.description == "All our data"


def test_the_default_one_stays(datastore: Datastore, owner: User) -> None:
    with pytest.raises(ConflictError, match="default"):
        remove_datastore(datastore, actor=owner)

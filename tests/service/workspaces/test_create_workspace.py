import pytest

from datastores.models import Datastore
from studio.lib.problems import UserError
from studio.workspaces import listener
from studio.workspaces.models import AuditEvent, Membership, Role, User, Workspace
from studio.workspaces.services import create_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def test_its_maker_owns_it_and_it_has_a_default_datastore(ada: User) -> None:
    workspace = create_workspace(name=" Fraud ", slug="fraud", owner=ada)
    assert workspace.name == "Fraud"
    assert Membership.objects.get(workspace=workspace).role == Role.OWNER
    stores = Datastore.objects.filter(workspace=workspace)
    assert [(store.name, store.is_default) for store in stores] == [
        ("workspaceblobstore", True),
        ("workspacefilestore", False),
    ]
    assert AuditEvent.objects.filter(workspace=workspace, actor=ada, verb="workspace.create").exists()


@pytest.mark.parametrize("slug", ["", "A", "-a", "a-", "a b", "a/b", "ä", "a" * 41, "a\n"])
def test_an_address_that_would_not_do_is_refused_at_its_field(ada: User, slug: str) -> None:
    with pytest.raises(UserError) as refused:
        create_workspace(name="Fraud", slug=slug, owner=ada)
    assert [problem.loc for problem in refused.value.problems] == [("slug",)]


@pytest.mark.parametrize("name", ["", "   ", "a" * 101])
def test_a_name_that_would_not_do_is_refused_at_its_field(ada: User, name: str) -> None:
    with pytest.raises(UserError) as refused:
        create_workspace(name=name, slug="fraud", owner=ada)
    assert [problem.loc for problem in refused.value.problems] == [("name",)]


def test_the_second_of_two_with_one_address_is_told_so(ada: User) -> None:
    create_workspace(name="Fraud", slug="fraud", owner=ada)
    with pytest.raises(UserError, match="exists already"):
        create_workspace(name="Other", slug="fraud", owner=ada)
    assert Workspace.objects.count() == 1


def test_a_room_that_can_not_follow_undoes_the_workspace(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(workspace: Workspace, creator: User | None) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(listener, "_listeners", [breaks])
    with pytest.raises(RuntimeError):
        create_workspace(name="Fraud", slug="fraud", owner=ada)
    assert not Workspace.objects.exists()

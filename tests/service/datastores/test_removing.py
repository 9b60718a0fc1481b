"""A datastore goes: who stands on it is named, and nothing of its secrets stays."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from datastores.backends import get_backend
from datastores.models import DataPath, Datastore
from datastores.places import Places
from datastores.services import create_dataset, delete_dataset, register_datastore, remove_datastore
from datastores.uses import COUNTED, uses_of
from studio.lib.problems import ConflictError, UserError
from studio.lib.secrets import Sealed
from studio.workspaces.models import AuditEvent, User, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def images(workspace: Workspace, owner: User) -> Datastore:
    return register_datastore(workspace, kind="local", name="images", config={}, actor=owner)


def use(datastore: Datastore, owner: User, name: str = "train") -> DataPath:
    path = DataPath(datastore_id=datastore.pk, path="a")
    create_dataset(datastore.workspace, name=name, paths=[path], actor=owner)
    return path


def test_one_in_use_stays_and_says_by_whom(workspace: Workspace, images: Datastore, owner: User) -> None:
    path = use(images, owner)
    with pytest.raises(ConflictError, match="used by 1 dataset: dataset “train”") as caught:
        remove_datastore(images, actor=owner)
    assert caught.value.current["uses"][0]["name"] == "train"
    delete_dataset(workspace.datasets.get(name="train"), actor=owner)
    place = get_backend(images).local_path("")
    remove_datastore(images, actor=owner)
    assert not Datastore.objects.filter(name="images").exists()
    assert place is not None
    assert place.is_dir()  # files are never removed with it
    with pytest.raises(UserError, match="“images” has been removed"):
        Places(workspace.pk).of(path)


def test_left_dangling_it_forgets_its_secrets_and_frees_its_name(
    workspace: Workspace, images: Datastore, owner: User
) -> None:
    path = use(images, owner)
    Datastore.objects.filter(pk=images.pk).update(credentials=Sealed.seal({"password": "hush"}))
    left = remove_datastore(images, dangling=True, actor=owner)
    assert left.words == "1 dataset"
    gone = Datastore.everything.get(pk=images.pk)
    assert (gone.config, gone.credentials, gone.name) == ({}, None, "images")
    assert gone.removed_at is not None
    assert register_datastore(workspace, kind="local", name="images", config={}, actor=owner).pk != images.pk
    with pytest.raises(UserError, match="“images” has been removed"):
        Places(workspace.pk).of(path)
    assert AuditEvent.objects.get(verb="datastore.remove").target == "images, used by 1 dataset"


def test_only_one_of_two_removes_it(images: Datastore, owner: User) -> None:
    remove_datastore(images, actor=owner)
    with pytest.raises(ConflictError, match="just been removed"):
        remove_datastore(images, actor=owner)


def test_a_number_that_begins_alike_is_another_datastore(workspace: Workspace, images: Datastore, owner: User) -> None:
    """`"datastore_id": 1` is the beginning of 10 and of 12; a path may be written like the key."""
    longer = Datastore.objects.create(pk=images.pk * 10 + 1, workspace=workspace, name="longer", kind="local")
    use(longer, owner)
    odd = DataPath(datastore_id=longer.pk, path=f'"datastore_id": {images.pk}, "x')
    create_dataset(workspace, name="odd", paths=[odd], actor=owner)
    assert not uses_of(images)
    assert uses_of(longer).words == "2 datasets"


def test_many_uses_are_counted_by_the_database(
    images: Datastore, owner: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        use(images, owner, f"d{number:02}")
    with django_assert_max_num_queries(7):
        uses = uses_of(images)
    assert len(uses.named) == 20
    assert uses.words == "30 datasets"
    assert COUNTED > 30


def test_the_page_names_what_is_left_and_asks_for_a_tick(
    images: Datastore, owner: User, signed_in: Callable[[User], Client]
) -> None:
    use(images, owner)
    client = signed_in(owner)
    address = f"/w/digits/datastores/{images.pk}/delete/"
    shown = client.get(address).content.decode()
    assert "It is used by 1 dataset." in shown
    assert ">train</a>" in shown
    refused = client.post(address)
    assert refused.status_code == 409
    assert "Delete them first" in refused.content.decode()
    answer = client.post(address, {"dangling": "yes"}, follow=True)
    assert "images is removed" in answer.content.decode()
    assert "images, removed:" in client.get("/w/digits/datasets/").content.decode()
    assert client.get(address).status_code == 404


def test_over_the_api(images: Datastore, owner: User, signed_in: Callable[[User], Client]) -> None:
    use(images, owner)
    client = signed_in(owner)
    address = f"/api/workspaces/digits/datastores/{images.pk}/"
    refused = client.delete(address)
    assert refused.status_code == 409
    assert refused.json()["current"]["counts"]["dataset"] == 1
    assert client.delete(f"{address}?dangling=true").status_code == 204
    assert client.get(address).status_code == 404

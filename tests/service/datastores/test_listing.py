"""What a version remembers of its data, and how it tells that the data has moved on."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datastores import listings
from datastores.backends import get_backend
from datastores.changes import changes_since, compared
from datastores.datasets import content_fingerprint
from datastores.listings import ListedFile, ListingStore, read_listing
from datastores.models import DataPath, DatasetVersion, Datastore
from datastores.services import (
    add_dataset_version,
    create_dataset,
    delete_dataset,
    list_version,
    make_again,
    register_output_version,
)
from datastores.services.listing import look_at
from datastores.sources import Column, FileDefinition
from studio.lib.problems import UserError
from studio.workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db
Put = Callable[..., None]


@pytest.fixture
def version(workspace: Workspace, datastore: Datastore, owner: User, put: Put) -> DatasetVersion:
    put("train/a.txt", "train/b/c.txt", "train/d.txt", content=b"12345")
    return create_dataset(workspace, name="train", paths=[path_in(datastore, "train/**")], actor=owner)


def path_in(datastore: Datastore, path: str) -> DataPath:
    return DataPath(datastore_id=datastore.pk, path=path)


def waiting(version: DatasetVersion) -> DatasetVersion:
    """As where there was no time to list it."""
    DatasetVersion.objects.filter(pk=version.pk).update(
        listed_at=None, fingerprint="", file_count=None, size_bytes=None, listing=""
    )
    version.refresh_from_db()
    return version


def test_a_version_is_listed_when_it_is_made(version: DatasetVersion, datastore: Datastore) -> None:
    assert (version.file_count, version.size_bytes, version.listing_error) == (3, 15, "")
    assert version.listed_at is not None
    assert version.fingerprint == content_fingerprint(version.definition.paths, workspace_id=datastore.workspace_id)
    files = list(read_listing(version.listing, workspace_id=datastore.workspace_id))
    assert [file.path for file in files] == ["train/a.txt", "train/b/c.txt", "train/d.txt"]
    assert {file.datastore_id for file in files} == {datastore.pk}


def test_what_changed_is_told_with_names(version: DatasetVersion, datastore: Datastore, put: Put) -> None:
    unchanged = changes_since(version)
    assert unchanged is not None
    assert unchanged.total == 0
    put("train/a.txt", content=b"other")
    put("train/new.txt")
    get_backend(datastore).delete("train/b")
    changes = changes_since(version)
    assert changes is not None
    assert changes.counts == {"added": 1, "removed": 1, "changed": 1}
    assert {(change.kind, change.file.path) for change in changes.first} == {
        ("changed", "train/a.txt"),
        ("added", "train/new.txt"),
        ("removed", "train/b/c.txt"),
    }
    assert changes.is_complete


def test_a_file_that_two_paths_name_changes_once(
    workspace: Workspace, datastore: Datastore, owner: User, put: Put
) -> None:
    put("x/1", "x/2")
    paths = [path_in(datastore, "x"), path_in(datastore, "x/*")]
    version = create_dataset(workspace, name="twice", paths=paths, actor=owner)
    put("x/1", content=b"longer")
    put("x/3")
    get_backend(datastore).delete("x/2")
    changes = changes_since(version)
    assert changes is not None
    assert changes.counts == {"added": 1, "removed": 1, "changed": 1}


def test_where_time_runs_out_it_says_so(version: DatasetVersion, put: Put) -> None:
    put(*(f"train/more-{number:03}" for number in range(100)))
    changes = changes_since(version, budget_s=-1)
    assert changes is not None
    assert not changes.is_complete


def test_a_million_names_fit_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of them, looked at closely: 17 bytes for each."""
    from datastores.changes import _Before

    count = 100_000
    before = _Before(ListedFile(1, f"folder/{number:07}.png", number, str(number)) for number in range(count))
    held = sum(len(part) * part.itemsize for part in (before._names, before._states)) + len(before._met)
    assert held == count * 17
    assert before.meet(ListedFile(1, "folder/0000005.png", 5, "5")) is None
    assert before.meet(ListedFile(1, "folder/0000006.png", 6, "other")) == "changed"
    assert before.meet(ListedFile(1, "folder/new.png", 6, "6")) == "added"
    assert before.is_missing(ListedFile(1, "folder/0000007.png", 7, "7"))
    assert not before.is_missing(ListedFile(1, "folder/0000007.png", 7, "7"))


def test_without_time_it_is_left_to_the_worker(version: DatasetVersion, datastore: Datastore, put: Put) -> None:
    put(*(f"train/{number}" for number in range(300)))
    look = look_at(version.definition, workspace_id=datastore.workspace_id, budget_s=-1)
    assert (look.listed, look.error) == (None, "")


def test_the_worker_lists_what_waits_and_only_once(version: DatasetVersion, home: Path) -> None:
    first = version.listing
    waiting(version)
    assert list_version(version.pk)
    version.refresh_from_db()
    assert (version.file_count, version.size_bytes) == (3, 15)
    assert version.listing != first
    assert not list_version(version.pk)
    assert not list_version(version.pk + 1000)


def test_the_slower_of_two_workers_leaves_nothing(version: DatasetVersion, datastore: Datastore) -> None:
    waiting(version)
    store = ListingStore(datastore.workspace_id)

    def meanwhile() -> None:
        DatasetVersion.objects.filter(pk=version.pk, listed_at=None).update(listed_at="2026-01-01T00:00Z")

    before = sorted(store.root.rglob("*"))
    assert not list_version(version.pk, check=meanwhile)
    assert sorted(path for path in store.root.rglob("*") if path.is_file()) == [
        path for path in before if path.is_file()
    ]


def test_what_ends_the_work_keeps_nothing_and_the_version_waits(version: DatasetVersion, datastore: Datastore) -> None:
    waiting(version)

    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        list_version(version.pk, check=stop)
    version.refresh_from_db()
    assert version.listed_at is None
    assert not list((ListingStore(datastore.workspace_id).root / "aside").iterdir())


def test_what_cant_be_listed_says_why(version: DatasetVersion, datastore: Datastore) -> None:
    waiting(version)
    Datastore.objects.filter(pk=datastore.pk).update(removed_at="2026-01-01T00:00Z", is_default=False)
    assert list_version(version.pk)
    version.refresh_from_db()
    assert "has been removed" in version.listing_error
    assert version.fingerprint == ""
    assert changes_since(version) is None


def test_lists_go_with_their_dataset(
    version: DatasetVersion,
    owner: User,
    django_capture_on_commit_callbacks: Callable[..., object],
    datastore: Datastore,
) -> None:
    path = ListingStore(datastore.workspace_id).path(version.listing)
    assert path.exists()
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(version.dataset, actor=owner)
    assert not path.exists()


def test_a_refused_dataset_leaves_no_list(version: DatasetVersion, workspace: Workspace, owner: User) -> None:
    def files() -> list[Path]:
        return [path for path in ListingStore(workspace.pk).root.rglob("*") if path.is_file()]

    before = files()
    with pytest.raises(UserError, match="taken"):
        create_dataset(workspace, name="train", paths=version.definition.paths, actor=owner)
    same, is_new = add_dataset_version(version.dataset, paths=version.definition.paths, actor=owner)
    assert (same.pk, is_new) == (version.pk, False)
    assert files() == before


def test_moved_data_makes_a_version_of_the_same_paths(version: DatasetVersion, owner: User, put: Put) -> None:
    put("train/new.txt")
    second, is_new = add_dataset_version(version.dataset, paths=version.definition.paths, actor=owner)
    assert (second.number, is_new, second.file_count) == (2, True, 4)
    third, is_new = make_again(second, actor=owner)
    assert (third.number, is_new) == (3, True)


def test_new_words_make_a_version_and_none_repeat_it(version: DatasetVersion, owner: User) -> None:
    said = {"description": "checked", "tags": {"stage": "clean"}, "actor": owner}
    second, is_new = add_dataset_version(version.dataset, paths=version.definition.paths, **said)
    assert (second.number, is_new, second.tags.tags) == (2, True, {"stage": "clean"})
    again, is_new = add_dataset_version(version.dataset, paths=version.definition.paths, **said)
    assert (again.number, is_new) == (2, False)


def test_an_output_is_registered_once_and_asks_no_disk(
    workspace: Workspace, datastore: Datastore, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "walked", lambda *_a, **_k: pytest.fail("the worker lists it, later"))
    out = {"name": "model", "paths": [path_in(datastore, "runs/1/out")], "actor": owner, "tags": {"run": "1"}}
    first = register_output_version(workspace, origin="run 1, step train", **out)
    same = register_output_version(workspace, origin="run 1, step train", **out)
    other = register_output_version(workspace, origin="run 2, step train", **out)
    assert (first.pk == same.pk, first.number, other.number) == (True, 1, 2)
    assert (first.origin, first.listed_at, first.tags.tags) == ("run 1, step train", None, {"run": "1"})
    with pytest.raises(UserError) as caught:
        register_output_version(workspace, origin="run 3", **{**out, "name": "no name"})
    assert caught.value.problems[0].loc == ("name",)


@pytest.mark.parametrize(
    ("tags", "loc"),
    [({"": "x"}, ("tags", "")), ({"a": "x" * 101}, ("tags", "a")), ({"a": "\0"}, ("tags", "a")),
     ({str(number): "" for number in range(51)}, ("tags",))],
)  # fmt: skip
def test_tags_that_are_none_are_refused(
    version: DatasetVersion, owner: User, tags: dict[str, str], loc: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        add_dataset_version(version.dataset, paths=version.definition.paths, tags=tags, actor=owner)
    assert [problem.loc for problem in caught.value.problems] == [loc]


def test_names_that_are_no_text_are_listed(workspace: Workspace, datastore: Datastore, owner: User) -> None:
    root = get_backend(datastore).local_path("")
    assert root is not None
    folder = root / "odd"
    folder.mkdir()
    (folder / b"\xff.txt".decode("utf-8", "surrogateescape")).write_bytes(b"1")
    version = create_dataset(workspace, name="odd", paths=[path_in(datastore, "odd")], actor=owner)
    assert version.file_count == 1
    changes = changes_since(version)
    assert changes is not None
    assert changes.total == 0


def test_ten_thousand_files_are_compared_quickly(workspace: Workspace, datastore: Datastore, owner: User) -> None:
    root = get_backend(datastore).local_path("")
    assert root is not None
    (root / "many").mkdir()
    for number in range(10_000):
        (root / "many" / f"{number:05}").touch()
    version = create_dataset(workspace, name="many", paths=[path_in(datastore, "many")], actor=owner)
    (root / "many" / "00500").unlink()
    began = time.monotonic()
    changes = changes_since(version, budget_s=30)
    assert changes is not None
    assert changes.counts == {"added": 0, "removed": 1, "changed": 0}
    assert time.monotonic() - began < 10


def test_columns_are_compared() -> None:
    before = [Column(name="a", type="integer"), Column(name="b", type="string")]
    now = [Column(name="a", type="number"), Column(name="c", type="date")]
    changes = compared(before, now)
    assert [column.name for column in changes.added] == ["c"]
    assert [column.name for column in changes.removed] == ["b"]
    assert changes.retyped == [("a", "integer", "number")]


def test_a_file_definition_without_files_is_a_version(workspace: Workspace, datastore: Datastore, owner: User) -> None:
    version = create_dataset(workspace, name="none", paths=[path_in(datastore, "nowhere/*")], actor=owner)
    assert (version.file_count, version.size_bytes) == (0, 0)
    assert isinstance(version.definition, FileDefinition)

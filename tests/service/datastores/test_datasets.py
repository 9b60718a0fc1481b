"""Datasets: names for paths, in versions that are only added."""

from collections.abc import Callable

import pytest

from datastores.datasets import content_fingerprint, page_of_files, summarise
from datastores.models import DataPath, Dataset, Datastore
from datastores.services import add_dataset_version, change_dataset, create_dataset, delete_dataset
from studio.lib.problems import UserError
from studio.workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db


def path_in(datastore: Datastore, path: str) -> DataPath:
    return DataPath(datastore_id=datastore.pk, path=path)


@pytest.fixture
def dataset(workspace: Workspace, datastore: Datastore, owner: User) -> Dataset:
    return create_dataset(workspace, name="train", paths=[path_in(datastore, "train/**")], actor=owner).dataset


def test_version_one_comes_with_the_name(dataset: Dataset) -> None:
    assert [version.number for version in dataset.versions.all()] == [1]


def test_the_same_definition_is_the_same_version(dataset: Dataset, datastore: Datastore, owner: User) -> None:
    same, is_new = add_dataset_version(dataset, paths=[path_in(datastore, "train//**/")], actor=owner)
    assert (same.number, is_new) == (1, False)
    other, is_new = add_dataset_version(dataset, paths=[path_in(datastore, "test")], actor=owner)
    assert (other.number, is_new) == (2, True)
    again, is_new = add_dataset_version(dataset, paths=[path_in(datastore, "train/**")], actor=owner)
    assert (again.number, is_new) == (3, True)


def test_one_path_twice_is_one_path(dataset: Dataset, datastore: Datastore, owner: User) -> None:
    twice = [path_in(datastore, "a"), path_in(datastore, "./a/")]
    version, _ = add_dataset_version(dataset, paths=twice, actor=owner)
    assert version.definition.paths == [path_in(datastore, "a")]


@pytest.mark.parametrize("path", ["../secret-key", "/etc/passwd", "a/../../b", "a\0", "\ud800", "x/" * 3000])
def test_a_path_that_leaves_is_refused_at_its_row(
    workspace: Workspace, datastore: Datastore, owner: User, path: str
) -> None:
    with pytest.raises(UserError) as caught:
        create_dataset(workspace, name="d", paths=[path_in(datastore, "ok"), path_in(datastore, path)], actor=owner)
    assert [problem.loc for problem in caught.value.problems] == [("paths", 1, "path")]
    assert not Dataset.objects.exists()


def test_a_link_out_is_refused(workspace: Workspace, datastore: Datastore, owner: User) -> None:
    from datastores.backends import get_backend

    root = get_backend(datastore).local_path("")
    assert root is not None
    (root / "out").symlink_to("/etc")
    for path in ("out", "out/passwd", "out/*"):
        with pytest.raises(UserError, match="symbolic link"):
            create_dataset(workspace, name="d", paths=[path_in(datastore, path)], actor=owner)


def test_another_workspaces_datastore_is_refused(workspace: Workspace, owner: User, stranger: User) -> None:
    theirs = Datastore.objects.get(workspace=stranger.workspaces.get(), is_default=True)
    with pytest.raises(UserError) as caught:
        create_dataset(workspace, name="d", paths=[path_in(theirs, "a")], actor=owner)
    assert caught.value.problems[0].loc == ("paths", 0, "datastore_id")


def test_no_path_and_a_taken_name_are_both_said(dataset: Dataset, workspace: Workspace, owner: User) -> None:
    with pytest.raises(UserError) as caught:
        create_dataset(workspace, name="bad name", paths=[], actor=owner)
    assert {problem.loc for problem in caught.value.problems} == {("name",), ("paths",)}
    with pytest.raises(UserError, match="taken"):
        create_dataset(workspace, name="train", paths=list(dataset.versions.get().definition.paths), actor=owner)


def test_change_and_delete(dataset: Dataset, owner: User) -> None:
    change_dataset(dataset, description="digits", actor=owner)
    dataset.refresh_from_db()
    assert dataset.description == "digits"
    delete_dataset(dataset, actor=owner)
    assert not Dataset.objects.exists()


def test_a_summary_counts_what_the_paths_match(datastore: Datastore, put: Callable[..., None]) -> None:
    put("train/a.png", "train/b.png", content=b"12345")
    put("notes.txt")
    summary = summarise(
        [path_in(datastore, "train/*.png"), path_in(datastore, "notes.txt")],
        workspace_id=datastore.workspace_id,
        first=2,
    )
    assert (summary.file_count, summary.size_bytes, summary.is_complete) == (3, 11, True)
    assert [matched.entry.path for matched in summary.first] == ["train/a.png", "train/b.png"]
    assert not summarise([path_in(datastore, "**")], workspace_id=datastore.workspace_id, budget_s=0).is_complete


def test_files_come_in_pages(datastore: Datastore, put: Callable[..., None]) -> None:
    put(*(f"f{number}" for number in range(5)))
    first, more = page_of_files([path_in(datastore, "**")], workspace_id=datastore.workspace_id, page=1, per_page=3)
    last, end = page_of_files([path_in(datastore, "**")], workspace_id=datastore.workspace_id, page=2, per_page=3)
    assert [matched.entry.path for matched in first + last] == ["f0", "f1", "f2", "f3", "f4"]
    assert (more, end) == (True, False)


def test_a_fingerprint_follows_the_files_not_the_order_of_paths(datastore: Datastore, put: Callable[..., None]) -> None:
    put("a/1", "b/1")
    paths = [path_in(datastore, "a"), path_in(datastore, "b/*")]
    before = content_fingerprint(paths, workspace_id=datastore.workspace_id)
    assert content_fingerprint(paths[::-1], workspace_id=datastore.workspace_id) == before
    put("c/1")
    assert content_fingerprint(paths, workspace_id=datastore.workspace_id) == before
    put("b/2")
    assert content_fingerprint(paths, workspace_id=datastore.workspace_id) != before


def test_a_fingerprint_of_a_removed_datastore_says_so(datastore: Datastore) -> None:
    with pytest.raises(UserError, match="removed"):
        content_fingerprint([DataPath(datastore_id=datastore.pk + 1000, path="a")], workspace_id=datastore.workspace_id)

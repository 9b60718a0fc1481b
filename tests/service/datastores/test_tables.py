"""Tables: made of files, of a query and of a folder with an MLTable file, and derived from one another."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from datastores.backends import get_backend
from datastores.changes import changes_since, schema_changes
from datastores.drafts import FilesDraft, MLTableDraft, TableDraft
from datastores.models import DataPath, Dataset, DatasetVersion, Datastore
from datastores.services import (
    add_dataset_version,
    add_table_version,
    create_dataset,
    create_table,
    create_tables,
    derived_table,
    make_again,
    register_datastore,
    register_output_version,
    settle_table,
)
from datastores.sources import Condition, Filter, KeepColumns, QuerySource, Split, Take, Transformation
from datastores.tabular import reading
from studio.lib.problems import UserError
from studio.workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db
Put = Callable[..., None]


@pytest.fixture
def draft(datastore: Datastore, put: Put) -> TableDraft:
    put("sales/a.csv", content=b"id;price\n1;2.5\n2;5\n3;7.5\n")
    return TableDraft(source=FilesDraft(paths=[DataPath(datastore_id=datastore.pk, path="sales/*.csv")]))


@pytest.fixture
def sales(workspace: Workspace, draft: TableDraft, owner: User) -> DatasetVersion:
    definition = settle_table(workspace, draft).definition
    return create_table(workspace, name="sales", definition=definition, tags={"stage": "raw"}, actor=owner)


@pytest.fixture
def database(workspace: Workspace, datastore: Datastore, owner: User) -> Datastore:
    folder = get_backend(datastore).local_path("")
    assert folder is not None
    with closing(sqlite3.connect(folder / "shop.db")) as tables:
        tables.execute("CREATE TABLE orders (id INTEGER, price REAL)")
        tables.execute("INSERT INTO orders VALUES (1, 2.5)")
        tables.commit()
    return register_datastore(
        workspace, kind="sqlite", name="shop", config={"path": "workspaceblobstore/shop.db"}, actor=owner
    )


def rows(version: DatasetVersion) -> list[list[str | None]]:
    return reading.preview(version.definition, workspace_id=version.dataset.workspace_id).rows


def problems(call: Callable[[], object]) -> list[tuple[str | int, ...]]:
    with pytest.raises(UserError) as caught:
        call()
    assert all(len(problem.message) > 10 for problem in caught.value.problems)
    return [problem.loc for problem in caught.value.problems]


def test_a_table_of_files_is_settled_listed_and_read(sales: DatasetVersion) -> None:
    assert [(column.name, column.type) for column in sales.definition.columns] == [
        ("id", "integer"),
        ("price", "number"),
    ]
    assert sales.definition.source.format.separator == ";"
    assert (sales.file_count, sales.is_tabular, sales.tags.tags) == (1, True, {"stage": "raw"})
    assert [(row[0], float(row[1] or "")) for row in rows(sales)] == [("1", 2.5), ("2", 5), ("3", 7.5)]


def test_what_a_person_chose_stays(workspace: Workspace, draft: TableDraft) -> None:
    chosen = draft.model_copy(update={"types": {"id": "string"}})
    assert settle_table(workspace, chosen).definition.columns[0].type == "string"


def test_a_query_becomes_a_table_and_tells_when_its_columns_changed(
    workspace: Workspace, database: Datastore, datastore: Datastore, owner: User
) -> None:
    draft = TableDraft(source=QuerySource(datastore_id=database.pk, query=" SELECT * FROM orders "))
    version = create_table(workspace, name="orders", definition=settle_table(workspace, draft).definition, actor=owner)
    assert (version.file_count, version.fingerprint, version.listed_at is not None) == (None, "", True)
    assert changes_since(version) is None
    folder = get_backend(datastore).local_path("")
    assert folder is not None
    with closing(sqlite3.connect(folder / "shop.db")) as tables:
        tables.execute("ALTER TABLE orders ADD COLUMN note TEXT")
        tables.commit()
    changes = schema_changes(version)
    assert changes is not None
    assert [column.name for column in changes.added] == ["note"]
    again, is_new = make_again(version, actor=owner)
    assert is_new
    assert [column.name for column in again.definition.columns] == ["id", "price", "note"]


@pytest.mark.parametrize("query", ["", "DELETE FROM orders", "SELECT 1; SELECT 2", "SELECT nothing FROM nowhere"])
def test_a_query_that_is_none_is_refused_at_its_field(workspace: Workspace, database: Datastore, query: str) -> None:
    draft = TableDraft(source=QuerySource(datastore_id=database.pk, query=query))
    assert problems(lambda: settle_table(workspace, draft)) == [("query",)]


def test_a_query_wants_a_database_of_the_workspace(
    workspace: Workspace, datastore: Datastore, stranger: User, database: Datastore
) -> None:
    theirs = register_datastore(stranger.workspaces.get(), kind="local", name="theirs", config={}, actor=stranger)
    for wrong in (datastore.pk, theirs.pk, 10**9):
        draft = TableDraft(source=QuerySource(datastore_id=wrong, query="SELECT 1"))
        assert problems(lambda draft=draft: settle_table(workspace, draft)) == [("datastore_id",)]  # type: ignore[misc]


def test_an_mltable_folder_says_it_all(workspace: Workspace, datastore: Datastore, put: Put, owner: User) -> None:
    put("orders/a.csv", content=b"id|word\n1|one\n2|two\n")
    says = "paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited:\n      delimiter: '|'\n  - take: 1\n"
    put("orders/MLTable", content=says.encode())
    draft = TableDraft(source=MLTableDraft(path=DataPath(datastore_id=datastore.pk, path="orders")))
    version = create_table(workspace, name="orders", definition=settle_table(workspace, draft).definition, actor=owner)
    assert version.definition.mltable == DataPath(datastore_id=datastore.pk, path="orders")
    assert rows(version) == [["1", "one"]]
    again, _ = make_again(version, actor=owner)
    assert again.definition.transformations == version.definition.transformations
    elsewhere = TableDraft(source=MLTableDraft(path=DataPath(datastore_id=10**9, path="orders")))
    assert problems(lambda: settle_table(workspace, elsewhere)) == [("mltable", "datastore_id")]


def test_another_workspaces_data_is_no_part_of_a_table(
    workspace: Workspace, sales: DatasetVersion, stranger: User, owner: User
) -> None:
    elsewhere = stranger.workspaces.get()
    theirs = Datastore.objects.filter(workspace=elsewhere).first()
    assert theirs is not None
    paths = [DataPath(datastore_id=theirs.pk, path="a.csv")]
    draft = TableDraft(source=FilesDraft(paths=paths))
    assert problems(lambda: settle_table(workspace, draft)) == [("paths", 0, "datastore_id")]
    # A definition that somebody made by hand is looked at, too.
    with pytest.raises(UserError, match="removed"):
        create_table(elsewhere, name="stolen", definition=sales.definition, actor=stranger)
    assert not Dataset.objects.filter(workspace=elsewhere).exists()


def test_deriving_copies_nothing_and_remembers_from_what(
    workspace: Workspace, sales: DatasetVersion, owner: User
) -> None:
    steps: list[Transformation] = [
        Filter(conditions=[Condition(column="price", operator=">", value="3")]),
        KeepColumns(columns=["id"]),
    ]
    version = create_table(workspace, name="large", definition=derived_table(sales, steps), actor=owner)
    assert version.definition.derived_from == sales.pk
    assert rows(version) == [["2"], ["3"]]
    further = create_table(workspace, name="one", definition=derived_table(version, [Take(count=1)]), actor=owner)
    assert rows(further) == [["2"]]


def test_a_step_that_does_not_fit_is_refused_at_its_place(sales: DatasetVersion) -> None:
    steps: list[Transformation] = [Take(count=5), KeepColumns(columns=["nothing"])]
    assert problems(lambda: derived_table(sales, steps)) == [("transformations", 1, "columns")]
    assert problems(lambda: derived_table(sales, [])) == [("transformations",)]
    assert problems(lambda: derived_table(sales, [Take(count=1)] * 101)) == [("transformations",)]


def test_both_parts_of_a_split_are_made_or_none(workspace: Workspace, sales: DatasetVersion, owner: User) -> None:
    first, second = (derived_table(sales, [Split(fraction=0.5, part=part)]) for part in ("first", "second"))
    assert problems(lambda: create_tables(workspace, [("train", first), ("sales", second)], actor=owner)) == [
        ("names", 1)
    ]
    assert not Dataset.objects.filter(name="train").exists()
    made = create_tables(workspace, [("train", first), ("test", second)], actor=owner)
    found = [row for version in made for row in rows(version)]
    assert sorted(found) == sorted(rows(sales))


def test_a_name_stays_what_it_is(
    workspace: Workspace, sales: DatasetVersion, datastore: Datastore, owner: User
) -> None:
    paths = [DataPath(datastore_id=datastore.pk, path="sales")]
    files = create_dataset(workspace, name="files", paths=paths, actor=owner)
    with pytest.raises(UserError, match="is a table"):
        add_dataset_version(sales.dataset, paths=paths, actor=owner)
    with pytest.raises(UserError, match="is a table"):
        register_output_version(workspace, name="sales", paths=paths, actor=owner, origin="run 1, step a")
    with pytest.raises(UserError, match="names files"):
        add_table_version(files.dataset, definition=sales.definition, actor=owner)
    with pytest.raises(UserError, match="Only tables"):
        derived_table(files, [Take(count=1)])


def test_a_table_whose_files_moved_on_is_made_again(sales: DatasetVersion, owner: User, put: Put) -> None:
    same, is_new = add_table_version(sales.dataset, definition=sales.definition, actor=owner)
    assert (same.pk, is_new) == (sales.pk, False)
    put("sales/b.csv", content=b"id;price\n4;1.5\n")
    changes = changes_since(sales)
    assert changes is not None
    assert changes.counts["added"] == 1
    again, is_new = make_again(sales, actor=owner)
    assert (again.number, is_new, again.file_count, again.tags.tags) == (2, True, 2, {"stage": "raw"})
    assert len(rows(again)) == 4


def test_a_timestamp_column_is_one_of_the_table(workspace: Workspace, draft: TableDraft) -> None:
    for wrong in ("nothing", "price"):
        with_time = draft.model_copy(update={"timestamp_column": wrong})
        assert problems(lambda with_time=with_time: settle_table(workspace, with_time)) == [("timestamp_column",)]  # type: ignore[misc]


def test_a_table_of_no_file_says_so(workspace: Workspace, datastore: Datastore) -> None:
    draft = TableDraft(source=FilesDraft(paths=[DataPath(datastore_id=datastore.pk, path="nowhere/*.csv")]))
    assert problems(lambda: settle_table(workspace, draft)) == [("paths",)]

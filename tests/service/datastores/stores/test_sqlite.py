"""SQLite: the contract, what a file may be, and what a hostile one can't do."""

import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pytest_django import Settings

from datastores.backends import Database, Table, open_store, store_class
from datastores.sources import Column
from studio.lib.problems import UserError

from .database_contract import DatabaseContract, Run, rows


@pytest.fixture
def file(home: Path) -> Path:
    folder = home / "workspaces" / "1" / "workspaceblobstore"
    folder.mkdir(parents=True)
    sqlite3.connect(folder / "shop.db").close()
    return folder / "shop.db"


@pytest.fixture
def run(file: Path) -> Run:
    def execute(*statements: str) -> None:
        connection = sqlite3.connect(file)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    execute("PRAGMA user_version = 1")
    return execute


def opened(path: str) -> Database:
    store = open_store("sqlite", {"path": path}, {})
    assert isinstance(store, Database)
    return store


@pytest.fixture
def database(file: Path, run: Run) -> Database:
    return opened("1/workspaceblobstore/shop.db")


def settled(path: str) -> str:
    store = store_class("sqlite")
    return str(
        store.settle(store.Config.model_validate({"path": path}), store.Secrets(), workspace_id=1, name="x").path
    )  # type: ignore[attr-defined]


COUNTING = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n {end}) "


class TestSqlite(DatabaseContract):
    endless = COUNTING.format(end="") + "SELECT count(*) FROM n"
    takes_brackets = False
    for_ever = COUNTING.format(end="") + "SELECT a, printf('%.200c', 'x') AS b FROM n"
    many = COUNTING.format(end="LIMIT {count}") + "SELECT a, printf('%.200c', 'x') AS b FROM n"
    writing: ClassVar = [
        "ATTACH '/etc/passwd' AS stolen",
        "PRAGMA writable_schema = ON",
        "VACUUM INTO '/tmp/studio-never.db'",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' REGEXP '(a+)+$'",
        "SELECT fts3_tokenizer('simple')",
        "SELECT zeroblob(1000000000)",
        "SELECT randomblob(1000000000)",
        "WITH a AS (SELECT 1) DELETE FROM sales",
        "WITH a AS (SELECT 1) INSERT INTO sales SELECT 1, 2, 3",
        "SELECT * FROM pragma_database_list",
    ]

    @pytest.fixture
    def database(self, file: Path, run: Run) -> Database:
        return opened("1/workspaceblobstore/shop.db")

    @pytest.fixture
    def run(self, run: Run) -> Run:
        return run


def test_types_are_told_by_the_rows(database: Database, run: Run) -> None:
    run(
        "CREATE TABLE t (i, f, mixed, s, b, big, empty, half)",
        "INSERT INTO t VALUES (1, 1.5, 1, 'a', x'00ff', 9223372036854775807, NULL, 1)",
        "INSERT INTO t VALUES (NULL, 2, 'x', NULL, NULL, 1, NULL, 1.5)",
    )
    assert database.columns("SELECT * FROM t") == [
        Column(name="i", type="integer"),
        Column(name="f", type="number"),
        Column(name="mixed", type="string"),
        Column(name="s", type="string"),
        Column(name="b", type="binary"),
        Column(name="big", type="integer"),
        Column(name="empty", type="string"),
        Column(name="half", type="number"),
    ]
    assert rows(database, "SELECT * FROM t")[1] == {
        **dict.fromkeys(["i", "s", "b", "empty"]),
        "f": 2.0,
        "mixed": "x",
        "big": 1,
        "half": 1.5,
    }


def test_a_late_value_of_another_type_is_said_with_its_column(database: Database, run: Run) -> None:
    run(
        "CREATE TABLE t (a INTEGER)",
        "INSERT INTO t WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n LIMIT 20000) SELECT a FROM n",
        "INSERT INTO t VALUES ('late')",
    )
    with pytest.raises(UserError, match=r"“a”.*CAST"):
        rows(database, "SELECT * FROM t")
    assert len(rows(database, "SELECT CAST(a AS TEXT) AS a FROM t")) == 20001


def test_text_that_is_no_text_is_shown(database: Database, run: Run) -> None:
    run("CREATE TABLE t (a)", "INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))")
    assert rows(database, "SELECT * FROM t") == [{"a": "a�"}]


def test_a_view_of_a_hostile_file_calls_nothing(database: Database, run: Run, tmp_path: Path) -> None:
    run(
        "CREATE TABLE t (a)",
        "CREATE VIEW v AS SELECT load_extension('/tmp/x') AS a",
        "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN DELETE FROM t; END",
    )
    with pytest.raises(UserError):
        rows(database, "SELECT * FROM v")
    with pytest.raises(UserError):
        database.columns_of(Table(schema=None, name="v"))


def test_a_file_that_is_being_written_is_read(file: Path, database: Database, run: Run) -> None:
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE t (a)")
    writer.execute("INSERT INTO t VALUES (1)")
    writer.commit()
    writer.execute("INSERT INTO t VALUES (2)")
    assert rows(database, "SELECT * FROM t") == [{"a": 1}]
    writer.rollback()
    writer.close()


def test_a_path_is_settled_below_the_workspaces_folder(file: Path, run: Run) -> None:
    assert settled("workspaceblobstore/shop.db") == "1/workspaceblobstore/shop.db"
    assert settled("1/workspaceblobstore/shop.db") == "1/workspaceblobstore/shop.db"


@pytest.mark.parametrize("path", ["../2/x.db", "a/../../2/x.db", "/etc/passwd", "a\0b", "", "workspaceblobstore"])
def test_no_path_leaves_the_workspace(home: Path, file: Path, path: str) -> None:
    other = home / "workspaces" / "2"
    other.mkdir()
    sqlite3.connect(other / "x.db").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(UserError) as caught:
        settled(path)
    assert caught.value.problems[0].loc == ("config", "path")


def test_no_link_leaves_the_workspace(home: Path, file: Path) -> None:
    other = home / "workspaces" / "2"
    other.mkdir()
    sqlite3.connect(other / "x.db").execute("CREATE TABLE t (a)").connection.close()
    (file.parent / "link.db").symlink_to(other / "x.db")
    for attempt in (lambda: settled("workspaceblobstore/link.db"), lambda: opened("1/workspaceblobstore/link.db")):
        with pytest.raises(UserError):
            attempt()


def test_a_file_elsewhere_needs_an_administrator(tmp_path: Path, home: Path, settings: Settings) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    sqlite3.connect(outside / "x.db").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(UserError, match="STUDIO_LOCAL_DATASTORE_ROOTS"):
        settled(str(outside / "x.db"))
    settings.LOCAL_DATASTORE_ROOTS = [outside]
    assert settled(str(outside / "x.db")) == str(outside / "x.db")
    opened(str(outside / "x.db")).test()
    settings.LOCAL_DATASTORE_ROOTS = [home.parent]
    with pytest.raises(UserError, match="private"):
        settled(str(home / "studio.sqlite3"))


def _damaged(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 1000)
    connection.commit()
    connection.close()
    file.write_bytes(file.read_bytes()[:300] + b"\xff" * 8000)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda file: file.unlink(), "no file"),
        (lambda file: (file.unlink(), file.mkdir()), "folder"),
        (lambda file: file.write_bytes(b"no database at all" * 100), "not a SQLite database"),
        (_damaged, "damaged|not a SQLite"),
    ],
)
def test_what_is_no_database_says_so(file: Path, run: Run, spoil: Any, sentence: str) -> None:
    store = opened("1/workspaceblobstore/shop.db")
    spoil(file)
    with pytest.raises(UserError, match=sentence) as caught:
        store.test()
    assert caught.value.problems[0].loc == ("config", "path")

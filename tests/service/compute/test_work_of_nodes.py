"""The programs of nodes' own work, called as their process calls them: on real databases and real folders."""

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_django import Settings

from compute.execution.reasons import StepFailure
from compute.work import sql, transfer
from compute.work.order import Order, Report, Source, Stop, Target
from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import DataPath, QuerySource, TabularDefinition
from datastores.tabular.stores import specs_of
from studio.lib.problems import UserError
from tests.support.compute import Compute
from tests.support.servers.mariadb import MariaDb
from tests.support.servers.postgresql import PostgreSql

pytestmark = pytest.mark.django_db

SALES = b'id,name,day,price\n1,ann,2026-01-02,1.5\n2,"bo, b",2026-01-03,\n3,,2026-01-04,2.25\n'


@pytest.fixture
def compute(settings: Settings, tmp_path: Path) -> Compute:
    settings.STUDIO_HOME = tmp_path
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    return Compute()


@pytest.fixture
def files(compute: Compute) -> Datastore:
    return compute.datastore("files")


def sqlite_file(compute: Compute, tmp_path: Path, *, allow_writes: bool) -> Datastore:
    file = tmp_path / "workspaces" / str(compute.workspace.pk) / "files" / "shop.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    sqlite3.connect(file).close()
    path = f"{compute.workspace.pk}/files/shop.sqlite"
    return compute.store("shop", "sqlite", {"path": path, "allow_writes": allow_writes}, {})


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def make_shop(request: pytest.FixtureRequest, compute: Compute, tmp_path: Path) -> Callable[..., Datastore]:
    """A fresh database of each kind."""

    def make(*, allow_writes: bool = True) -> Datastore:
        if request.param == "sqlite":
            return sqlite_file(compute, tmp_path, allow_writes=allow_writes)
        server: PostgreSql | MariaDb
        if request.param == "postgresql":
            server = request.getfixturevalue("postgresql_server")
            server.run("DROP SCHEMA IF EXISTS public CASCADE", f"CREATE SCHEMA public AUTHORIZATION {server.user}")
        else:
            server = request.getfixturevalue("mariadb_server")
            server.run(
                f"DROP DATABASE IF EXISTS {server.database}", f"CREATE DATABASE {server.database}", database="mysql"
            )
        config = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
        secrets = {"password": server.password}
        return compute.store("shop", request.param, {**config, "allow_writes": allow_writes}, secrets)

    return make


class Said(Order):
    """Keeps what it says."""

    def say(self, text: str) -> None:
        self.lines.append(text)

    @property
    def lines(self) -> list[str]:
        return self.__dict__.setdefault("_lines", [])  # type: ignore[no-any-return]


def order(folder: Path, *stores: Datastore, **values: Any) -> Said:
    given: dict[str, Any] = {"settings": {}, "datastores": {}, "inputs": {}, "outputs": {}, **values}
    folder.mkdir(exist_ok=True, parents=True)
    for old in folder.iterdir():
        old.unlink()
    return Said(specs=specs_of(stores), folder=folder, stop=Stop(), **given)


def ask(tmp_path: Path, shop: Datastore, statements: str, *more: Datastore, **values: Any) -> Report:
    settings = {
        "statements": statements,
        "values": values.pop("given", {}),
        "reads_only": values.pop("reads_only", True),
    }
    return sql.work(order(tmp_path / "o", shop, *more, settings=settings, datastores={"database": shop.pk}, **values))


def move(tmp_path: Path, *stores: Datastore, attempt: int = 1, **settings: Any) -> tuple[Report, list[str]]:
    source = settings.pop("source")
    said = order(
        tmp_path / "o",
        *stores,
        settings={"existing": "fail", "format": "", "table": "", **settings},
        inputs={"data": source},
        outputs={} if "table" in settings else {"copy": settings.pop("target")},
        datastores={"database": stores[-1].pk} if "table" in settings else {},
        attempt=attempt,
    )
    return transfer.work(said), said.lines


def at(store: Datastore, path: str) -> Source:
    return Source(paths=[DataPath(datastore_id=store.pk, path=path)])


def to(store: Datastore, path: str, **more: Any) -> Target:
    return Target(datastore_id=store.pk, path=path, notes=f"runs/1/move/notes/{path}", **more)


def put(store: Datastore, path: str, content: bytes) -> None:
    get_backend(store).write(path, io.BytesIO(content))


def read(store: Datastore, path: str) -> bytes:
    with get_backend(store).open_read(path) as stream:
        return stream.read()


def paths(store: Datastore, folder: str) -> list[str]:
    return [entry.path for entry in get_backend(store).glob(folder)]


def test_statements_with_values_write_and_answer(
    tmp_path: Path, make_shop: Callable[..., Datastore], files: Datastore
) -> None:
    shop = make_shop()
    nasty = "o'hara\\'; DROP TABLE t; -- %s 100%"
    statements = """
        CREATE TABLE t (id integer, name varchar(100), price double precision);  -- one; comment
        INSERT INTO t VALUES (1, ${{parameters.name}}, ${{ parameters.price }}), (2, 'a;b''%', ${{parameters.none}});
        SELECT * FROM t WHERE id <= ${{parameters.most}} ORDER BY id
    """
    given = {"name": nasty, "price": 1.5, "none": None, "most": 2}
    report = ask(tmp_path, shop, statements, files, given=given, reads_only=False, outputs={"rows": to(files, "rows")})
    table = pq.read_table(io.BytesIO(read(files, "rows/part-00000.parquet")))
    assert table.to_pylist() == [
        {"id": 1, "name": nasty, "price": 1.5},
        {"id": 2, "name": "a;b'%", "price": None},
    ]
    assert report.outputs["rows"].file_count == 1
    assert ask(tmp_path, shop, "SELECT count(*) FROM t").outputs == {}


def test_all_of_it_or_nothing(tmp_path: Path, make_shop: Callable[..., Datastore]) -> None:
    shop = make_shop()
    ask(tmp_path, shop, "CREATE TABLE t (id integer)", reads_only=False)
    with pytest.raises(UserError, match=r"Line 3: "):
        ask(tmp_path, shop, "INSERT INTO t VALUES (1);\n\nINSERT INTO nowhere VALUES (1)", reads_only=False)
    with pytest.raises(UserError, match="COMMIT has no place here"):
        ask(tmp_path, shop, "INSERT INTO t VALUES (1); COMMIT; SELECT nothing", reads_only=False)
    assert rows(tmp_path, shop, "SELECT count(*) FROM t") == [(0,)]


def rows(tmp_path: Path, shop: Datastore, query: str) -> list[tuple[Any, ...]]:
    from datastores.backends import get_database

    return [tuple(row.values()) for batch in get_database(shop).batches(query) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE t (id integer)", "WITH a AS (SELECT 1) SELECT 1; DROP TABLE t", "SET x = 1"]
)
def test_what_only_reads_can_not_write(tmp_path: Path, make_shop: Callable[..., Datastore], statement: str) -> None:
    with pytest.raises(UserError, match="Line 1: Only a query that reads"):
        ask(tmp_path, make_shop(), statement)


def test_nothing_is_written_where_no_owner_allowed_it(
    tmp_path: Path, make_shop: Callable[..., Datastore], files: Datastore
) -> None:
    shop = make_shop(allow_writes=False)
    with pytest.raises(UserError, match="does not allow steps to write"):
        ask(tmp_path, shop, "CREATE TABLE t (id integer)", reads_only=False)
    put(files, "in/sales.csv", SALES)
    with pytest.raises(UserError, match="does not allow steps to write"):
        move(tmp_path, files, shop, source=at(files, "in"), table="sales")


def test_files_to_a_table_and_back(tmp_path: Path, make_shop: Callable[..., Datastore], files: Datastore) -> None:
    shop = make_shop()
    put(files, "in/sales.csv", SALES)
    move(tmp_path, files, shop, source=at(files, "in"), table="sales")
    with pytest.raises(UserError, match="There is a table “sales” already"):
        move(tmp_path, files, shop, source=at(files, "in"), table="sales")
    _, said = move(tmp_path, files, shop, source=at(files, "in"), table="sales", existing="replace")
    assert said[-1] == "3 rows are in the table “sales”, as many as were read."
    query = "SELECT id, name, price FROM sales ORDER BY id"
    assert rows(tmp_path, shop, query) == [(1, "ann", 1.5), (2, "bo, b", None), (3, None, 2.25)]
    from datastores.backends import get_database

    columns = get_database(shop).columns(query)
    source = Source(table=TabularDefinition(source=QuerySource(datastore_id=shop.pk, query=query), columns=columns))
    for row_format, name in (("", "parquet"), ("csv", "csv"), ("json_lines", "jsonl")):
        move(tmp_path, shop, files, source=source, target=to(files, f"out-{name}"), format=row_format)
        assert paths(files, f"out-{name}") == [f"out-{name}/part-00000.{name}"]
    assert pq.read_table(io.BytesIO(read(files, "out-parquet/part-00000.parquet"))).num_rows == 3
    assert b'{"id": 2, "name": "bo, b", "price": null}\n' in read(files, "out-jsonl/part-00000.jsonl")
    assert read(files, "out-csv/part-00000.csv").splitlines()[1] == b'1,"ann",1.5'


def test_a_table_is_whole_or_as_it_was(tmp_path: Path, make_shop: Callable[..., Datastore], files: Datastore) -> None:
    shop = make_shop()
    ask(tmp_path, shop, "CREATE TABLE sales (id integer, name varchar(3) NOT NULL)", reads_only=False)
    ask(tmp_path, shop, "INSERT INTO sales VALUES (7, 'old')", reads_only=False)
    put(files, "in/sales.csv", b"id,name\n1,ann\n2,\n")
    with pytest.raises(UserError):
        move(tmp_path, files, shop, source=at(files, "in"), table="sales", existing="replace")
    assert rows(tmp_path, shop, "SELECT id, name FROM sales") == [(7, "old")]


def test_what_is_at_the_destination_already(tmp_path: Path, compute: Compute, files: Datastore) -> None:
    away = compute.datastore("away")
    for name, content in {"a": b"one", "deep/b": b"two", "c": b"three"}.items():
        put(files, f"in/{name}", content)
    put(away, "to/c", b"other")
    put(away, "to/stays", b"x")
    with pytest.raises(StepFailure, match="There is something at the destination already"):
        move(tmp_path, files, away, source=at(files, "in"), target=to(away, "to"))
    assert read(away, "to/c") == b"other"
    first, _ = move(tmp_path, files, away, source=at(files, "in"), target=to(away, "to"), existing="replace")
    assert (read(away, "to/c"), read(away, "to/deep/b"), read(away, "to/stays")) == (b"three", b"two", b"x")
    put(away, "to/a", b"uno")
    again, said = move(tmp_path, files, away, source=at(files, "in"), target=to(away, "to"), existing="skip")
    assert said[0] == "2 files were there already with the same SHA-256, and left as they were."
    assert read(away, "to/a") == b"one"
    assert again == first
    with pytest.raises(StepFailure, match=r"is the one file “x\.bin”, and the input has several"):
        move(tmp_path, files, away, source=at(files, "in"), target=to(away, "one", file="x.bin"))
    move(tmp_path, files, away, source=at(files, "in/*"), target=to(away, "some"))
    assert paths(away, "some") == ["some/a", "some/c"]


def test_a_further_attempt_moves_what_has_not_arrived(
    tmp_path: Path, compute: Compute, files: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = compute.datastore("away")
    for number in range(6):
        put(files, f"in/{number}", bytes([number]) * 1000)
    target = to(away, "to", is_own=True)
    from compute.work import copying

    sent = copying.send
    paths_sent: list[str] = []

    def breaking(backend: Any, path: str, *rest: Any, **more: Any) -> Any:
        paths_sent.append(path)
        if path == "to/4":
            raise StepFailure("The disk is full.")
        return sent(backend, path, *rest, **more)

    monkeypatch.setattr(copying, "send", breaking)
    monkeypatch.setattr(copying, "WORKERS", 1)
    with pytest.raises(StepFailure, match="disk is full"):
        move(tmp_path, files, away, source=at(files, "in"), target=target)
    paths_sent.clear()
    put(files, "in/1", b"changed")
    get_backend(files).delete("in/2")
    monkeypatch.setattr(copying, "send", lambda *all_, **more: (paths_sent.append(all_[1]), sent(*all_, **more))[1])
    report, said = move(tmp_path, files, away, source=at(files, "in"), target=target, attempt=2)
    assert {"to/1", "to/4"} <= set(paths_sent) <= {"to/1", "to/4", "to/5"}, "5 may have been under way"
    assert report.outputs["copy"].file_count == 5
    assert paths(away, "to") == [f"to/{number}" for number in (0, 1, 3, 4, 5)], "and what is gone from the input went"
    assert not paths(away, target.notes)
    assert any("that an earlier attempt had brought" in line for line in said)


def test_a_damaged_arrival_is_no_arrival(
    tmp_path: Path, compute: Compute, files: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = compute.datastore("away")
    put(files, "in/a", b"content")
    from datastores.backends.local import LocalFolder

    write = LocalFolder.write

    def damaging(self: LocalFolder, path: str, stream: Any) -> Any:
        return write(self, path, io.BytesIO(stream.read()[::-1]) if path == "to/a" else stream)

    monkeypatch.setattr(LocalFolder, "write", damaging)
    with pytest.raises(StepFailure, match="its size or its SHA-256 differs"):
        move(tmp_path, files, away, source=at(files, "in"), target=to(away, "to"))


def test_no_rows_and_many_parts(
    tmp_path: Path, make_shop: Callable[..., Datastore], files: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop()
    monkeypatch.setattr("compute.work.row_files.PART_BYTES", 1)
    monkeypatch.setattr("compute.work.row_files.GROUP_BYTES", 1)
    many = " UNION ALL ".join(f"SELECT {number} AS a" for number in range(100))
    ask(tmp_path, shop, many, files, outputs={"rows": to(files, "rows")})
    parts = paths(files, "rows")
    assert len(parts) > 1
    assert pa.concat_tables(pq.read_table(io.BytesIO(read(files, part))) for part in parts).num_rows == 100
    ask(tmp_path, shop, "SELECT 1 AS a WHERE 1 = 0", files, outputs={"rows": to(files, "rows")})
    assert paths(files, "rows") == ["rows/part-00000.parquet"], "nothing stays of what was more"
    assert pq.read_table(io.BytesIO(read(files, "rows/part-00000.parquet"))).column_names == ["a"]


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '{folder}/other.sqlite' AS other",
        "VACUUM INTO '{folder}/other.sqlite'",
        "PRAGMA writable_schema = ON",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "INSERT INTO t SELECT load_extension('{folder}/x.so')",
    ],
)
def test_a_file_of_sqlite_opens_no_other(tmp_path: Path, compute: Compute, statement: str) -> None:
    shop = sqlite_file(compute, tmp_path, allow_writes=True)
    ask(tmp_path, shop, "CREATE TABLE t (a)", reads_only=False)
    with pytest.raises(UserError, match=r"^Line 1: "):
        ask(tmp_path, shop, statement.format(folder=tmp_path), reads_only=False)
    assert not (tmp_path / "other.sqlite").exists()


def test_a_private_address_stays_refused(tmp_path: Path, compute: Compute, settings: Settings) -> None:
    settings.PRIVATE_HOSTS = []
    config = {"host": "127.0.0.1", "port": 1, "database": "shop", "user": "u"}
    shop = compute.store("shop", "postgresql", config, {"password": "p"})
    with pytest.raises(UserError, match="STUDIO_PRIVATE_HOSTS"):
        ask(tmp_path, shop, "SELECT 1")

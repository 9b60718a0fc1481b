"""All rows of tables: transformed, in their order, from files and from databases, and as Parquet for a step."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pytest_django import Settings

from datastores.models import Datastore
from datastores.sources import (
    Column,
    Condition,
    DataPath,
    DelimitedFormat,
    Filter,
    KeepColumns,
    ParquetFormat,
    PartitionBy,
    QuerySource,
    Sample,
    Split,
    TabularDefinition,
    Take,
)
from datastores.tabular import inference, reading, writing
from datastores.tabular.inference import FilesDraft
from studio.lib.problems import UserError
from studio.lib.secrets import Sealed
from studio.workspaces.models import Workspace
from tests.service.datastores.tabular.conftest import Look, Put, Table, types
from tests.support.servers.postgresql import PostgreSql
from tests.support.servers.s3 import S3Server


def rows(definition: TabularDefinition, workspace: Workspace) -> pa.Table:
    return pa.Table.from_batches(reading.batches(definition, workspace_id=workspace.pk))


@pytest.fixture
def numbers(put: Put, table: Table) -> Table:
    """Three files of a thousand numbers each, `n/0.csv` to `n/2.csv`."""
    for part in range(3):
        put(f"n/{part}.csv", content=b"x\n" + b"".join(b"%d\n" % i for i in range(1000 * part, 1000 * part + 1000)))
    return lambda *steps: table("n/*.csv", transformations=list(steps), x="integer")


def test_rows_come_in_the_order_of_the_files(workspace: Workspace, numbers: Table) -> None:
    assert rows(numbers(), workspace)["x"].to_pylist() == list(range(3000))
    assert rows(numbers(Take(count=1005)), workspace)["x"].to_pylist() == list(range(1005))


def test_the_same_rows_are_drawn_each_time(workspace: Workspace, numbers: Table) -> None:
    drawn = rows(numbers(Sample(fraction=0.1, seed=4)), workspace)["x"].to_pylist()
    assert 200 < len(drawn) < 400
    assert rows(numbers(Sample(fraction=0.1, seed=4)), workspace)["x"].to_pylist() == drawn
    parts = [rows(numbers(Split(fraction=0.7, seed=4, part=part)), workspace) for part in ("first", "second")]
    one, other = (part["x"].to_pylist() for part in parts)
    assert sorted(one + other) == list(range(3000))
    assert 1900 < len(one) < 2300


def test_every_type_and_encoding(workspace: Workspace, put: Put, look: Look) -> None:
    text = "i;ü;d;ts;b;zip\n1;1.5;2026-01-31;2026-01-31T12:00:00+02:00;true;007\n;;;;;\n"
    put("a.csv.gz", content=gzip.compress(text.encode("cp1252")))
    found = rows(look("a.csv.gz", given={"zip": "string"}).definition, workspace)
    assert [str(kind) for kind in found.schema.types] == [
        "int64", "double", "date32[day]", "timestamp[us]", "bool", "string",
    ]  # fmt: skip
    assert str(found["ts"][0]) == "2026-01-31 10:00:00"
    assert found.slice(1).to_pylist() == [dict.fromkeys(found.column_names)]


def test_columns_in_paths(workspace: Workspace, put: Put, look: Look) -> None:
    put("t/2025/01/a.csv", content=b"x\n1\n")
    put("t/2026/02/b'.csv", content=b"x\n2\n")
    found = rows(look("t", partition_format="{when:yyyy/MM}/{grid}.csv").definition, workspace)
    assert [(row["x"], row["when"].year, row["grid"]) for row in found.to_pylist()] == [(1, 2025, "a"), (2, 2026, "b'")]


def test_a_file_whose_name_is_a_pattern_or_an_option(workspace: Workspace, put: Put, table: Table) -> None:
    put("[a]'b;--.csv", content=b"x\n1\n")
    assert rows(table("[a]'b;--.csv", x="integer"), workspace)["x"].to_pylist() == [1]


def test_a_link_out_of_the_datastore_is_not_followed(
    workspace: Workspace, datastore: Datastore, put: Put, table: Table, tmp_path: Path
) -> None:
    from datastores.backends import get_backend

    (tmp_path / "private.csv").write_text("x\n1\n")
    put("a.csv", content=b"x\n2\n")
    root = get_backend(datastore).local_path("")
    assert root is not None
    (root / "link.csv").symlink_to(tmp_path / "private.csv")
    with pytest.raises(UserError):
        rows(table("link.csv", x="integer"), workspace)
    assert rows(table("*.csv", x="integer"), workspace)["x"].to_pylist() == [2]


def test_as_parquet(workspace: Workspace, numbers: Table, tmp_path: Path) -> None:
    told: list[tuple[float | None, str]] = []
    folder = tmp_path / "out"
    count = writing.write_parquet(
        numbers(), folder, workspace_id=workspace.pk, progress=lambda *said: told.append(said)
    )
    assert count == 3000
    assert pq.read_table(folder)["x"].to_pylist() == list(range(3000))
    none = Filter(conditions=[Condition(column="x", operator="<", value="0")])
    assert writing.write_parquet(numbers(none), tmp_path / "none", workspace_id=workspace.pk) == 0
    assert pq.read_table(tmp_path / "none").schema.names == ["x"]


def test_a_folder_for_each_key(workspace: Workspace, put: Put, table: Table, tmp_path: Path) -> None:
    hostile = ["../../etc", "a/b", "a=b", "ü ", "%2F", "."]
    put("a.csv", content=("k,x\n" + "".join(f"{key},{i}\n" for i, key in enumerate(hostile)) + ",9\n").encode())
    definition = table("a.csv", transformations=[PartitionBy(keys=["k"])], k="string", x="integer")
    folder = tmp_path / "deep" / "out"
    assert writing.write_parquet(definition, folder, workspace_id=workspace.pk) == 7
    assert {path.relative_to(folder).parts[0].partition("=")[0] for path in folder.rglob("*.parquet")} == {"k"}
    assert all(len(path.relative_to(folder).parts) == 2 for path in folder.rglob("*.parquet"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"deep", *_beside(tmp_path)})
    back = ds.dataset(
        folder, format="parquet", partitioning=ds.partitioning(pa.schema([("k", "string")]), flavor="hive")
    )
    found = {row["x"]: row["k"] for row in back.to_table().to_pylist()}
    assert found == {**dict(enumerate(hostile)), 9: None}


def _beside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name in {"home", "workers"}}


def test_too_many_folders(workspace: Workspace, put: Put, table: Table, tmp_path: Path) -> None:
    put("a.csv", content=b"k,x\n" + b"".join(b"%d,1\n" % i for i in range(1500)))
    definition = table("a.csv", transformations=[PartitionBy(keys=["k"])], k="string", x="integer")
    with pytest.raises(UserError, match=r"Parting by “k” makes more than 1,000 folders"):
        writing.write_parquet(definition, tmp_path / "out", workspace_id=workspace.pk)


def test_parquet_keeps_its_own_types(workspace: Workspace, datastore: Datastore, look: Look, put: Put) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"f": pa.array([1.5], "float32"), "l": [[1, 2]], "u": pa.array([2**63], "uint64")}), sink)
    put("a.parquet", content=sink.getvalue().to_pybytes())
    seen = look("a.parquet").definition
    assert types(seen) == {"f": "number", "l": "other", "u": "integer"}
    assert [str(kind) for kind in rows(seen, workspace).schema.types] == [
        "float",
        "list<l: int64>",
        "uint64",
    ]
    assert rows(seen, workspace).to_pylist() == [{"f": 1.5, "l": [1, 2], "u": 2**63}]
    with pytest.raises(UserError, match="has other columns than this version"):
        rows(seen.model_copy(update={"columns": [Column(name="q", type="integer")]}), workspace)
    assert isinstance(seen.source.format, ParquetFormat)


@pytest.fixture
def shop(workspace: Workspace, postgresql_server: PostgreSql, settings: Settings) -> Datastore:
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    server = postgresql_server
    server.run(
        "DROP SCHEMA IF EXISTS public CASCADE",
        f"CREATE SCHEMA public AUTHORIZATION {server.user}",
        f"GRANT ALL ON SCHEMA public TO {server.user}",
    )
    server.run(
        "CREATE TABLE sales AS SELECT i AS id, i / 2.0 AS price, 'p' || i AS name, now() AS at "
        "FROM generate_series(1, 3000) i",
        user=server.user,
    )
    return Datastore.objects.create(
        workspace=workspace,
        name="shop",
        kind="postgresql",
        config={
            "host": server.host,
            "port": server.port,
            "database": server.database,
            "user": server.user,
            "tls": "off",
        },
        credentials=Sealed.seal({"password": server.password}),
    )


def query(datastore: Datastore, text: str, **more: object) -> TabularDefinition:
    source = QuerySource(datastore_id=datastore.pk, query=text, **more)
    return inference.infer(source, workspace_id=datastore.workspace_id)


def test_a_query(workspace: Workspace, shop: Datastore, tmp_path: Path) -> None:
    seen = query(shop, "SELECT id, price, name, at FROM sales ORDER BY id")
    assert types(seen) == {"id": "integer", "price": "number", "name": "string", "at": "timestamp"}
    shown = reading.preview(seen, workspace_id=workspace.pk, rows=2)
    assert [row[:3] for row in shown.rows] == [["1", "0.5", "p1"], ["2", "1", "p2"]]
    assert shown.is_cut
    wanted = [Filter(conditions=[Condition(column="id", operator=">", value="2990")]), KeepColumns(columns=["name"])]
    few = seen.model_copy(update={"transformations": wanted})
    assert rows(few, workspace)["name"].to_pylist() == [f"p{i}" for i in range(2991, 3001)]
    assert writing.write_parquet(seen, tmp_path / "out", workspace_id=workspace.pk) == 3000
    assert pq.read_table(tmp_path / "out")["id"].to_pylist() == list(range(1, 3001))
    one, other = (
        rows(seen.model_copy(update={"transformations": [Split(fraction=0.5, part=part)]}), workspace)["id"].to_pylist()
        for part in ("first", "second")
    )
    assert sorted(one + other) == list(range(1, 3001))


def test_a_query_without_rows(workspace: Workspace, shop: Datastore, tmp_path: Path) -> None:
    seen = query(shop, "SELECT id, name FROM sales WHERE false")
    assert reading.preview(seen, workspace_id=workspace.pk).rows == []
    assert writing.write_parquet(seen, tmp_path / "out", workspace_id=workspace.pk) == 0
    assert pq.read_table(tmp_path / "out").column_names == ["id", "name"]


@pytest.mark.parametrize(
    "text", ["DELETE FROM sales", "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone"]
)
def test_a_query_that_writes(shop: Datastore, postgresql_server: PostgreSql, text: str) -> None:
    with pytest.raises(UserError):
        query(shop, text)
    assert postgresql_server.run("SELECT count(*) FROM public.sales") == [(3000,)]


def test_a_query_that_never_ends(workspace: Workspace, shop: Datastore, postgresql_server: PostgreSql) -> None:
    endless = TabularDefinition(
        source=QuerySource(datastore_id=shop.pk, query="SELECT pg_sleep(3600)::text AS x", timeout_s=1.0),
        columns=[Column(name="x", type="string")],
    )
    with pytest.raises(UserError, match=r"too long|longer than"):
        rows(endless, workspace)
    with pytest.raises(UserError, match=r"too long|longer than"):
        reading.preview(endless, workspace_id=workspace.pk, deadline_s=3)


def test_a_query_whose_columns_changed(workspace: Workspace, shop: Datastore, postgresql_server: PostgreSql) -> None:
    seen = query(shop, "SELECT * FROM sales")
    postgresql_server.run("ALTER TABLE public.sales DROP COLUMN name")
    with pytest.raises(UserError, match=r"The query has other columns .* lacks “name”"):
        rows(seen, workspace)


@pytest.fixture
def bucket(workspace: Workspace, s3_server: S3Server, loopback_admitted: None) -> Datastore:
    return Datastore.objects.create(
        workspace=workspace,
        name="bucket",
        kind="s3",
        config={**s3_server.config, "bucket": s3_server.make_bucket()},
        credentials=Sealed.seal(s3_server.secrets),
    )


def test_files_in_a_bucket(workspace: Workspace, s3_server: S3Server, bucket: Datastore, tmp_path: Path) -> None:
    folder = s3_server.folder / bucket.config["bucket"]
    (folder / "t").mkdir()
    (folder / "t" / "a.csv").write_text("x;y\n" + "".join(f"{i};ü\n" for i in range(200_000)))
    (folder / "t" / "b.csv").write_text("x;y\n-1;z\n")
    pq.write_table(pa.table({"a": list(range(100_000))}), folder / "p.parquet")
    draft = FilesDraft(paths=[DataPath(datastore_id=bucket.pk, path="t/*.csv")])
    seen = inference.infer(draft, workspace_id=workspace.pk)
    assert isinstance(seen.source.format, DelimitedFormat)
    assert reading.preview(seen, workspace_id=workspace.pk, rows=1).rows == [["0", "ü"]]
    assert writing.write_parquet(seen, tmp_path / "out", workspace_id=workspace.pk) == 200_001
    assert reading.preview_file(bucket, "p.parquet", rows=2).rows == [["0"], ["1"]]
    (folder / "t" / "b.csv").write_text("x;y\nno;z\n")
    with pytest.raises(UserError, match=r"“t/b.csv”, line 2, column “x”: “no”"):
        rows(seen, workspace)


def test_a_removed_datastore_is_named(workspace: Workspace, bucket: Datastore) -> None:
    from django.utils import timezone

    draft = FilesDraft(paths=[DataPath(datastore_id=bucket.pk, path="a.csv")])
    Datastore.objects.filter(pk=bucket.pk).update(removed_at=timezone.now())
    with pytest.raises(UserError, match="Datastore “bucket” has been removed"):
        inference.infer(draft, workspace_id=workspace.pk)

"""Whatever people bring, it ends in a sentence that says what to do, and nothing else breaks."""

import gzip
import io
import json
import os
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import JsonLinesFormat, ParquetFormat
from datastores.tabular import reading, writing
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace
from tests.service.datastores.tabular.conftest import Look, Put, Table, types


def test_ragged_rows(workspace: Workspace, datastore: Datastore, put: Put, look: Look, table: Table) -> None:
    put("a.csv", content=b"x,y\n1,2\n3\n4,5\n")
    with pytest.raises(UserError, match=r"“a.csv”, line 3 has 1 cell instead of 2"):
        look("a.csv")
    with pytest.raises(UserError, match=r"“a.csv”, line 3 has 1 cell instead of 2"):
        list(reading.batches(table("a.csv", x="integer", y="integer"), workspace_id=workspace.pk))
    seen = reading.preview_file(datastore, "a.csv")  # to look at, it is cut nevertheless
    assert seen.rows == [["1", "2"], ["3", None], ["4", "5"]]
    assert "line 3" in seen.notes[0]


def test_a_cell_that_no_longer_fits(workspace: Workspace, put: Put, table: Table) -> None:
    put("a.csv", content=b"x,y\n1,2\n")
    put("b.csv", content=b"x,y\n1,2\n3," + b"long" * 100 + b"\n")
    said = r"“b.csv”, line 3, column “y”: “(long){20}…” is not a whole number\. .*make a new version"
    with pytest.raises(UserError, match=said):
        list(reading.batches(table("*.csv", x="integer", y="integer"), workspace_id=workspace.pk))


def test_a_timestamp_that_no_longer_fits(workspace: Workspace, put: Put, table: Table) -> None:
    put("t/a.csv", content=b"x,t\n1,2026-01-01\n2,2026-01-01 10:00:00\n")
    put("t/b.csv", content=b"x,t\n1,2026-01-01T10:00:00+02:00\n2,tomorrow\n")
    with pytest.raises(UserError, match=r"“t/b.csv”, row 2, column “t”: “tomorrow” is not a timestamp"):
        list(reading.batches(table("t", x="integer", t="timestamp"), workspace_id=workspace.pk))


def test_a_header_that_changed(workspace: Workspace, put: Put, table: Table) -> None:
    put("a.csv", content=b"x,z\n1,2\n")
    with pytest.raises(UserError, match=r"“a.csv” has other columns than this version of the dataset: it lacks “y”"):
        list(reading.batches(table("a.csv", x="integer", y="integer"), workspace_id=workspace.pk))


def test_utf_16(workspace: Workspace, put: Put, look: Look) -> None:
    put("a.csv", content="x,y\n1,é\n2,\U0001f600\n".encode("utf-16"))
    seen = look("a.csv").definition
    assert pa.Table.from_batches(reading.batches(seen, workspace_id=workspace.pk)).to_pydict() == {
        "x": [1, 2],
        "y": ["é", "\U0001f600"],
    }


def test_the_wrong_encoding(workspace: Workspace, put: Put, look: Look, table: Table) -> None:
    put("a.csv", content="x,y\n1,é\n".encode("cp1252"))
    with pytest.raises(UserError, match="not written in utf-8"):
        look("a.csv", encoding="utf-8")
    with pytest.raises(UserError, match=r"“a.csv” is not written in utf-8"):
        list(reading.batches(table("a.csv", x="integer", y="string"), workspace_id=workspace.pk))
    with pytest.raises(UserError, match="no encoding “klingon”"):
        look("a.csv", encoding="klingon")


def test_a_nul_byte(datastore: Datastore, put: Put, look: Look) -> None:
    put("a.csv", content=b"x,y\n1,a\n2,b\0c\n")
    with pytest.raises(UserError, match="line 3 holds a NUL byte"):
        look("a.csv")
    with pytest.raises(UserError, match="line 3 holds a NUL byte"):
        reading.preview_file(datastore, "a.csv")


def test_ten_thousand_columns(workspace: Workspace, datastore: Datastore, put: Put, look: Look, tmp_path: Path) -> None:
    header = ",".join(f"c{i}" for i in range(10_000))
    row = ",".join("1" for _ in range(10_000))
    put("a.csv", content=f"{header}\n{row}\n{row}\n".encode())
    seen = look("a.csv").definition
    assert len(seen.columns) == 10_000
    shown = reading.preview(seen, workspace_id=workspace.pk)
    assert "1,000 of 10,000 columns" in shown.notes[0]
    assert writing.write_parquet(seen, tmp_path / "out", workspace_id=workspace.pk) == 2
    assert len(pq.read_table(tmp_path / "out").column_names) == 10_000


def test_a_quote_that_never_closes(workspace: Workspace, datastore: Datastore, put: Put, look: Look) -> None:
    put("a.csv", content=b'x,y\n1,"open\n' + b"2,b\n" * 100)
    with pytest.raises(UserError, match="line 2: a quotation mark opens there and is never closed"):
        look("a.csv")
    put("b.csv", content=b'x,y\n1,"open\n' + b"2,b\n" * 5_000_000)
    with pytest.raises(UserError, match=r"longer than .*Is a quotation mark left open"):
        look("b.csv")
    with pytest.raises(UserError, match=r"longer than .*Is a quotation mark left open"):
        reading.preview_file(datastore, "b.csv")


@pytest.mark.parametrize("filling", [b"\0", b"x"])
def test_four_gigabytes_on_one_line(  # noqa: PLR0917 (fixtures)
    workspace: Workspace, datastore: Datastore, put: Put, look: Look, table: Table, filling: bytes
) -> None:
    put("a.csv", content=b"x,y\n" + filling * 20_000_000)
    place = get_backend(datastore).local_path("a.csv")
    assert place is not None
    os.truncate(place, 4 * 1024**3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for attempt in (
        lambda: look("a.csv"),
        lambda: reading.preview_file(datastore, "a.csv"),
        lambda: list(reading.batches(table("a.csv", x="string", y="string"), workspace_id=workspace.pk)),
    ):
        with pytest.raises(UserError, match=r"longer than|NUL byte"):
            attempt()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_parquet_file_cut_in_half(
    workspace: Workspace, datastore: Datastore, put: Put, look: Look, table: Table
) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": list(range(10_000))}), sink)
    whole = sink.getvalue()
    put("a.parquet", content=whole[: len(whole) // 2])
    put("b.parquet", content=whole[:100] + b"\xff" * 200 + whole[300:])
    for attempt in (
        lambda: look("a.parquet"),
        lambda: reading.preview_file(datastore, "a.parquet"),
        lambda: list(reading.batches(table("a.parquet", form=ParquetFormat(), x="integer"), workspace_id=workspace.pk)),
    ):
        with pytest.raises(UserError, match=r"“a.parquet” is not a whole Parquet file"):
            attempt()
    with pytest.raises(UserError, match=r"“b.parquet” is not a whole Parquet file"):
        list(reading.batches(table("b.parquet", form=ParquetFormat(), x="integer"), workspace_id=workspace.pk))


def test_no_files(workspace: Workspace, put: Put, look: Look, table: Table) -> None:
    with pytest.raises(UserError, match=r"No file is there: “\*\.csv” matches none") as refused:
        look("*.csv")
    assert refused.value.problems[0].loc == ("paths",)
    with pytest.raises(UserError, match="No file is there"):
        reading.preview(table("gone.csv", x="integer"), workspace_id=workspace.pk)
    put("empty.csv", content=b"")
    with pytest.raises(UserError, match=r"“empty.csv” is empty"):
        look("empty.csv")


def test_a_small_file_that_unpacks_to_a_huge_one(datastore: Datastore, put: Put, look: Look) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
        for _ in range(300):
            stream.write(b"x" * 1_000_000)
    put("bomb.csv.gz", content=packed.getvalue())
    with pytest.raises(UserError, match="longer than"):
        look("bomb.csv.gz")
    put("cut.csv.gz", content=gzip.compress(b"x,y\n" + os.urandom(50_000))[:20_000])
    with pytest.raises(UserError):
        look("cut.csv.gz")
    put("not.csv.gz", content=b"x,y\n1,2\n")
    with pytest.raises(UserError, match="damaged"):
        look("not.csv.gz")


def test_json_that_is_nested_deeply(
    workspace: Workspace, datastore: Datastore, put: Put, look: Look, table: Table
) -> None:
    deep = b'{"a": 1, "b": ' + b'{"c":' * 200_000 + b"1" + b"}" * 200_000 + b"}\n"
    put("a.jsonl", content=deep)
    put("a.json", content=b"[" + deep + b"]")
    with pytest.raises(UserError, match="line 1 is nested too deeply"):
        look("a.jsonl")
    with pytest.raises(UserError):
        reading.preview_file(datastore, "a.json")
    definition = table("a.jsonl", form=JsonLinesFormat(), a="integer", b="other")
    assert [batch.num_rows for batch in reading.batches(definition, workspace_id=workspace.pk)] == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"x": 1}\n{"x": 2\n{"x": 3}\n', "line 2 is not JSON"),
        (b'{"x": 1}\n[1, 2]\n', "line 2 is no JSON object"),
        (b"{}\n", "no objects with names"),
    ],
)
def test_json_lines_that_are_none(put: Put, look: Look, content: bytes, said: str) -> None:
    put("a.jsonl", content=content)
    with pytest.raises(UserError, match=said):
        look("a.jsonl")


def test_a_json_value_that_no_longer_fits(workspace: Workspace, put: Put, table: Table) -> None:
    put("a.jsonl", content="\n".join(json.dumps({"x": x}) for x in (1, 2, "three")).encode())
    definition = table("a.jsonl", form=JsonLinesFormat(), x="integer")
    with pytest.raises(UserError, match=r"“a.jsonl”, line 3 .*“?three.*make a new version"):
        list(reading.batches(definition, workspace_id=workspace.pk))


def test_an_excel_file_that_is_none(datastore: Datastore, put: Put, look: Look) -> None:
    put("a.xlsx", content=b"this is no workbook")
    with pytest.raises(UserError, match=r"“a.xlsx” is no Excel workbook"):
        reading.preview_file(datastore, "a.xlsx")
    put("b.xlsx", content=b"PK\x03\x04" + b"\0" * 1000)
    with pytest.raises(UserError, match="no Excel workbook"):
        reading.preview_file(datastore, "b.xlsx")
    with pytest.raises(UserError, match="Excel workbook or a zip file"):
        look("b.xlsx")


def test_arrow_that_is_none(datastore: Datastore, put: Put) -> None:
    put("a.arrow", content=b"ARROW1\0\0" + b"\xff" * 1000)
    with pytest.raises(UserError, match=r"“a.arrow”"):
        reading.preview_file(datastore, "a.arrow")


def test_names_that_are_html(workspace: Workspace, put: Put, look: Look, tmp_path: Path) -> None:
    put("a.csv", content=b'<script>alert(1)</script>,"a""b\'; DROP TABLE x; --",\n1,2,3\n')
    seen = look("a.csv").definition
    assert list(types(seen)) == ["<script>alert(1)</script>", "a\"b'; DROP TABLE x; --", "column_3"]
    assert writing.write_parquet(seen, tmp_path / "out", workspace_id=workspace.pk) == 1
    assert pq.read_table(tmp_path / "out").column_names == list(types(seen))

"""The first rows of a table, and of a file of any kind."""

import io
import json
import time
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from datastores.backends import get_backend
from datastores.models import Datastore
from datastores.sources import Condition, Filter
from datastores.tabular import isolated, reading
from datastores.tabular.stores import specs_of_definition
from studio.lib.problems import UserError
from studio.workspaces.models import Workspace
from tests.service.datastores.tabular.conftest import Look, Put, Table

ROWS = [[str(i), f"row {i}"] for i in range(5)]


def test_the_first_rows_of_a_table(workspace: Workspace, put: Put, table: Table) -> None:
    put("a.csv", content=b"x,y\n1,one\n2,\n3," + b"x" * 3000 + b"\n")
    definition = table("a.csv", x="integer", y="string")
    seen = reading.preview(definition, workspace_id=workspace.pk, rows=2)
    assert seen.rows == [["1", "one"], ["2", None]]
    assert seen.is_cut
    seen = reading.preview(definition, workspace_id=workspace.pk)
    assert seen.rows[2][1] == "x" * 1000 + "…"
    assert not seen.is_cut


def table_of() -> pa.Table:
    return pa.table({"x": list(range(5)), "y": [f"row {i}" for i in range(5)]})


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(table_of(), sink)
    return sink.getvalue()


def arrow(*, is_stream: bool) -> bytes:
    sink = io.BytesIO()
    make = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with make(sink, table_of().schema) as writer:
        writer.write_table(table_of(), max_chunksize=2)
    return sink.getvalue()


def feathered() -> bytes:
    sink = io.BytesIO()
    feather.write_feather(table_of(), sink, compression="lz4")
    return sink.getvalue()


def excel() -> bytes:
    """The least that is a workbook of two sheets."""
    cells = [["x", "y"], *ROWS]
    rows = "".join(
        f'<row r="{r}">'
        + "".join(
            f'<c r="{"AB"[c]}{r}"><v>{cell}</v></c>'
            if cell.isdigit()
            else f'<c r="{"AB"[c]}{r}" t="inlineStr"><is><t>{cell}</t></is></c>'
            for c, cell in enumerate(row)
        )
        + "</row>"
        for r, row in enumerate(cells, 1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{office}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets>'
        '<sheet name="first" sheetId="1" r:id="rId1"/><sheet name="second" sheetId="2" r:id="rId2"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{relation}/worksheet" Target="worksheets/sheet2.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{main}"><sheetData/></worksheet>',
    }
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return sink.getvalue()


FILES = {
    "a.csv": ("x,y\n" + "\n".join(map(",".join, ROWS))).encode(),
    "a.tsv": ("x\ty\n" + "\n".join(map("\t".join, ROWS))).encode(),
    "utf16.txt": ("x;y\n" + "\n".join(map(";".join, ROWS))).encode("utf-16"),
    "a.jsonl": "\n".join(json.dumps({"x": i, "y": y}) for i, (_, y) in enumerate(ROWS)).encode(),
    "a.json": json.dumps([{"x": i, "y": y} for i, (_, y) in enumerate(ROWS)], indent=1).encode(),
    "a.parquet": parquet(),
    "no-ending": parquet(),
    "a.arrow": arrow(is_stream=False),
    "stream.arrow": arrow(is_stream=True),
    "a.feather": feathered(),
    "a.xlsx": excel(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_kind(datastore: Datastore, put: Put, name: str) -> None:
    put(name, content=FILES[name])
    seen = reading.preview_file(datastore, name, rows=4)
    assert [column.name for column in seen.columns] == ["x", "y"]
    assert [column.type for column in seen.columns] == ["integer", "string"]
    assert seen.rows == ROWS[:4]
    assert seen.is_cut
    assert not reading.preview_file(datastore, name).is_cut


def test_a_sheet_is_chosen(datastore: Datastore, put: Put) -> None:
    put("a.xlsx", content=excel())
    assert reading.preview_file(datastore, "a.xlsx").sheets == ["first", "second"]
    assert reading.preview_file(datastore, "a.xlsx", sheet="second").rows == []
    with pytest.raises(UserError, match="Choose one of: first, second"):
        reading.preview_file(datastore, "a.xlsx", sheet="third")


def test_one_json_object_and_nested_ones(datastore: Datastore, put: Put) -> None:
    put("a.json", content=b'{"a": {"b": [1, 2]}, "c": "x"}')
    seen = reading.preview_file(datastore, "a.json")
    assert [(column.name, column.type) for column in seen.columns] == [("a", "other"), ("c", "string")]
    assert seen.rows == [['{"b":[1,2]}', "x"]]


def test_a_folder_is_no_file(datastore: Datastore, put: Put) -> None:
    put("f/a.csv", content=b"x\n1\n")
    with pytest.raises(UserError, match="is not a file"):
        reading.preview_file(datastore, "f")
    with pytest.raises(UserError, match="is not there"):
        reading.preview_file(datastore, "gone.csv")


def test_instants_with_a_zone(datastore: Datastore, put: Put) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"t": pa.array([0], pa.timestamp("us", tz="Europe/Berlin"))}), sink)
    put("a.parquet", content=sink.getvalue())
    assert reading.preview_file(datastore, "a.parquet").rows == [["1970-01-01 00:00:00+00"]]


def test_a_large_file_is_read_only_where_it_is_shown(
    workspace: Workspace, datastore: Datastore, put: Put, look: Look
) -> None:
    put("a.csv", content=b"x,y\n" + b"123456,some words\n" * 2_000_000)
    place = get_backend(datastore).local_path("a.csv")
    assert place is not None
    with place.open("r+b") as file:
        file.truncate(20 * 1024**3)  # what follows would be refused, and take minutes
    seen = look("a.csv").definition
    reading.preview(seen, workspace_id=workspace.pk)
    began = time.perf_counter()
    assert len(reading.preview(seen, workspace_id=workspace.pk).rows) == 100
    assert len(reading.preview_file(datastore, "a.csv").rows) == 100
    assert time.perf_counter() - began < 5  # a second each, on a machine that has time for it


def test_rows_that_are_rare_are_looked_for_as_long_as_one_waits(workspace: Workspace, put: Put, table: Table) -> None:
    put("a.csv", content=b"x,y\n0,first\n" + b"1,some words in a row\n" * 6_000_000)
    rare = [Filter(conditions=[Condition(column="x", operator="=", value="0")])]
    definition = table("a.csv", transformations=rare, x="integer", y="string")
    specs = specs_of_definition(definition, workspace_id=workspace.pk)
    seen = isolated.call(
        "datastores.tabular.previews:of_table",
        {"definition": definition, "specs": specs, "rows": 100, "within_s": 0.05},
        returns=reading.TablePreview,
    )
    assert seen.rows in ([["0", "first"]], [])
    assert seen.is_cut
    assert "took too long" in seen.notes[0]
    assert reading.preview(definition, workspace_id=workspace.pk, deadline_s=100).rows == [["0", "first"]]

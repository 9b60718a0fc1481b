"""`MLTable` folders, as they stand."""

import io

import pyarrow as pa
import pytest

from datastores.models import Datastore
from datastores.sources import DataPath, TabularDefinition
from datastores.tabular import mltable, reading
from studio.lib.problems import UserError
from tests.service.datastores.tabular.conftest import Put, types


def read(datastore: Datastore, folder: str = "t") -> TabularDefinition:
    path = DataPath(datastore_id=datastore.pk, path=folder)
    return mltable.read(path, workspace_id=datastore.workspace_id)


def rows(datastore: Datastore, definition: TabularDefinition) -> dict[str, list[object]]:
    return pa.Table.from_batches(reading.batches(definition, workspace_id=datastore.workspace_id)).to_pydict()


def test_a_whole_one(datastore: Datastore, put: Put) -> None:
    put(
        "t/MLTable",
        content=b"""
$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - pattern: ./*/*.txt
transformations:
  - read_delimited:
      delimiter: ';'
      encoding: iso88591
      header: all_files_same_headers
      include_path_column: false
  - extract_columns_from_partition_format: {partition_format: '{year}/{grid}.txt'}
  - convert_column_types:
      - columns: [x]
        column_type: float
      - columns: when
        column_type: {datetime: {formats: ['%Y-%m-%d %H:%M:%S']}}
  - filter: 'col("x") > 1 and col("year") == "2026"'
  - drop_columns: [junk]
  - take: 1
""",
    )
    for year in (2025, 2026):
        put(
            f"t/{year}/a.txt",
            content="x;name;junk;when\n1;é;0;2026-01-01 00:00:00\n2;ü;0;2026-01-02 00:00:00\n".encode("latin-1"),
        )
    definition = read(datastore)
    assert definition.mltable == DataPath(datastore_id=datastore.pk, path="t")
    assert types(definition) == {
        "x": "number",
        "name": "string",
        "junk": "integer",
        "when": "timestamp",
        "year": "string",
        "grid": "string",
    }
    found = rows(datastore, definition)
    assert list(found) == ["x", "name", "when", "year", "grid"]
    assert (found["x"], found["name"], found["year"]) == ([2.0], ["ü"], ["2026"])


def test_parquet_and_json_lines(datastore: Datastore, put: Put) -> None:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), sink)
    put("t/data/a.parquet", content=sink.getvalue())
    put("t/MLTable", content=b"paths: [{folder: ./data}]\ntransformations: [read_parquet, {keep_columns: b}]\n")
    assert rows(datastore, read(datastore)) == {"b": ["x", "y"]}
    put("j/a.jsonl", content=b'{"a": 1}\n{"a": 2}\n')
    put("j/MLTable", content=b"paths: [{file: a.jsonl}]\ntransformations: [{read_json_lines: {encoding: utf8}}]\n")
    assert rows(datastore, read(datastore, "j")) == {"a": [1, 2]}


def test_a_random_sample_is_the_same_each_time(datastore: Datastore, put: Put) -> None:
    put("t/a.csv", content=b"x\n" + b"".join(b"%d\n" % i for i in range(1000)))
    put(
        "t/MLTable",
        content=b"paths: [{file: ./a.csv}]\ntransformations: [{take_random_sample: {probability: 0.3, seed: 7}}]\n",
    )
    definition = read(datastore)
    found = rows(datastore, definition)["x"]
    assert 200 < len(found) < 400
    assert rows(datastore, definition)["x"] == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("paths: [{file: ./a.csv}]\ntransformations: [{skip: 3}]", "the transformation “skip”"),
        (
            "paths: [{file: ./a.csv}]\ntransformations: [{read_delimited: {header: all_files_different_headers}}]",
            "header",
        ),
        ("paths: [{file: ./a.csv}]\ntransformations: [{read_delimited: {quux: 1}}]", "option “quux”"),
        ("paths: [{file: ./a.csv}]\ntransformations: [{filter: '__import__(\"os\")'}]", "the filter"),
        ("paths: [{file: ../../a.csv}]", r"“\.\.”"),
        ("paths: [{file: 'azureml://datastores/x/paths/y'}]", "leads out of this folder"),
        ("paths: [{file: ./a.csv}]\ntransformations: [{keep_columns: [zzz]}]", "no column “zzz”"),
        ("paths: [{file: ./a.csv}]\nfrobnicate: 1", "the entry “frobnicate”"),
        ("paths: []", "names no path"),
        ("just text", "no list “paths”"),
        ("a: &a [1]\npaths: [*a]", "alias"),
        ("paths: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("[" * 5000, "nested too deeply|is not YAML"),
    ],
)
def test_what_is_not_understood_is_named(datastore: Datastore, put: Put, text: str, said: str) -> None:
    put("t/a.csv", content=b"x\n1\n")
    put("t/MLTable", content=text.encode())
    with pytest.raises(UserError, match=said):
        read(datastore)


def test_no_mltable_and_a_huge_one(datastore: Datastore, put: Put) -> None:
    put("t/a.csv", content=b"x\n1\n")
    with pytest.raises(UserError, match="no file “MLTable”"):
        read(datastore)
    put("t/MLTable", content=b"# " + b"x" * 2_000_000)
    with pytest.raises(UserError, match="larger than 1 MB"):
        read(datastore)

"""What a table is, found out by a look at its beginning."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.lib.problems import UserError
from tests.service.datastores.tabular.conftest import Look, Put, types


def parquet(**columns: list[object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_types_of_a_delimited_file(put: Put, look: Look) -> None:
    put(
        "a.csv",
        content=b"i,n,b,d,t,ts,s,zip,empty\n"
        b"1,1.5,true,2026-01-31,23:59:59,2026-01-31T23:59:59Z,one,01234,\n"
        b"-2,3,FALSE,2026-02-01,00:00:00,2026-02-01 00:00:00.5+02:00,,98765,\n",
    )
    seen = look("a.csv")
    assert types(seen.definition) == {
        "i": "integer",
        "n": "number",
        "b": "boolean",
        "d": "date",
        "t": "time",
        "ts": "timestamp",
        "s": "string",
        "zip": "string",
        "empty": "string",
    }
    assert seen.notes == []


def test_how_much_was_looked_at_is_said_as_it_is(put: Put, look: Look) -> None:
    put("few.csv", content=b"a\n1\n2\n")
    put("few/more.csv", content=b"a\n1\n")
    put("few/most.csv", content=b"a\n1\n2\n")
    put("many.csv", content=b"a\n" + b"1\n" * 20_000)
    put("many.jsonl", content=b'{"a":1}\n' * 20_000)
    assert look("few.csv").notes == []
    assert look("few").notes[0].startswith("The row of “few/more.csv” was looked at")
    assert look("many.csv").notes[0].startswith("The first 9,999 rows of “many.csv” were looked at")
    assert look("many.jsonl").notes[0].startswith("The first 10,000 rows of “many.jsonl” were looked at")


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
def test_the_separator_is_found(put: Put, look: Look, separator: str) -> None:
    put("a.txt", content=f"a{separator}b\n1{separator}x y\n".encode())
    form = look("a.txt").definition.source.format
    assert (form.separator, form.has_header) == (separator, True)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found(put: Put, look: Look, encoding: str, found: str) -> None:
    put("a.csv", content="name,größe\nMüller,1\nŠtěpán,2\n".encode(encoding, "replace"))
    seen = look("a.csv").definition
    assert seen.source.format.encoding == found
    assert types(seen) == {"name": "string", "größe": "integer"}


def test_what_a_person_fixed_stays(put: Put, look: Look) -> None:
    put("a.csv", content=b"a;b,c\n1;2,3\n")
    seen = look("a.csv", separator=";", has_header=False, given={"column_1": "string"}).definition
    assert types(seen) == {"column_1": "string", "column_2": "string"}
    assert look("a.csv", given={"c": "decimal"}).definition.columns[1].type == "decimal"


def test_no_header(put: Put, look: Look) -> None:
    put("a.csv", content=b"1,x\n2,y\n")
    seen = look("a.csv")
    assert types(seen.definition) == {"column_1": "integer", "column_2": "string"}
    assert any("named by position" in note for note in seen.notes)


def test_names_are_made_unique(put: Put, look: Look) -> None:
    put("a.csv", content=b"a,A,,a,<b onclick=x>,a_2\n1,2,3,4,5,6\n")
    seen = look("a.csv")
    assert list(types(seen.definition)) == ["a", "A_2", "column_3", "a_3", "<b onclick=x>", "a_2_2"]
    assert len([note for note in seen.notes if "column" in note]) >= 3


def test_other_columns_in_another_file(put: Put, look: Look) -> None:
    put("t/a.csv", content=b"a,b\n1,2\n")
    put("t/b.csv", content=b"a,c\n1,2\n")
    with pytest.raises(UserError, match=r"“t/b.csv” has other columns .*lacks “b”, and it has “c”"):
        look("t")
    put("p/a.parquet", content=parquet(a=[1], b=["x"]))
    put("p/b.parquet", content=parquet(a=["1"], b=["x"]))
    with pytest.raises(UserError, match=r"In “p/b.parquet” the column “a” is text"):
        look("p")


def test_json_lines_and_parquet(put: Put, look: Look) -> None:
    rows = [{"a": 1, "b": "x", "c": {"d": [1]}, "t": "2026-01-01T00:00:00Z"}, {"a": 2.5, "e": True, "A": 1, "": 2}]
    put("a.jsonl.gz", content=gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    seen = look("a.jsonl.gz")
    assert types(seen.definition) == {"a": "number", "b": "string", "c": "other", "t": "timestamp", "e": "boolean"}
    assert any("Left out" in note for note in seen.notes)
    put("x", content=parquet(a=[1], b=["x"], c=[[1, 2]]))
    assert types(look("x").definition) == {"a": "integer", "b": "string", "c": "other"}


def test_columns_in_the_paths(put: Put, look: Look) -> None:
    for year in (2025, 2026):
        put(f"t/{year}/07/g.csv", content=b"x\n1\n")
    seen = look("t", partition_format="{year}/{month}/{grid}.csv").definition
    assert types(seen) == {"x": "integer", "year": "string", "month": "string", "grid": "string"}
    seen = look("t", partition_format="{when:yyyy/MM}/*.csv").definition
    assert types(seen) == {"x": "integer", "when": "timestamp"}
    with pytest.raises(UserError, match="doesn't end as the partition format says") as refused:
        look("t", partition_format="{year}/{month}/{day}/{grid}.csv.gz")
    assert refused.value.problems[0].loc == ("partition_format",)
    with pytest.raises(UserError, match="have a column “X” themselves"):
        look("t", partition_format="{X}/*.csv")

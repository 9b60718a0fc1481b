"""Which batches an input makes, and the one file that their results become."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.pipelines.parallel_program import use_parts

use_parts()
planning, files, rows, joining, results, refusal = (
    importlib.import_module(f"studio_parallel.{name}")
    for name in ("planning", "files", "rows", "joining", "results", "refusal")
)


def size(text: str) -> Any:
    return planning.size_of(text)


def folder_of(top: Path, **contents: str) -> Path:
    for name, text in contents.items():
        file = top / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return top


def names(batches: Any, top: Path) -> list[list[str]]:
    return [[str(Path(path).relative_to(top)) for path in batch.work] for batch in batches]


def table(file: Path, *, row_group_size: int = 4, **columns: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file, row_group_size=row_group_size)


@pytest.mark.parametrize(
    ("text", "count", "size_bytes"),
    [("10", 10, None), (" 3 ", 3, None), ("10MB", None, 10 * 1024**2), ("1 kb", None, 1024), ("5b", None, 5)],
)
def test_a_size_is_a_number_or_bytes(text: str, count: int | None, size_bytes: int | None) -> None:
    assert size(text) == (count, size_bytes)


@pytest.mark.parametrize("text", ["", "0", "0MB", "-1", "1.5", "ten", "MB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        size(text)


def test_files_come_by_their_paths_whatever_they_are_called(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "in", **{"b": "1", "a__z": "2", "a__ä ö": "3", "a-": "4", "😀": "5"})
    batches = list(files.file_batches(str(top), size("2")))
    assert names(batches, top) == [["a/z", "a/ä ö"], ["a-", "b"], ["😀"]]
    assert [(batch.number, batch.items, batch.label) for batch in batches] == [
        (1, 2, "a/z and 1 more"),
        (2, 2, "a- and 1 more"),
        (3, 1, "😀"),
    ]


def test_a_file_alone_an_empty_folder_and_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "in", only="1")
    (top / "again").symlink_to(top)
    (top / "other").symlink_to(top / "only")
    assert names(files.file_batches(str(top), size("5")), top) == [["only", "other"]]
    assert [batch.label for batch in files.file_batches(str(top / "only"), size("5"))] == ["only"]
    (tmp_path / "empty").mkdir()
    assert list(files.file_batches(str(tmp_path / "empty"), size("5"))) == []
    with pytest.raises(refusal.Refused, match="neither a file nor a folder"):
        list(files.file_batches(str(tmp_path / "nowhere"), size("5")))


def test_files_by_bytes_are_one_at_least(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "in", a="1" * 6, b="1" * 4, c="1" * 100, d="1")
    assert names(files.file_batches(str(top), size("10B")), top) == [["a", "b"], ["c"], ["d"]]


def test_rows_are_counted_on_from_one_file_to_the_next(tmp_path: Path) -> None:
    table(tmp_path / "in" / "a.parquet", n=list(range(6)))
    table(tmp_path / "in" / "b.parquet", n=list(range(6, 10)))
    (tmp_path / "in" / "_SUCCESS").touch()
    a, b = str(tmp_path / "in" / "a.parquet"), str(tmp_path / "in" / "b.parquet")
    batches = list(rows.row_batches(str(tmp_path / "in"), size("5"), str(tmp_path)))
    assert [batch.work for batch in batches] == [
        {"slices": [[a, 0, 0, 4], [a, 1, 0, 1]]},
        {"slices": [[a, 1, 1, 2], [b, 0, 0, 4]]},
    ]
    assert [(batch.items, batch.label) for batch in batches] == [(5, "rows 1 to 5"), (5, "rows 6 to 10")]
    (whole,) = rows.row_batches(str(tmp_path / "in"), size("10MB"), str(tmp_path))
    assert whole.items == 10
    assert len(list(rows.row_batches(str(tmp_path / "in"), size("1B"), str(tmp_path)))) == 10


def test_csv_is_read_as_a_table_and_anything_else_refused(tmp_path: Path) -> None:
    top = folder_of(tmp_path / "in", **{"a.csv": "n,word\n1,one\n2,two\n", "b.tsv": "n\tword\n3\tthree\n"})
    batches = list(rows.row_batches(str(top), size("10"), str(tmp_path)))
    assert [batch.items for batch in batches] == [3]
    folder_of(top, **{"notes.txt": "x"})
    with pytest.raises(refusal.Refused, match=r"“notes.txt” is no table"):
        list(rows.row_batches(str(top), size("10"), str(tmp_path)))
    (top / "notes.txt").unlink()
    (top / "c.parquet").write_bytes(b"nothing")
    with pytest.raises(refusal.Refused, match=r"“c.parquet” can't be read as a table"):
        list(rows.row_batches(str(top), size("10"), str(tmp_path)))


def test_what_a_tool_keeps_for_itself_is_no_table(tmp_path: Path) -> None:
    kept = {
        ".ipynb_checkpoints__a-checkpoint.csv": "n\n9\n",
        "_delta_log__0.json": "{}",
        "_SUCCESS": "",
        "a.csv": "n\n1\n",
    }
    top = folder_of(tmp_path / "_in", **kept)
    assert [batch.items for batch in rows.row_batches(str(top), size("10"), str(tmp_path))] == [1]


def test_types_that_only_later_rows_tell(tmp_path: Path) -> None:
    ids = "\n".join(str(number) for number in range(300_000))
    top = folder_of(tmp_path / "in", **{"a.csv": f"id\n{ids}\nA12\n"})
    (whole,) = rows.row_batches(str(top), size("1000000"), str(tmp_path))
    assert whole.items == 300_001


def test_no_rows_are_no_batches(tmp_path: Path) -> None:
    table(tmp_path / "in" / "a.parquet", n=pa.array([], pa.int64()))
    assert list(rows.row_batches(str(tmp_path / "in"), size("5"), str(tmp_path))) == []
    assert list(rows.row_batches(str(tmp_path / "in"), size("5MB"), str(tmp_path))) == []
    assert list(rows.key_batches(str(tmp_path / "in"), ["n"], str(tmp_path))) == []


def test_each_combination_of_keys_is_a_batch_and_a_missing_value_is_one_too(tmp_path: Path) -> None:
    table(
        tmp_path / "in" / "a.parquet",
        city=["Bern", "Ürümqi", "Bern", None, "Bern"],
        year=[2020, 2021, 2021, 2020, 2020],
    )
    batches = list(rows.key_batches(str(tmp_path / "in"), ["city", "year"], str(tmp_path)))
    assert [(batch.label, batch.items) for batch in batches] == [
        ("city=, year=2020", 1),
        ("city=Bern, year=2020", 2),
        ("city=Bern, year=2021", 1),
        ("city=Ürümqi, year=2021", 1),
    ]
    a = str(tmp_path / "in" / "a.parquet")
    assert batches[1].work == {"groups": [[a, 0], [a, 1]], "keys": {"city": "Bern", "year": "2020"}}
    with pytest.raises(refusal.Refused, match=r"no column “town” to split it by. It has: city, year"):
        list(rows.key_batches(str(tmp_path / "in"), ["town"], str(tmp_path)))


def test_results_become_lines(tmp_path: Path) -> None:
    target = tmp_path / "rows"
    given = ["plain", "two\nlines", {"ä": [1]}, ("x", 2), 3.5, b"bytes", None]
    assert results.written(given, target) == (7, None)
    assert target.read_text() == 'plain\ntwo lines\n{"ä": [1]}\n["x", 2]\n3.5\nbytes\nNone\n'
    assert results.written((str(each) for each in range(3)), target) == (3, None)
    assert results.written([np.arange(1500), {"a": np.arange(1500)}, np.float64(0.5)], target) == (3, None)
    array, inside, number = target.read_text().splitlines()
    assert (len(json.loads(array)), len(json.loads(inside)["a"]), number) == (1500, 1500, "0.5")
    for wrong in (None, "text", 5, {"a": 1}):
        with pytest.raises(refusal.BadBatch, match="return a list, or a DataFrame"):
            results.written(wrong, target)
    assert [results.counted(each, 4) for each in (None, [1], [1] * 9, 7)] == [4, 1, 4, 4]


def test_parts_are_joined_in_order_under_one_line_of_columns(tmp_path: Path) -> None:
    for name, text in (("1", "1,x\n"), ("2", "2,y\n")):
        (tmp_path / name).write_text(text)
    target = tmp_path / "out" / "all.csv"
    first, second = (joining.Rows(str(tmp_path / name), 0, 4, ["n", "a,b"]) for name in ("1", "2"))
    joining.join([first, second], str(target))
    assert target.read_text() == 'n,"a,b"\n1,x\n2,y\n'
    joining.join([], str(target))
    assert target.read_text() == ""
    with pytest.raises(refusal.Refused, match="a list for one batch and a DataFrame with the columns n for another"):
        joining.join([first._replace(columns=None), second._replace(columns=["n"])], str(target))
    assert [each.name for each in target.parent.iterdir()] == ["all.csv"]

"""Rows as files, in formats that can't say everything."""

from pathlib import Path

import pyarrow as pa

from compute.work.row_files import _JsonLines


def test_lines_of_json_are_json_whatever_the_numbers(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict(
        {"x": pa.array([1.5, float("nan"), float("inf"), None]), "y": pa.array([1, 2, None, 4])}
    )
    lines = _JsonLines(tmp_path / "rows.jsonl", batch.schema)
    lines.write(batch)
    lines.close()
    assert (tmp_path / "rows.jsonl").read_text().splitlines() == [
        '{"x": 1.5, "y": 1}',
        '{"x": null, "y": 2}',
        '{"x": null, "y": null}',
        '{"x": null, "y": 4}',
    ]

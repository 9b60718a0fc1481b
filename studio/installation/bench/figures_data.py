"""The figures of data: what the studio reads and writes, beside what the plain library does alone in the same run."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings

from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, TabularDefinition
from datastores.tabular import isolated
from datastores.tabular.reading import TablePreview
from datastores.tabular.stores import StoreSpec, StoreSpecs
from studio.installation.bench.figures import Figure, Measured, Measurement
from studio.installation.bench.studio_side import StudioSide
from studio.installation.bench.workloads import Bare

TABLE_ROWS = 5_000_000
SHOWN_ROWS = 100
_STORE = 1
_FILE = "table.csv"
_COLUMNS = {"id": "integer", "price": "number", "name": "string", "day": "date", "at": "timestamp"}


def preview(_studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    """The first rows of a table, from the call to the rows, beside DuckDB in this process."""
    with _table() as (file, specs, definition):
        shown = {"definition": definition, "specs": specs, "rows": SHOWN_ROWS, "within_s": 60.0}

        def ours() -> None:
            seen = isolated.call("datastores.tabular.previews:of_table", shown, returns=TablePreview)
            assert len(seen.rows) == SHOWN_ROWS

        def plain() -> None:
            import duckdb

            with duckdb.connect() as connection:
                connection.execute(f"SELECT * FROM {_scan(file)} LIMIT {SHOWN_ROWS}").fetchall()  # noqa: S608

        isolated.call("datastores.tabular.previews:of_table", shown, returns=TablePreview)  # the first one imports
        samples = _samples(ours, plain, 3 * repetitions)
    ours_s, theirs_s = _medians(samples)
    return Measured(Figure(1000 * ours_s, "ms", 1000 * theirs_s, ours_s / theirs_s), samples, [])


def table_to_parquet(_studio: StudioSide, _bare: Bare, repetitions: int) -> Measured:
    """A table as a step gets it, beside DuckDB's COPY in this process."""
    with _table() as (file, specs, definition):
        folder = file.parent / "out"

        def ours() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            asked = {"definition": definition, "specs": specs, "folder": folder}
            written = isolated.call("datastores.tabular.writing:written", asked, returns=int, deadline_s=600)
            assert written == TABLE_ROWS

        def plain() -> None:
            import duckdb

            target = file.parent / "plain.parquet"
            with duckdb.connect() as connection:
                connection.execute(f"COPY (SELECT * FROM {_scan(file)}) TO '{target}' (FORMAT parquet)")  # noqa: S608

        ours()
        samples = _samples(ours, plain, repetitions)
        megabytes = file.stat().st_size / 1e6
    ratio = median(theirs_s / ours_s for ours_s, theirs_s in samples)
    return Measured(Figure(ratio, "of DuckDB's MB/s", megabytes / _medians(samples)[1], ratio), samples, [])


DATA_MEASUREMENTS = [
    Measurement(
        "preview_ms",
        f"the first {SHOWN_ROWS} rows of a CSV of {TABLE_ROWS:,} rows, in a process of their own, beside DuckDB alone",
        1000,
        "less",
        preview,
    ),
    Measurement(
        "table_to_parquet_ratio",
        f"a CSV of {TABLE_ROWS:,} rows written as Parquet for a step: throughput over that of DuckDB alone",
        0.8,
        "more",
        table_to_parquet,
    ),
]


def _samples(ours: Callable[[], None], theirs: Callable[[], None], repetitions: int) -> list[tuple[float, float]]:
    """Seconds of each in turn."""
    theirs()
    return [(_seconds(ours), _seconds(theirs)) for _ in range(repetitions)]


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _medians(samples: list[tuple[float, float]]) -> tuple[float, float]:
    return median(ours for ours, _ in samples), median(theirs for _, theirs in samples)


def _scan(file: Path) -> str:
    """As somebody writes it who knows the types, as the studio does."""
    types = {"integer": "BIGINT", "number": "DOUBLE", "string": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP"}
    columns = ", ".join(f"'{name}': '{types[kind]}'" for name, kind in _COLUMNS.items())
    return f"read_csv('{file}', header = true, delim = ',', auto_detect = false, columns = {{{columns}}})"


@contextmanager
def _table() -> Iterator[tuple[Path, StoreSpecs, TabularDefinition]]:
    """A CSV of some 300 MB in a local datastore's folder, and its definition."""
    folder = settings.STUDIO_HOME / "workspaces" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file = folder / _FILE
        _write(file)
        columns: Any = [Column.model_validate({"name": name, "type": kind}) for name, kind in _COLUMNS.items()]
        source = FilesSource(paths=[DataPath(datastore_id=_STORE, path=_FILE)], format=DelimitedFormat())
        specs = StoreSpecs({_STORE: StoreSpec("local", "bench", {"path": "bench"}, {})})
        yield file, specs, TabularDefinition(source=source, columns=columns)
    finally:
        shutil.rmtree(folder)


def _write(file: Path) -> None:
    chosen = random.Random(7)  # noqa: S311
    lines = [
        f"{i},{chosen.random() * 1000:.4f},customer number {chosen.randrange(10_000)},"
        f"2026-{i % 12 + 1:02d}-{i % 28 + 1:02d},2026-01-01 {i % 24:02d}:{i % 60:02d}:00\n"
        for i in range(100_000)
    ]
    block = "".join(lines).encode()
    with file.open("wb") as out:
        out.write(",".join(_COLUMNS).encode() + b"\n")
        for _ in range(TABLE_ROWS // len(lines)):
            out.write(block)

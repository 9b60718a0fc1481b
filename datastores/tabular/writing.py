"""A table as Parquet in a folder: what a step reads in one line, by `pandas.read_parquet(folder)` and its kin."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from datastores.sources import TabularDefinition
from datastores.tabular import isolated, nursery
from datastores.tabular.isolated import Check, Progress
from datastores.tabular.sql import literal
from datastores.tabular.stores import StoreSpecs, specs_of_definition
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import duckdb

    from datastores.tabular.relations import Rows

MOST_PARTITIONS = 1000
FILE_NAME = "part-00000.parquet"
TELL_EVERY_S = 0.5


def write_parquet(
    definition: TabularDefinition,
    folder: Path,
    *,
    workspace_id: int,
    check: Check | None = None,
    progress: Progress | None = None,
    deadline_s: float = 6 * 3600.0,
    memory_bytes: int = isolated.MEMORY_BYTES,
) -> int:
    """Write all rows of a table, after its transformations, below the empty folder `folder`; returns their number.

    One file in the order of the rows, or folders `KEY=VALUE` where the table is parted by keys. What is in `folder`
    after an error is of no use.

    Raises UserError, also where there were more than `MOST_PARTITIONS` folders.
    """
    specs = specs_of_definition(definition, workspace_id=workspace_id)
    folder.mkdir(parents=True, exist_ok=True)
    return isolated.call(
        "datastores.tabular.writing:written",
        {"definition": definition, "specs": specs, "folder": folder.resolve()},
        returns=int,
        deadline_s=deadline_s,
        memory_bytes=memory_bytes,
        preload=specs.preload,
        secrets=specs.secrets,
        check=check,
        progress=progress,
    )


def written(definition: TabularDefinition, specs: StoreSpecs, folder: Path) -> int:
    """In the isolated process: see `write_parquet`."""
    from datastores.tabular import relations

    with relations.opened(definition, specs, writes_to=folder) as rows, _telling(rows.connection):
        if rows.keys:
            return _parted(rows, folder)
        file = literal(str(folder / FILE_NAME))
        options = relations.parquet_options(len(rows.columns))
        answer = rows.connection.execute(f"COPY ({rows.named_sql}) TO {file} {options}").fetchone()
    return int(answer[0]) if answer else 0


def _parted(rows: "Rows", folder: Path) -> int:
    """A folder for each value of the keys; the values are escaped as in an address."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    reader = rows.reader()
    keys = [placed.column.name for placed in rows.keys]
    count = 0

    def counted() -> "Iterator[pa.RecordBatch]":
        nonlocal count
        for batch in reader:
            count += batch.num_rows
            yield batch

    schema = reader.schema
    try:
        ds.write_dataset(
            pa.RecordBatchReader.from_batches(schema, counted()),
            folder,
            format="parquet",
            partitioning=ds.partitioning(pa.schema([schema.field(key) for key in keys]), flavor="hive"),
            max_partitions=MOST_PARTITIONS,
            max_open_files=200,
            use_threads=False,
        )
    except pa.ArrowInvalid as error:
        if "partitions" not in str(error):
            raise
        named = ", ".join(f"“{key}”" for key in keys)
        raise UserError(
            f"Parting by {named} makes more than {MOST_PARTITIONS:,} folders. Part by columns with fewer values."
        ) from None
    if not count:
        import pyarrow.parquet as pq

        pq.write_table(schema.empty_table(), folder / FILE_NAME)
    return count


@contextmanager
def _telling(connection: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """Tell how far the running statement has come, as far as DuckDB knows."""
    over = Event()
    began = time.monotonic()

    def tell() -> None:
        while not over.wait(TELL_EVERY_S):
            done = connection.query_progress()
            nursery.tell(done / 100 if 0 <= done <= 100 else None, f"writing rows for {time.monotonic() - began:.0f} s")

    teller = Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()

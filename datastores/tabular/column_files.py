"""A table's rows as files of columns, some hundred columns each: what asks about a column reads no other."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datastores.sources import Column, ColumnType

if TYPE_CHECKING:
    import pyarrow as pa


COLUMNS_A_FILE = 200
FLUSH_BYTES = 32 * 1024**2


def column_files(many: int, folder: Path) -> Iterator[tuple[Path, list[int]]]:
    """Each file, and the numbers of its columns; they are called c0, c1, … there, whatever their names are."""
    for start in range(0, many, COLUMNS_A_FILE):
        yield folder / f"{start}.parquet", list(range(start, min(start + COLUMNS_A_FILE, many)))


def store(
    batches: "Iterable[pa.RecordBatch]", columns: Sequence[Column], folder: Path, say: Callable[[str], None]
) -> int:
    """Write the rows into `folder`; returns how many there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = list(column_files(len(columns), folder))
    rows = held_bytes = 0
    held: list[pa.RecordBatch] = []
    with contextlib.ExitStack() as stack:
        writers: dict[Path, pq.ParquetWriter] = {}

        def flush() -> None:
            if not held:
                return
            table = pa.Table.from_batches(held)
            for file, numbers in files:
                arrays = [_storable(table.column(number), columns[number].type) for number in numbers]
                part = pa.table(dict(zip([f"c{number}" for number in numbers], arrays, strict=True)))
                if file not in writers:
                    writers[file] = stack.enter_context(
                        pq.ParquetWriter(file, part.schema, compression="lz4", write_statistics=False)
                    )
                writers[file].write_table(part, row_group_size=max(1, part.num_rows))
            held.clear()

        for batch in batches:
            held.append(batch)
            held_bytes += batch.nbytes
            rows += batch.num_rows
            if held_bytes >= FLUSH_BYTES:
                flush()
                held_bytes = 0
                say(f"Reading: {rows:,} rows so far")
        flush()
        if not writers:  # not one row: files without any, so that all questions have an answer
            for file, numbers in files:
                pq.write_table(pa.table({f"c{number}": pa.array([], pa.string()) for number in numbers}), file)
    return rows


def _storable(values: "pa.ChunkedArray", column_type: ColumnType) -> "pa.ChunkedArray":
    """`values` in a type that Parquet and DuckDB share, times in UTC without a zone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_null(kind):  # nothing at all: as what it is said to be
        said = {"number": pa.float64(), "integer": pa.int64(), "decimal": pa.float64(), "date": pa.date32()}
        said |= {"timestamp": pa.timestamp("us"), "time": pa.time64("us"), "boolean": pa.bool_(), "binary": pa.binary()}
        return values.cast(said.get(column_type, pa.string()))
    if pa.types.is_timestamp(kind):
        return pc.cast(values, pa.timestamp("us"), safe=False)
    if pa.types.is_time(kind):
        return pc.cast(values, pa.time64("us"), safe=False)
    if pa.types.is_decimal256(kind):
        return values.cast(pa.string() if column_type in {"string", "other"} else pa.float64())
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    return values

"""Rows as files of an output: Parquet, CSV or JSON lines, in parts that are sent as they are full."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from compute.data.desk import Rhythm
from compute.data.progress import Progress, file_count, size
from compute.data.retrying import Patience, StoppedError
from compute.execution.reasons import StepFailure
from compute.work.ledger import Ledger, Moved, entries_below, stamp_of
from compute.work.order import Order, Target, Written
from compute.work.sending import send
from compute.work.streams import of_disk
from datastores.backends import Backend
from datastores.paths import join
from datastores.tabular.types import text_of

if TYPE_CHECKING:
    import pyarrow as pa

RowFormat = Literal["parquet", "csv", "json_lines"]
PART_BYTES = 256 * 1024 * 1024
GROUP_BYTES = 32 * 1024 * 1024  # of rows in memory, before they are a group of a Parquet file
EXTENSIONS: dict[RowFormat, str] = {"parquet": "parquet", "csv": "csv", "json_lines": "jsonl"}
_PART = re.compile(r"part-\d{5}\.(?:parquet|csv|jsonl)")


class Writer(Protocol):
    """One file of rows that grows."""

    def write(self, batch: "pa.RecordBatch") -> None: ...

    def close(self) -> None: ...


def leave_rows(order: Order, name: str, batches: "Iterator[pa.RecordBatch]", *, row_format: RowFormat) -> Written:
    """Write all rows to an output, and say how far it is. What an earlier run left in parts of its own is removed.

    Raises StepFailure, UserError.
    """
    from datastores.tabular.stores import OpenStores

    target = order.outputs[name]
    with OpenStores(order.specs) as stores:
        backend = stores.store(target.datastore_id)
        assert isinstance(backend, Backend), "outputs go to datastores of files"
        return _Leaving(order, name, target, backend, row_format).run(batches)


class _Leaving:
    """The rows of one output."""

    def __init__(self, order: Order, name: str, target: Target, backend: Backend, row_format: RowFormat) -> None:
        self.order, self.name, self.target, self.backend, self.row_format = order, name, target, backend, row_format
        self.ledger = Ledger(order.folder)
        self.patience = Patience(order.stop.wanted)
        self.progress = Progress(f"Sending {name}")
        self.rhythm = Rhythm()
        self.rows = self.parts = 0
        self.file: Path | None = None
        self.writer: Writer | None = None

    def run(self, batches: "Iterator[pa.RecordBatch]") -> Written:
        for batch in batches:
            if self.order.stop.wanted.is_set():
                raise StoppedError
            self._put(batch)
            if self.rhythm.is_due():
                self.order.say(f"{self.rows:,} rows so far, {size(self.progress.moved_bytes)} sent")
        self._finish()
        self._remove_others()
        written = self.ledger.written()
        files = f"{size(written.size_bytes)} in {file_count(written.file_count)} of “{self.name}”"
        self.order.say(f"{self.rows:,} rows, {files}, verified by SHA-256.")
        return written

    def _put(self, batch: "pa.RecordBatch") -> None:
        if self.writer is None or self.file is None:
            self.file = self.order.folder / f"rows-{self.parts:05d}"
            self.writer = _writer(self.file, batch.schema, self.row_format)
        self.writer.write(batch)
        self.rows += batch.num_rows
        if self.target.file is None and self.file.stat().st_size > PART_BYTES:
            self._finish()

    def _finish(self) -> None:
        if self.writer is None or self.file is None:
            return
        self.writer.close()
        file, self.writer, self.file = self.file, None, None
        relative = self.target.file or f"part-{self.parts:05d}.{EXTENSIONS[self.row_format]}"
        self.parts += 1
        path = join(self.target.path, relative)
        digest, entry = send(
            self.backend,
            path,
            lambda: of_disk(file, patience=self.patience, progress=self.progress),
            label=relative,
            patience=self.patience,
        )
        self.ledger.put(Moved(relative, "", stamp_of(entry), digest, file.stat().st_size))
        file.unlink()

    def _remove_others(self) -> None:
        if self.target.file is not None:
            return
        above = f"{self.target.path}/"
        for entry in list(entries_below(self.backend, self.target.path)):
            relative = entry.path.removeprefix(above)
            if _PART.fullmatch(relative) and not self.ledger.has(relative):
                self.backend.delete(entry.path)


def _writer(file: Path, schema: "pa.Schema", row_format: RowFormat) -> Writer:
    if row_format == "parquet":
        return _Parquet(file, schema)
    return _Csv(file, schema) if row_format == "csv" else _JsonLines(file, schema)


class _Parquet:
    def __init__(self, file: Path, schema: "pa.Schema") -> None:
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetWriter(file, schema)
        except ValueError as error:
            raise StepFailure(
                f"These columns can't be written as Parquet: {error}. Give each a name of its own."
            ) from None
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0

    def write(self, batch: "pa.RecordBatch") -> None:
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes > GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._held:
            self._file.write_table(pa.Table.from_batches(self._held))
            self._held, self._held_bytes = [], 0


class _Csv:
    """UTF-8, commas, a header; texts in quotes, so that an empty one is told from a missing one."""

    def __init__(self, file: Path, schema: "pa.Schema") -> None:
        import pyarrow.csv

        self._schema = _flat(schema)
        self._file = pyarrow.csv.CSVWriter(file, self._schema)

    def write(self, batch: "pa.RecordBatch") -> None:
        self._file.write_batch(_as_texts(batch, self._schema))

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    def __init__(self, file: Path, schema: "pa.Schema") -> None:
        self._file: IO[str] = file.open("w", encoding="utf-8", errors="replace")
        self._names = schema.names

    def write(self, batch: "pa.RecordBatch") -> None:
        columns = [_finite(column).to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            said = json.dumps(dict(zip(self._names, row, strict=True)), ensure_ascii=False, default=_in_json)
            self._file.write(f"{said}\n")

    def close(self) -> None:
        self._file.close()


def _finite(column: "pa.Array[Any]") -> "pa.Array[Any]":
    """JSON has no word for what is not a number, nor for infinity: they become null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_finite(column), column, None) if pa.types.is_floating(column.type) else column


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else text_of(value)


def _flat(schema: "pa.Schema") -> "pa.Schema":
    """CSV knows no bytes and no lists: they become texts."""
    import pyarrow as pa

    def kind(of: "pa.DataType") -> "pa.DataType":
        return pa.string() if pa.types.is_nested(of) or pa.types.is_binary(of) or pa.types.is_large_binary(of) else of

    return pa.schema([pa.field(field.name, kind(field.type)) for field in schema])


def _as_texts(batch: "pa.RecordBatch", schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    columns = [
        column
        if column.type == field.type
        else pa.array([None if value is None else _text(value) for value in column.to_pylist()], pa.string())
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=_in_json)

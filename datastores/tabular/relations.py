"""The rows of a table as a DuckDB statement, in the process that reads them (see `datastores.tabular.isolated`).

This is the way in for whatever computes something of rows, inside of a function that `isolated.call` runs:

    def counted(definition: TabularDefinition, specs: StoreSpecs) -> int:
        with relations.opened(definition, specs) as rows:
            [(count,)] = rows.connection.execute(f"SELECT count(*) FROM ({rows.sql})").fetchall()
        return count

The caller makes `specs` where the database is: `stores.specs_of_definition(definition, workspace_id=…)`.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from datastores.sources import (
    Column,
    DelimitedFormat,
    FilesSource,
    JsonLinesFormat,
    ParquetFormat,
    QuerySource,
    TabularDefinition,
)
from datastores.tabular import delimited, limits, parquet, partitions, transformations
from datastores.tabular.failures import Context, translated
from datastores.tabular.files import SCHEME, Shown, SourceFile, found, shown
from datastores.tabular.sql import identifier, literal, literals, position
from datastores.tabular.stores import OpenStores, StoreSpecs
from datastores.tabular.transformations import POSITION, Placed
from datastores.tabular.types import DUCKDB_TYPES, type_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MAX_LINE_BYTES = 8 * 1024**2
MAX_OBJECT_BYTES = 16 * 1024**2
MOST_THREADS = 4
BATCH_ROWS = 50_000
WIDE_COLUMNS = 500  # each thread holds pieces of all columns: with one, they fit
ROW_GROUP_CELLS = 20_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """`sql` is a SELECT that gives `columns`, each under its `sql_name`: a name without surprises, to be written into
    further statements. `keys` are those by which files are parted.

    Every statement on `connection` has to be carried out within `opened`, which makes sentences of its errors. A
    query's rows come only once (`is_once`): who needs them again gives `opened` a folder to spool them to.
    """

    connection: "duckdb.DuckDBPyConnection"
    sql: str
    columns: list[Placed]
    keys: list[Placed]
    is_once: bool
    read_fraction: Callable[[], float | None] = lambda: None  # of the files; None where it can't be known

    def reader(self) -> "pa.RecordBatchReader":
        """All of them as Arrow, under their own names, as they come."""
        reader: pa.RecordBatchReader = self.connection.sql(self.named_sql).to_arrow_reader(BATCH_ROWS)
        return reader

    @property
    def named_sql(self) -> str:
        """The same SELECT, with the columns under their own names."""
        named = ", ".join(f"{placed.sql_name} AS {identifier(placed.column.name)}" for placed in self.columns)
        return f"SELECT {named} FROM ({self.sql})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Hurry:
    """How to read when only the first rows are wanted: little at a time, by one thread."""

    buffer_bytes: int = 1024**2
    rows: int = 100


@contextlib.contextmanager
def opened(
    definition: TabularDefinition,
    specs: StoreSpecs,
    *,
    hurry: Hurry | None = None,
    check_all: bool = True,
    spool: Path | None = None,
    writes_to: Path | None = None,
) -> Iterator[Rows]:
    """The rows of `definition`, with its transformations, ready to be asked for.

    `check_all` looks at every file's header beforehand. `spool` is an empty folder for what can be read only once;
    `writes_to` one that statements may write into.

    Raises UserError where the definition no longer fits what it points at, and for what goes wrong while it is read.
    """
    # What is opened is closed last of all: a sentence may need another look.
    with contextlib.ExitStack() as stack, translated(definition.columns) as context:
        stores = stack.enter_context(OpenStores(specs))
        source = definition.source
        if isinstance(source, QuerySource):
            yield _of_query(definition, source, stores, stack, context, hurry, spool, writes_to)
            return
        files = found(source.paths, stores, format_kind=source.format.kind, first=hurry.rows if hurry else None)
        context.files = files
        encoding = getattr(source.format, "encoding", "utf-8")
        view = shown(files, encoding=encoding)
        stack.callback(view.close)
        context.view = view
        is_wide = len(definition.columns) > WIDE_COLUMNS
        connection = connected(view, hurry=hurry, writes_to=writes_to, is_wide=is_wide)
        stack.callback(connection.close)
        names, base = _base(context, connection, definition, source, files, view, hurry, check_all=check_all)
        done = transformations.statement(definition.transformations, definition.columns, base, names=names)
        yield Rows(connection, done.sql, done.columns, done.keys, is_once=False, read_fraction=view.read_fraction)


def connected(
    view: Shown | None = None, *, hurry: Hurry | None = None, writes_to: Path | None = None, is_wide: bool = False
) -> "duckdb.DuckDBPyConnection":
    """DuckDB that sees the files of `view`, may write into `writes_to`, and reaches nothing else."""
    import duckdb

    threads = 1 if hurry or is_wide else min(MOST_THREADS, os.cpu_count() or 1)
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{limits.memory_bytes() * 6 // 10}B",
            "temp_directory": "",  # it would write beside whatever it was started from
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
            "python_enable_replacements": False,
        },
    )
    allowed = [f"{SCHEME}://"] + ([f"{writes_to}/"] if writes_to else [])
    if view:
        connection.register_filesystem(view.filesystem)
    connection.execute(f"SET allowed_directories = {literals(allowed)}")
    connection.execute(f"SET allowed_paths = {literals(view.opens if view else [])}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def parquet_options(columns: int) -> str:
    """For COPY: groups of rows that fit into memory however many columns there are."""
    return f"(FORMAT parquet, ROW_GROUP_SIZE {min(122_880, max(2048, ROW_GROUP_CELLS // max(1, columns))):d})"


def _base(  # noqa: PLR0917
    context: Context,
    connection: "duckdb.DuckDBPyConnection",
    definition: TabularDefinition,
    source: FilesSource,
    files: Sequence[SourceFile],
    view: Shown,
    hurry: Hurry | None,
    *,
    check_all: bool,
) -> tuple[list[str], str]:
    """A SELECT of the settled columns, from files alone; and what each is called in it."""
    parting = partitions.parsed(source.partition_format) if source.partition_format else None
    in_paths = len(parting.names) if parting else 0
    in_files = definition.columns[: len(definition.columns) - in_paths]
    checking = files if check_all else files[:1]
    match source.format:
        case DelimitedFormat():
            delimited.check_heads(checking, source.format, in_files)
            scan = _delimited(view, source.format, in_files, hurry)
        case JsonLinesFormat():
            scan = _json_lines(view, in_files)
        case ParquetFormat():
            scan = _parquet(connection, view, files, in_files)
    columns = [position(index) for index in range(len(in_files))]
    selected = list(columns)
    if isinstance(source.format, DelimitedFormat):
        times = [index for index, column in enumerate(in_files) if column.type == "timestamp"]
        for index in times:
            selected[index] = f"{_instant(columns[index])} AS {columns[index]}"
        context.locate = partial(_misfit, connection, scan, times)
    if parting:
        values = parting.values([file.path for file in files])
        for index, (column, texts) in enumerate(
            zip(definition.columns[len(in_files) :], zip(*values, strict=True), strict=True), len(in_files)
        ):
            listed = ", ".join("NULL" if text is None else literal(text) for text in texts)
            cast = DUCKDB_TYPES[column.type]
            selected.append(f"([{listed}])[(file_index + 1)::BIGINT]::{cast} AS {position(index)}")
            columns.append(position(index))
    if transformations.needs_positions(definition.transformations):
        selected.append(f"(row_number() OVER ()) AS {POSITION}")
    return columns, f"SELECT {', '.join(selected)} FROM {scan}"  # noqa: S608


def _delimited(view: Shown, form: DelimitedFormat, columns: Sequence[Column], hurry: Hurry | None) -> str:
    # DuckDB's reader of texts takes no notice of a timestamp's offset, so timestamps come as texts.
    types = ", ".join(
        f"'{position(i)}': '{'VARCHAR' if column.type == 'timestamp' else DUCKDB_TYPES[column.type]}'"
        for i, column in enumerate(columns)
    )
    # A buffer has to hold the longest line.
    buffer = max(hurry.buffer_bytes, 1024) if hurry else 32 * 1024**2
    line = min(MAX_LINE_BYTES, buffer)
    return (
        f"read_csv({literals(view.names)}, auto_detect = false, columns = {{{types}}}, "
        f"header = {str(form.has_header).lower()}, delim = {literal(form.separator)}, quote = {literal(form.quote)}, "
        f"escape = {literal(form.quote)}, comment = '', strict_mode = true, null_padding = false, "
        f"compression = {literal(view.compression or 'none')}, "
        f"buffer_size = {buffer}, max_line_size = {line})"
    )


def _instant(name: str) -> str:
    """A text as a timestamp in UTC; the usual one without an offset is read much faster."""
    has_offset = f"length({name}) > 16 AND (contains({name}, '+') OR contains(substr({name}, 12), '-'))"
    return f"CASE WHEN {has_offset} THEN {name}::TIMESTAMPTZ::TIMESTAMP ELSE {name}::TIMESTAMP END"


def _misfit(
    connection: "duckdb.DuckDBPyConnection", scan: str, times: Sequence[int]
) -> tuple[int, int, int, str] | None:
    """Where the first text stands that is no timestamp: file, row in it, column, and the text."""
    for index in times:
        name = position(index)
        found_at = connection.execute(
            f"SELECT file_index, row, {name} FROM (SELECT file_index, {name}, "  # noqa: S608
            f"row_number() OVER () AS row FROM {scan}) "
            f"WHERE {name} IS NOT NULL AND TRY_CAST({name} AS TIMESTAMPTZ) IS NULL LIMIT 1"
        ).fetchone()
        if found_at:
            file, row, text = found_at
            before = connection.execute(f"SELECT count(*) FROM {scan} WHERE file_index < {file:d}").fetchone()  # noqa: S608
            return file, row - (before[0] if before else 0), index, text
    return None


def _json_lines(view: Shown, columns: Sequence[Column]) -> str:
    as_written = {"other": "JSON", "timestamp": "TIMESTAMPTZ"}  # with their offsets
    types = ", ".join(
        f"{literal(column.name)}: '{as_written.get(column.type, DUCKDB_TYPES[column.type])}'" for column in columns
    )
    renamed = ", ".join(
        f"{identifier(column.name)}{'::TIMESTAMP' if column.type == 'timestamp' else ''} AS {position(i)}"
        for i, column in enumerate(columns)
    )
    return (
        f"(SELECT {renamed}, file_index FROM read_json({literals(view.names)}, format = 'newline_delimited', "  # noqa: S608
        f"columns = {{{types}}}, maximum_object_size = {MAX_OBJECT_BYTES}, "
        f"compression = {literal(view.compression or 'none')}))"
    )


def _parquet(
    connection: "duckdb.DuckDBPyConnection", view: Shown, files: Sequence[SourceFile], columns: Sequence[Column]
) -> str:
    scan = f"read_parquet({literals(view.names)}, hive_partitioning = false, union_by_name = false)"
    there = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
    parquet.check_columns(files[0].label, [name for name, *_ in there], columns)
    selected = []
    for index, (column, (name, kind, *_)) in enumerate(zip(columns, there, strict=True)):
        same = type_of(kind) == column.type
        cast = "" if same else f"::{DUCKDB_TYPES[column.type]}"
        selected.append(f"{identifier(name)}{cast} AS {position(index)}")
    return f"(SELECT {', '.join(selected)}, file_index FROM {scan})"  # noqa: S608


def _of_query(  # noqa: PLR0917
    definition: TabularDefinition,
    source: QuerySource,
    stores: OpenStores,
    stack: contextlib.ExitStack,
    context: Context,
    hurry: Hurry | None,
    spool: Path | None,
    writes_to: Path | None,
) -> Rows:
    limit = hurry.rows + 1 if hurry and not definition.transformations else None
    answers = stores.database(source.datastore_id).batches(
        source.query, limit=limit, timeout_s=source.timeout_s, batch_rows=min(BATCH_ROWS, limit or BATCH_ROWS)
    )
    stack.callback(getattr(answers, "close", lambda: None))
    is_wide = len(definition.columns) > WIDE_COLUMNS
    connection = connected(hurry=hurry, writes_to=spool or writes_to, is_wide=is_wide)
    stack.callback(connection.close)
    base = _answered(connection, definition.columns, answers, context)
    if spool:
        file = literal(str(spool / "rows.parquet"))
        connection.execute(f"COPY ({base}) TO {file} {parquet_options(len(definition.columns))}")
        base = f"SELECT * FROM read_parquet({file})"  # noqa: S608
    if transformations.needs_positions(definition.transformations):
        # A server gives rows in any order: what is drawn depends on the row alone.
        columns = ", ".join(position(index) for index in range(len(definition.columns)))
        base = f"SELECT *, (row({columns}))::VARCHAR AS {POSITION} FROM ({base})"  # noqa: S608
    done = transformations.statement(definition.transformations, definition.columns, base)
    return Rows(connection, done.sql, done.columns, done.keys, is_once=spool is None)


def _answered(
    connection: "duckdb.DuckDBPyConnection",
    columns: Sequence[Column],
    answers: "Iterator[pa.RecordBatch]",
    context: Context,
) -> str:
    """A SELECT of the settled columns, from what a query answers."""
    import pyarrow as pa

    first = next(answers, None)
    if first is None:
        nothing = ", ".join(f"NULL::{DUCKDB_TYPES[column.type]} AS {position(i)}" for i, column in enumerate(columns))
        return f"SELECT {nothing} WHERE false"
    parquet.check_columns("The query", first.schema.names, columns)
    schema = pa.schema([pa.field(f"q{i}", kind) for i, kind in enumerate(first.schema.types)])

    def renamed() -> "Iterator[pa.RecordBatch]":
        with context.kept():
            for batch in chain([first], answers):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    connection.register("answers", pa.RecordBatchReader.from_batches(schema, renamed()))
    # Described from the schema: looking at the answers would use them up.
    with_types = connection.from_arrow(schema.empty_table())
    selected = []
    for index, (column, kind) in enumerate(zip(columns, with_types.types, strict=True)):
        cast = "" if type_of(str(kind)) == column.type else f"::{DUCKDB_TYPES[column.type]}"
        selected.append(f"q{index}{cast} AS {position(index)}")
    return f"SELECT {', '.join(selected)} FROM answers"  # noqa: S608

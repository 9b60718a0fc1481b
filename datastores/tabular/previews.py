"""In the isolated process: the first rows of tables and of files."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datastores.sources import Column, DataPath, DelimitedFormat, FilesSource, TabularDefinition
from datastores.tabular import delimited, looking, relations
from datastores.tabular.failures import LongLine, translated
from datastores.tabular.files import SourceFile, plain_name, shown
from datastores.tabular.inference import FilesDraft
from datastores.tabular.names import unique_names
from datastores.tabular.reading import TablePreview
from datastores.tabular.sniffing import has_header, type_of_cells
from datastores.tabular.sql import identifier, literals
from datastores.tabular.stores import OpenStores, StoreSpecs
from datastores.tabular.types import text_of, type_of
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import duckdb

MOST_CELLS = 100_000  # however wide a table is, a page stays one that can be shown
MOST_COLUMNS = 1_000
WORKBOOK_BYTES = 100 * 1024**2
_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "parquet": (".parquet", ".pq", ".parq"),
    "json_lines": (".jsonl", ".ndjson", ".jsonlines"),
    "json": (".json", ".geojson"),
    "arrow": (".arrow", ".feather", ".ipc", ".arrows"),
    "excel": (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    "tsv": (".tsv", ".tab"),
    "csv": (".csv", ".txt", ".psv", ".dat"),
}


def of_table(definition: TabularDefinition, specs: StoreSpecs, rows: int, within_s: float) -> TablePreview:
    """See `reading.preview`."""
    until = time.monotonic() + within_s
    try:
        return _of_table(definition, specs, relations.Hurry(rows=rows), until)
    except LongLine:
        return _of_table(definition, specs, relations.Hurry(relations.MAX_LINE_BYTES, rows), until)


def _of_table(definition: TabularDefinition, specs: StoreSpecs, hurry: relations.Hurry, until: float) -> TablePreview:
    with relations.opened(definition, specs, hurry=hurry, check_all=False) as opened:
        columns = [placed.column for placed in opened.columns]
        # Ten thousand columns are many megabytes for each piece of rows: those that aren't shown aren't read.
        names = ", ".join(
            # In words, because Python knows instants with a zone only with the help of another package.
            f"{placed.sql_name}::VARCHAR" if placed.column.type == "timestamp" else placed.sql_name
            for placed in opened.columns[:MOST_COLUMNS]
        )
        sql = f"SELECT {names} FROM ({opened.sql})"  # noqa: S608 (our own names)
        return first_of(opened.connection, sql, columns, rows=hurry.rows, until=until)


def first_of(
    connection: "duckdb.DuckDBPyConnection", sql: str, columns: Sequence[Column], *, rows: int, until: float
) -> TablePreview:
    """The first rows of a SELECT: as many as are found by `until` (monotonic)."""
    notes = []
    shown_columns = list(columns[:MOST_COLUMNS])
    if len(columns) > MOST_COLUMNS:
        notes.append(f"The first {MOST_COLUMNS:,} of {len(columns):,} columns are shown.")
    wanted = min(rows, max(1, MOST_CELLS // max(1, len(shown_columns))))
    found_rows: list[tuple[Any, ...]] = []
    is_short = False
    with _interrupted(connection, until) as was_interrupted:
        try:
            cursor = connection.execute(f"SELECT * FROM ({sql}) LIMIT {wanted + 1:d}")  # noqa: S608
            while row := cursor.fetchone():
                found_rows.append(row[:MOST_COLUMNS])
        except Exception:
            if not was_interrupted.is_set():
                raise
            is_short = True
            notes.append("Looking for more rows took too long: these are those that were found in time.")
    return TablePreview(
        columns=shown_columns,
        rows=[[text_of(value) for value in row] for row in found_rows[:wanted]],
        is_cut=len(found_rows) > wanted or is_short,
        notes=notes,
    )


@contextlib.contextmanager
def _interrupted(connection: "duckdb.DuckDBPyConnection", until: float) -> Iterator[threading.Event]:
    was_interrupted = threading.Event()
    over = threading.Event()

    def interrupt() -> None:
        pause_s = max(0.0, until - time.monotonic())
        while not over.wait(pause_s):
            was_interrupted.set()
            connection.interrupt()  # of no effect before it has begun: so again
            pause_s = 0.05

    timer = threading.Thread(target=interrupt, daemon=True)
    timer.start()
    try:
        yield was_interrupted
    finally:
        over.set()
        timer.join()


def of_file(  # noqa: PLR0917 (called by name)
    place: DataPath,
    specs: StoreSpecs,
    kind: str | None,
    sheet: str | None,
    rows: int,
    within_s: float,
) -> TablePreview:
    """See `reading.preview_file`."""
    until = time.monotonic() + within_s
    with OpenStores(specs) as stores:
        file = _only(place, stores)
        kind = kind or _kind_of(file)
        with translated(files=[file]):
            match kind:
                case "arrow":
                    return _of_arrow(file, rows)
                case "excel":
                    return _of_excel(file, sheet, rows)
                case "json":
                    return _of_json(file, rows, until)
    return _of_lines(place, specs, kind, rows, until)


def _only(place: DataPath, stores: OpenStores) -> SourceFile:
    backend, path = stores.files(place)
    entry = backend.stat(path)
    if entry.kind != "file":
        raise UserError(f"“{place.path}” is not a file: choose one in it.", loc=("path",))
    return SourceFile(backend, entry, place.path if place.is_web else entry.path)


def _kind_of(file: SourceFile) -> str:
    name = plain_name(file.entry.name)
    named = next((kind for kind, endings in _ENDINGS.items() if name.endswith(endings)), None)
    if named:
        return named
    with file.open() as stream:
        head = stream.read(16)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "excel"
    return "json" if head.lstrip().startswith((b"{", b"[")) else "csv"


def _of_lines(place: DataPath, specs: StoreSpecs, kind: str, rows: int, until: float) -> TablePreview:
    """Of a kind that datasets are made of, too."""
    form: Any = {"csv": "delimited", "tsv": "delimited"}.get(kind, kind)
    draft = FilesDraft(paths=[place], format=form, separator="\t" if kind == "tsv" else None)
    seen = looking.look(draft, {}, specs, is_tried=False)
    within_s = until - time.monotonic()
    try:
        table = of_table(seen.definition, specs, rows, within_s)
    except UserError as error:
        source = seen.definition.source
        if isinstance(error, LongLine) or not (isinstance(source, FilesSource) and source.format.kind == "delimited"):
            raise
        return _leniently(place, specs, source.format, rows, said=str(error))
    return TablePreview(table.columns, table.rows, table.is_cut, [*seen.notes, *table.notes])


def _leniently(place: DataPath, specs: StoreSpecs, form: DelimitedFormat, rows: int, *, said: str) -> TablePreview:
    """A text that is no table as it should be, cut into cells nevertheless, with what is wrong beside it."""
    with OpenStores(specs) as stores:
        file = _only(place, stores)
        head, is_all = delimited.head_of(file, looking.LOOK_BYTES)
        text = delimited.decoded(head, form.encoding, is_all=is_all, label=file.label)
    found_rows = delimited.first_rows(text, separator=form.separator, quote=form.quote, count=rows + 2)
    width = min(MOST_COLUMNS, max(map(len, found_rows)))
    first = [*found_rows[0], *[""] * (width - len(found_rows[0]))] if form.has_header else [None] * width
    body = found_rows[1:] if form.has_header else found_rows
    names, _ = unique_names(first[:width])
    return TablePreview(
        columns=[Column(name=name, type="string") for name in names],
        rows=[[text_of(cell) for cell in row[:width]] + [None] * (width - len(row)) for row in body[:rows]],
        is_cut=len(body) > rows or not is_all,
        notes=[f"This is no table yet: {said}"],
    )


def _of_json(file: SourceFile, rows: int, until: float) -> TablePreview:
    """Objects in a list, one after the other, or a single one."""
    with contextlib.closing(shown([file])) as view, translated(files=[file]) as context:
        context.view = view
        with contextlib.closing(relations.connected(view, hurry=relations.Hurry())) as connection:
            scan = (
                f"read_json({literals(view.names)}, format = 'auto', maximum_depth = 2, sample_size = 500, "
                f"map_inference_threshold = -1, convert_strings_to_integers = false, "
                f"maximum_object_size = {relations.MAX_OBJECT_BYTES}, "
                f"compression = '{view.compression or 'none'}')"
            )
            there = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
            names, notes = unique_names([name for name, *_ in there])
            columns = [Column(name=n, type=type_of(kind)) for n, (_, kind, *_) in zip(names, there, strict=True)]
            selected = ", ".join(
                f"to_json({identifier(name)})::VARCHAR" if column.type == "other" else identifier(name)
                for column, (name, *_) in zip(columns, there, strict=True)
            )
            sql = f"SELECT {selected} FROM {scan}"  # noqa: S608 (quoted)
            seen = first_of(connection, sql, columns, rows=rows, until=until)
    return TablePreview(seen.columns, seen.rows, seen.is_cut, [*notes, *seen.notes])


def _of_arrow(file: SourceFile, rows: int) -> TablePreview:
    import pyarrow as pa

    with file.open() as stream:
        on_disk = file.backend.local_path(file.path) is not None
        # Mapped, only what is shown is read.
        opened = pa.memory_map(f"/proc/self/fd/{stream.fileno()}") if on_disk else pa.PythonFile(stream, mode="r")
        try:
            reader = pa.ipc.open_file(opened)
            schema, batches = reader.schema, (reader.get_batch(i) for i in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            opened.seek(0)
            reader = pa.ipc.open_stream(opened)
            schema, batches = reader.schema, iter(reader)
        names, notes = unique_names(schema.names)
        wanted = min(rows, max(1, MOST_CELLS // max(1, len(names))))
        table: list[list[Any]] = []
        for batch in batches:
            first = batch.slice(0, wanted + 1 - len(table))
            first.validate(full=True)
            columns = [column.to_pylist() for column in first.columns]
            table += [list(row) for row in zip(*columns, strict=True)]
            if len(table) > wanted:
                break
    with contextlib.closing(relations.connected()) as connection:
        kinds = connection.from_arrow(schema.empty_table()).types
    return TablePreview(
        columns=[Column(name=name, type=type_of(str(kind))) for name, kind in zip(names, kinds, strict=True)],
        rows=[[text_of(value) for value in row] for row in table[:wanted]],
        is_cut=len(table) > wanted,
        notes=notes,
    )


def _of_excel(file: SourceFile, sheet: str | None, rows: int) -> TablePreview:
    import python_calamine

    if (file.entry.size_bytes or 0) > WORKBOOK_BYTES:
        raise UserError(
            f"“{file.label}” is larger than {WORKBOOK_BYTES // 1024**2} MB, and a workbook has to be read as a whole. "
            "Save its table as CSV or Parquet."
        )
    with file.open() as stream:
        try:
            workbook = python_calamine.CalamineWorkbook.from_filelike(stream)
            sheets = workbook.sheet_names
            name = sheet or (sheets[0] if sheets else None)
            if name is None or name not in sheets:
                raise UserError(
                    f"There is no sheet “{sheet}” in “{file.label}”. Choose one of: {', '.join(sheets[:10])}."
                    if sheet
                    else f"“{file.label}” holds no sheet.",
                    loc=("sheet",),
                )
            table = workbook.get_sheet_by_name(name).to_python(skip_empty_area=True, nrows=rows + 2)
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise UserError(
                f"“{file.label}” is no Excel workbook that can be opened: it is damaged, protected by a password, or "
                "of another format. Save it again as .xlsx, or as CSV."
            ) from error
    return _of_cells(table, rows, sheets)


def _of_cells(table: Sequence[Sequence[Any]], rows: int, sheets: list[str]) -> TablePreview:
    """Cells of a sheet: their first row gives the names, where it looks like names."""
    texts = [[text_of(None if cell == "" else cell) for cell in row[:MOST_COLUMNS]] for row in table]
    width = max(map(len, texts), default=0)
    texts = [[*row, *[None] * (width - len(row))] for row in texts]
    named = has_header([[cell or "" for cell in row] for row in texts])
    names, notes = unique_names(texts[0] if named else [None] * width)
    body = texts[1:] if named else texts
    wanted = min(rows, max(1, MOST_CELLS // max(1, width)))
    columns = [
        Column(name=name, type=type_of_cells([row[index] or "" for row in body]) or "string")
        for index, name in enumerate(names)
    ]
    return TablePreview(columns, [list(row) for row in body[:wanted]], len(body) > wanted, notes, sheets)

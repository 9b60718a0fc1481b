"""In the isolated process: what a table is, from a bounded look at its beginning."""

import contextlib
import csv
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from datastores.sources import (
    Column,
    ColumnType,
    DelimitedFormat,
    FilesSource,
    JsonLinesFormat,
    ParquetFormat,
    QuerySource,
    TabularDefinition,
)
from datastores.tabular import delimited, parquet, partitions, relations, sniffing
from datastores.tabular.failures import translated
from datastores.tabular.files import EXTENSIONS, SourceFile, found, plain_name, shown
from datastores.tabular.inference import FilesDraft, Inference
from datastores.tabular.names import unique_names
from datastores.tabular.sql import literals
from datastores.tabular.stores import OpenStores, StoreSpecs
from datastores.tabular.types import type_of
from studio.lib.problems import UserError

LOOK_BYTES = 1024**2
LOOK_ROWS = 10_000
LOOK_CELLS = 1_000_000
COMPARED_FILES = 50
TRIED_ROWS = 100
_JSON_DEPTH = "“{}”, line {:,} is nested too deeply to be read. Flatten it, or leave that line out."


def look(
    source: FilesDraft | QuerySource, given: Mapping[str, ColumnType], specs: StoreSpecs, *, is_tried: bool = True
) -> Inference:
    """See `inference.look`. `is_tried` where the first rows are read, too: what doesn't fit is said now."""
    with OpenStores(specs) as stores:
        if isinstance(source, QuerySource):
            columns, notes = _of_query(source, stores)
            # The server itself says the types: they can be read as others, and stay the server's otherwise.
            definition = TabularDefinition(source=source, columns=_as_given(columns, given))
        else:
            definition, notes = _of_files(source, given, stores)
    if is_tried:
        _try(definition, specs)
    return Inference(definition, notes)


def _try(definition: TabularDefinition, specs: StoreSpecs) -> None:
    """Read the first rows as they will be read."""
    if isinstance(definition.source, QuerySource):
        return  # it has been asked for its columns, and may take long
    hurry = relations.Hurry(rows=TRIED_ROWS)
    with relations.opened(definition, specs, hurry=hurry, check_all=False) as rows:
        rows.connection.execute(f"SELECT * FROM ({rows.sql}) LIMIT {TRIED_ROWS}").fetchall()  # noqa: S608


def _of_query(source: QuerySource, stores: OpenStores) -> tuple[list[Column], list[str]]:
    columns = stores.database(source.datastore_id).columns(source.query)
    if not columns:
        raise UserError("This query answers with no columns. Write a SELECT.", loc=("query",))
    names, notes = unique_names([column.name for column in columns])
    return [Column(name=name, type=column.type) for name, column in zip(names, columns, strict=True)], notes


def _of_files(
    draft: FilesDraft, given: Mapping[str, ColumnType], stores: OpenStores
) -> tuple[TabularDefinition, list[str]]:
    parting = partitions.parsed(draft.partition_format) if draft.partition_format else None
    files = found(draft.paths, stores, format_kind=draft.format)
    specimen = next((file for file in files if file.entry.size_bytes != 0), None)
    if specimen is None:
        raise UserError(f"“{files[0].label}” is empty: there is no table in it. Upload it again.", loc=("paths",))
    head, _ = delimited.head_of(specimen, 16)
    kind = draft.format or _format_of(specimen, head)
    if draft.format is None and len(files) > 1:  # now it is known which files of a folder count
        files = found(draft.paths, stores, format_kind=kind)
    with translated(files=files):
        form, columns, notes = _LOOKS[kind](draft, specimen, files)
    if parting:
        parting.values([file.path for file in files])
        taken = {column.name.casefold() for column in columns}
        for column in parting.columns:
            if column.name.casefold() in taken:
                raise UserError(
                    f"The files have a column “{column.name}” themselves: give the part in braces another name.",
                    loc=partitions.LOC,
                )
        columns += parting.columns
    if len(files) > 1:
        notes.append(f"{len(files):,} files are one table, in the order of their paths.")
    source = FilesSource(paths=draft.paths, format=form, partition_format=draft.partition_format)
    return TabularDefinition(source=source, columns=_as_given(columns, given)), notes


def _format_of(file: SourceFile, head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    name = plain_name(file.entry.name)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UserError(
            f"“{file.label}” is an Excel workbook or a zip file. Save its table as CSV or Parquet, and use that.",
            loc=("paths",),
        )
    if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        raise UserError(
            f"“{file.label}” is compressed and its name doesn't say so. Let it end in .gz or .zst.", loc=("paths",)
        )
    for kind in ("parquet", "json_lines", "delimited"):
        if name.endswith(EXTENSIONS[kind]):
            return kind
    return "json_lines" if head.lstrip().startswith(b"{") else "delimited"


def _delimited(
    draft: FilesDraft, file: SourceFile, files: Sequence[SourceFile]
) -> tuple[DelimitedFormat, list[Column], list[str]]:
    size = LOOK_BYTES
    while True:
        head, is_all = delimited.head_of(file, size)
        encoding = draft.encoding or sniffing.encoding_of(head, is_all=is_all)
        text = delimited.decoded(head, encoding, is_all=is_all, label=file.label)
        _refuse_nul(text, file.label)
        quote = sniffing.quote_of(text) if draft.quote is None else draft.quote
        separator = draft.separator or sniffing.separator_of(text, quote=quote, name=plain_name(file.entry.name))
        rows = _rows(text, separator, quote, file.label)
        if is_all or len(rows) > 2:
            break
        if size >= delimited.MOST_HEAD_BYTES:
            raise UserError(delimited.endless(file.label))
        size = delimited.MOST_HEAD_BYTES
    if not is_all:
        rows = rows[:-1]  # the last one is cut
    if not rows:
        raise UserError(f"“{file.label}” holds no rows: there is no table in it. Upload it again.", loc=("paths",))
    has_header = sniffing.has_header(rows[: sniffing.LOOKED_AT_ROWS]) if draft.has_header is None else draft.has_header
    names, notes = unique_names(rows[0] if has_header else [None] * len(rows[0]))
    body = rows[1:] if has_header else rows
    is_all = is_all and len(rows) < LOOK_ROWS and len(body) <= max(100, LOOK_CELLS // len(names))
    body = body[: max(100, LOOK_CELLS // len(names))]
    cells = zip_longest(*(row[: len(names)] for row in body), fillvalue="") if body else iter([()] * len(names))
    columns = [
        Column(name=name, type=sniffing.type_of_cells(values) or "string")
        for name, values in zip_longest(names, cells, fillvalue=())
        if isinstance(name, str)
    ]
    form = DelimitedFormat(separator=separator, has_header=has_header, encoding=encoding, quote=quote)
    if not has_header:
        notes = ["The first row holds values, not names: columns are named by position, as in “column_1”."]
    delimited.check_heads(files[:COMPARED_FILES], form, columns)
    return form, columns, [*notes, *_looked(len(body), file, files, is_all=is_all)]


def _rows(text: str, separator: str, quote: str, label: str) -> list[list[str]]:
    try:
        return delimited.first_rows(text, separator=separator, quote=quote, count=LOOK_ROWS)
    except csv.Error as error:
        if "field larger" in str(error):
            raise UserError(delimited.endless(label)) from None
        raise UserError(
            f"“{label}” can't be cut into cells with this separator and quotation mark. Choose others.",
            loc=("format", "separator"),
        ) from None
    except TypeError:
        raise UserError(
            "A separator and a quotation mark are one character each.", loc=("format", "separator")
        ) from None


def _refuse_nul(text: str, label: str) -> None:
    at = text.find("\0")
    if at >= 0:
        raise UserError(
            f"“{label}”, line {text.count(chr(10), 0, at) + 1:,} holds a NUL byte: it is no text, it is damaged, or "
            "it is in another encoding, such as utf-16. Choose the encoding, or write the file again.",
            loc=("format", "encoding"),
        )


def _json_lines(
    draft: FilesDraft, file: SourceFile, files: Sequence[SourceFile]
) -> tuple[JsonLinesFormat, list[Column], list[str]]:
    size = LOOK_BYTES
    while True:
        head, is_all = delimited.head_of(file, size)
        encoding = draft.encoding or sniffing.encoding_of(head, is_all=is_all)
        text = delimited.decoded(head, encoding, is_all=is_all, label=file.label)
        lines = text.split("\n") if is_all else text.split("\n")[:-1]
        if is_all or lines:
            break
        if size >= delimited.MOST_HEAD_BYTES:
            raise UserError(delimited.endless(file.label))
        size = delimited.MOST_HEAD_BYTES
    types: dict[str, ColumnType | None] = {}
    count = 0
    for number, line in enumerate(lines[:LOOK_ROWS], 1):
        if line.strip():
            for name, value in _object(line, number, file.label).items():
                types[name] = _together(types.get(name), _type_of_json(value))
            count += 1
    columns, notes = _columns_of_json(types)
    if not columns:
        raise UserError(f"“{file.label}” holds no objects with names: there is no table in it.", loc=("paths",))
    is_all = is_all and len(lines) <= LOOK_ROWS
    return JsonLinesFormat(encoding=encoding), columns, [*notes, *_looked(count, file, files, is_all=is_all)]


def _object(line: str, number: int, label: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except RecursionError:
        raise UserError(_JSON_DEPTH.format(label, number)) from None
    except ValueError:
        raise UserError(
            f"“{label}”, line {number:,} is not JSON as it should be, one object a line. Correct the file, or choose "
            "another format.",
            loc=("format", "kind"),
        ) from None
    if not isinstance(value, dict):
        raise UserError(
            f"“{label}”, line {number:,} is no JSON object in braces. Write one object a line, or choose another "
            "format.",
            loc=("format", "kind"),
        )
    return value


def _type_of_json(value: Any) -> ColumnType | None:
    match value:
        case None:
            return None
        case bool():
            return "boolean"
        case int():
            return "integer" if -(2**63) <= value < 2**63 else "number"
        case float():
            return "number"
        case str():
            kind = sniffing.type_of_cell(value)
            return kind if kind in {"date", "time", "timestamp"} else "string"
        case _:
            return "other"


def _together(one: ColumnType | None, other: ColumnType | None) -> ColumnType | None:
    if one is None or other is None or one == other:
        return one or other
    if {one, other} == {"integer", "number"}:
        return "number"
    if {one, other} == {"date", "timestamp"}:
        return "timestamp"
    return "other" if "other" in {one, other} else "string"


def _columns_of_json(types: Mapping[str, ColumnType | None]) -> tuple[list[Column], list[str]]:
    """Names can't be changed here: they are how the values are found. Those that can't be told apart are left out."""
    columns: list[Column] = []
    left_out = []
    taken: set[str] = set()
    for name, kind in types.items():
        if not name or len(name) > 200 or "\0" in name or name.casefold() in taken or not name.isprintable():
            left_out.append(name)
            continue
        taken.add(name.casefold())
        columns.append(Column(name=name, type=kind or "string"))
    notes = []
    if left_out:
        named = ", ".join(f"“{name[:60]}”" for name in left_out[:5])
        notes.append(
            f"Left out, because a column can't be called so or differs from another by its capital letters only: "
            f"{named}."
        )
    if any("<" in column.name for column in columns):
        notes.append("Some names of columns hold HTML: they are shown as they are written.")
    return columns, notes


def _parquet(
    _draft: FilesDraft, file: SourceFile, files: Sequence[SourceFile]
) -> tuple[ParquetFormat, list[Column], list[str]]:
    columns, notes = columns_of_parquet(file)
    for other in files[:COMPARED_FILES]:
        if other is not file:
            theirs, _ = columns_of_parquet(other)
            if theirs != columns:
                parquet.refuse_other(other.label, theirs, columns)
    return ParquetFormat(), columns, notes


def columns_of_parquet(file: SourceFile) -> tuple[list[Column], list[str]]:
    """What a Parquet file says of itself."""
    with contextlib.closing(shown([file])) as view, translated(files=[file]) as context:
        context.view = view
        with contextlib.closing(relations.connected(view)) as connection:
            scan = f"read_parquet({literals(view.names)}, hive_partitioning = false)"
            there = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
    names, notes = unique_names([name for name, *_ in there])
    return [Column(name=name, type=type_of(kind)) for name, (_, kind, *_) in zip(names, there, strict=True)], notes


def _as_given(columns: Sequence[Column], given: Mapping[str, ColumnType]) -> list[Column]:
    return [Column(name=column.name, type=given.get(column.name, column.type)) for column in columns]


def _looked(count: int, file: SourceFile, files: Sequence[SourceFile], *, is_all: bool) -> list[str]:
    """How far the types of the columns can be trusted; nothing to say where the whole table was looked at."""
    if is_all and len(files) == 1:
        return []
    rows = "row" if count == 1 else f"{count:,} rows"
    were = "was" if count == 1 else "were"
    return [f"The {'' if is_all else 'first '}{rows} of “{file.label}” {were} looked at for the types of the columns."]


_LOOKS: Mapping[str, Any] = {"delimited": _delimited, "json_lines": _json_lines, "parquet": _parquet}

"""The rows of tables: their first ones to look at, or all of them. Everything is read in a process of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from datastores.models import Datastore
from datastores.sources import Column, DataPath, TabularDefinition
from datastores.tabular import isolated
from datastores.tabular.isolated import Check, Progress
from datastores.tabular.stores import StoreSpecs, specs_of, specs_of_definition

if TYPE_CHECKING:
    import pyarrow as pa

PREVIEW_MEMORY_BYTES = 1024**3
FileFormat = Literal["csv", "tsv", "parquet", "json", "json_lines", "arrow", "excel"]


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The first rows of a table, as texts of at most 1,000 characters; None where a value is missing."""

    columns: list[Column]
    rows: list[list[str | None]]
    is_cut: bool  # there are more rows
    notes: list[str] = field(default_factory=list)  # for people: what was noticed on the way
    sheets: list[str] = field(default_factory=list)  # of an Excel file


def preview(
    definition: TabularDefinition, *, workspace_id: int, rows: int = 100, deadline_s: float = 10.0
) -> TablePreview:
    """The first rows of a table, after its transformations.

    Where few rows pass a filter, it looks as long as it may and says so in the notes. Raises UserError.
    """
    specs = specs_of_definition(definition, workspace_id=workspace_id)
    return isolated.call(
        "datastores.tabular.previews:of_table",
        {"definition": definition, "specs": specs, "rows": rows, "within_s": deadline_s * 0.8},
        returns=TablePreview,
        deadline_s=deadline_s,
        memory_bytes=PREVIEW_MEMORY_BYTES,
        preload=specs.preload,
        secrets=specs.secrets,
    )


def preview_file(
    datastore: Datastore | None,
    path: str,
    *,
    format: FileFormat | None = None,  # noqa: A002 (the word that people use)
    sheet: str | None = None,
    rows: int = 100,
    deadline_s: float = 10.0,
) -> TablePreview:
    """The first rows of one file in `datastore`, or at a web address where that is None.

    Its ending says its format where `format` doesn't; `sheet` is one of an Excel file. Raises UserError.
    """
    specs = specs_of([datastore] if datastore else [], has_web=datastore is None)
    place = DataPath(datastore_id=datastore.pk if datastore else None, path=path)
    return isolated.call(
        "datastores.tabular.previews:of_file",
        {
            "place": place,
            "specs": specs,
            "kind": format,
            "sheet": sheet,
            "rows": rows,
            "within_s": deadline_s * 0.8,
        },
        returns=TablePreview,
        deadline_s=deadline_s,
        memory_bytes=PREVIEW_MEMORY_BYTES,
        preload=specs.preload,
        secrets=specs.secrets,
    )


def batches(
    definition: TabularDefinition,
    *,
    workspace_id: int,
    check: Check | None = None,
    progress: Progress | None = None,
    memory_bytes: int = isolated.MEMORY_BYTES,
) -> "Iterator[pa.RecordBatch]":
    """All rows of a table, after its transformations, with the columns' own names. Raises UserError."""
    specs = specs_of_definition(definition, workspace_id=workspace_id)
    return isolated.stream(
        "datastores.tabular.reading:all_rows",
        {"definition": definition, "specs": specs},
        memory_bytes=memory_bytes,
        preload=specs.preload,
        secrets=specs.secrets,
        check=check,
        progress=progress,
    )


def all_rows(definition: TabularDefinition, specs: StoreSpecs) -> "Iterator[pa.RecordBatch]":
    """In the isolated process: see `batches`."""
    from datastores.tabular import relations

    with relations.opened(definition, specs) as rows:
        yield from rows.reader()

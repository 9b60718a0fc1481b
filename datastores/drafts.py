"""What a person says of a table, as far as they say it; what is left open is found out by a look at the data."""

from typing import Annotated, Literal

from pydantic import Field

from datastores.sources import Column, ColumnType, DataPath, Part, QuerySource, TabularDefinition, Transformation
from datastores.tabular.inference import FilesDraft

__all__ = ["FilesDraft", "MLTableDraft", "TableDraft", "draft_of"]


class MLTableDraft(Part):
    """The folder of an `MLTable` file, which says all there is to say."""

    kind: Literal["mltable"] = "mltable"
    path: DataPath


class TableDraft(Part):
    """A table. `types` are those of columns, by name, that were chosen; they stay."""

    source: Annotated[FilesDraft | QuerySource | MLTableDraft, Field(discriminator="kind")]
    types: dict[str, ColumnType] = Field(default_factory=dict)
    transformations: list[Transformation] = Field(default_factory=list)
    timestamp_column: str | None = None


def draft_of(definition: TabularDefinition) -> TableDraft:
    """What would make `definition` again, of the data as it is by now: how it is read, and the types, stay."""
    if definition.mltable is not None:
        return TableDraft(source=MLTableDraft(path=definition.mltable))
    source: FilesDraft | QuerySource
    if isinstance(definition.source, QuerySource):
        source = definition.source
    else:
        settled = definition.source.format
        source = FilesDraft(
            paths=definition.source.paths,
            format=settled.kind,
            separator=getattr(settled, "separator", None),
            has_header=getattr(settled, "has_header", None),
            encoding=getattr(settled, "encoding", None),
            quote=getattr(settled, "quote", None),
            partition_format=definition.source.partition_format,
        )
    return TableDraft(
        source=source,
        types=_types(definition.columns) if isinstance(source, FilesDraft) and source.format != "parquet" else {},
        transformations=definition.transformations,
        timestamp_column=definition.timestamp_column,
    )


def _types(columns: list[Column]) -> dict[str, ColumnType]:
    return {column.name: column.type for column in columns}

"""What a dataset's definition is made of: shapes only, nothing here looks at data.

Several files of one dataset, a table in them or behind a query, and what is done to its rows before they are read.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from studio.lib.typed_json import Document


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataPath(Part):
    """A file, a folder, or a glob, below a datastore's root, with `/` between its parts.

    Without a datastore it is a web address, `https://…` or `http://…`, of one file.
    """

    datastore_id: int | None
    path: str

    @property
    def is_web(self) -> bool:
        return self.datastore_id is None


class FileDefinition(Document):
    """What a version of a file dataset points at."""

    kind: Literal["file"] = "file"
    paths: list[DataPath]


# What people know a column as; `tabular.types` maps each to Arrow's and DuckDB's types. `other` is shown as text.
ColumnType = Literal[
    "string", "integer", "number", "decimal", "boolean", "date", "time", "timestamp", "binary", "other"
]


class Column(Part):
    name: str
    type: ColumnType


class DelimitedFormat(Part):
    """Text with a separator. `columns` of the definition are read by position; cells that don't fit are refused."""

    kind: Literal["delimited"] = "delimited"
    separator: str = ","
    has_header: bool = True
    encoding: str = "utf-8"  # a name that Python knows
    quote: str = '"'


class ParquetFormat(Part):
    kind: Literal["parquet"] = "parquet"


class JsonLinesFormat(Part):
    """One JSON object a line."""

    kind: Literal["json_lines"] = "json_lines"
    encoding: str = "utf-8"


Format = Annotated[DelimitedFormat | ParquetFormat | JsonLinesFormat, Field(discriminator="kind")]


class FilesSource(Part):
    """A table in files of one format. `partition_format`, as in `{year}/{month}/{grid}.csv`, turns the ends of their
    paths into columns of text (`{when:yyyy/MM/dd}` into a timestamp)."""

    kind: Literal["files"] = "files"
    paths: list[DataPath]
    format: Format
    partition_format: str | None = None


class QuerySource(Part):
    """What one SELECT answers on a SQL datastore."""

    kind: Literal["query"] = "query"
    datastore_id: int
    query: str
    timeout_s: float = 300.0


class KeepColumns(Part):
    kind: Literal["keep_columns"] = "keep_columns"
    columns: list[str]


class DropColumns(Part):
    kind: Literal["drop_columns"] = "drop_columns"
    columns: list[str]


class Condition(Part):
    """One comparison; `value` is written as text and read as the column's type. `in` takes `values`."""

    column: str
    operator: Literal["=", "!=", "<", "<=", ">", ">=", "contains", "starts_with", "in", "is_missing", "is_present"]
    value: str = ""
    values: list[str] = Field(default_factory=list)


class Filter(Part):
    kind: Literal["filter"] = "filter"
    conditions: list[Condition]
    match: Literal["all", "any"] = "all"


class Take(Part):
    """The first rows, in the order of the files."""

    kind: Literal["take"] = "take"
    count: int


class Sample(Part):
    """Each row with this probability; the same seed on the same data gives the same rows."""

    kind: Literal["sample"] = "sample"
    fraction: float
    seed: int = 0


class Split(Part):
    """One part of a random split. Two versions with the same fraction and seed, and other parts, share no row."""

    kind: Literal["split"] = "split"
    fraction: float  # of the first part
    part: Literal["first", "second"] = "first"
    seed: int = 0


class TimeFilter(Part):
    """Rows whose timestamp lies in [`after`, `before`), or in the last `recent_s` seconds of when the rows are read."""

    kind: Literal["time"] = "time"
    column: str
    after: datetime | None = None
    before: datetime | None = None
    recent_s: float | None = None


class PartitionBy(Part):
    """A step finds a folder `KEY=VALUE` for each value of the keys, and a reader of Parquet the columns."""

    kind: Literal["partition_by"] = "partition_by"
    keys: list[str]


Transformation = Annotated[
    KeepColumns | DropColumns | Filter | Take | Sample | Split | TimeFilter | PartitionBy, Field(discriminator="kind")
]


class TabularDefinition(Document):
    """A table: where its rows come from, the columns that were settled when it was made, and what is done to them."""

    kind: Literal["tabular"] = "tabular"
    source: Annotated[FilesSource | QuerySource, Field(discriminator="kind")]
    columns: list[Column]  # of the source, partition columns last; fixed for this version
    transformations: list[Transformation] = Field(default_factory=list)
    timestamp_column: str | None = None
    derived_from: int | None = None  # id of the dataset version that this one was derived from
    mltable: DataPath | None = None  # the folder whose MLTable file said all this


Definition = FileDefinition | TabularDefinition


def paths_of(definition: Definition) -> list[DataPath]:
    """The files that a definition reads; none for a query."""
    if isinstance(definition, FileDefinition):
        return definition.paths
    return definition.source.paths if isinstance(definition.source, FilesSource) else []


def datastores_of(definition: Definition) -> set[int]:
    """The ids of all datastores that a definition reads from."""
    found = {path.datastore_id for path in paths_of(definition) if path.datastore_id is not None}
    if isinstance(definition, TabularDefinition) and isinstance(definition.source, QuerySource):
        found.add(definition.source.datastore_id)
    return found

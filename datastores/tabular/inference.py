"""What a table is: found out by a look at its beginning, but for what a person said already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from datastores.sources import ColumnType, DataPath, Part, QuerySource, TabularDefinition
from datastores.tabular import isolated
from datastores.tabular.stores import specs_for, specs_of_definition


class FilesDraft(Part):
    """A table in files, as far as a person has said what it is; None is found out."""

    kind: Literal["files"] = "files"
    paths: list[DataPath]
    format: Literal["delimited", "parquet", "json_lines"] | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=4)
    has_header: bool | None = None
    encoding: str | None = None
    quote: str | None = Field(default=None, max_length=1)
    partition_format: str | None = None


@dataclass(frozen=True, slots=True)
class Inference:
    """A definition, and what was noticed while it was found out, in sentences (how many rows were looked at, names of
    columns that were changed)."""

    definition: TabularDefinition
    notes: list[str] = field(default_factory=list)


def infer(
    source: FilesDraft | QuerySource,
    *,
    workspace_id: int,
    given: Mapping[str, ColumnType] | None = None,
    deadline_s: float = 20.0,
) -> TabularDefinition:
    """`look`, without its notes."""
    return look(source, workspace_id=workspace_id, given=given, deadline_s=deadline_s).definition


def look(
    source: FilesDraft | QuerySource,
    *,
    workspace_id: int,
    given: Mapping[str, ColumnType] | None = None,
    deadline_s: float = 20.0,
) -> Inference:
    """The table that `source` is. `given` are types by column name that somebody chose: they stay.

    Raises UserError at `paths`, `("format", FIELD)`, `partition_format`, `query`, or `("columns", NAME)`.
    """
    if isinstance(source, QuerySource):
        definition = TabularDefinition(source=source, columns=[])
        specs = specs_of_definition(definition, workspace_id=workspace_id)
    else:
        specs = specs_for(source.paths, workspace_id=workspace_id)
    return isolated.call(
        "datastores.tabular.looking:look",
        {"source": source, "given": dict(given or {}), "specs": specs},
        returns=Inference,
        deadline_s=deadline_s,
        preload=specs.preload,
        secrets=specs.secrets,
    )

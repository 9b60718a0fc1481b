"""What the pages about one version say of it."""

from dataclasses import dataclass
from typing import Any, Literal

from datastores import dataset_queries, queries
from datastores.backends import store_class
from datastores.definition_words import (
    PathWords,
    path_words,
    paths_words,
    source_words,
    transformation_words,
)
from datastores.models import DatasetVersion, Datastore
from datastores.sources import QuerySource, TabularDefinition
from datastores.tabular.transformations import checked
from studio.workspaces.models import Workspace

DATASTORES_OFFERED = 500


@dataclass(frozen=True, slots=True)
class QueryWords:
    text: str
    datastore: Datastore | None
    is_removed: bool


def facts_of(version: DatasetVersion) -> dict[str, Any]:
    """The definition of `version` in words, and the tabs of its page. Asks no datastore."""
    definition, workspace = version.definition, version.dataset.workspace
    datastores = dataset_queries.datastores_named(workspace, [version])
    facts: dict[str, Any] = {
        "paths": paths_words(definition, datastores),
        "reads_as": source_words(definition),
        "tabs": ["files", "profile", "versions"],
        "derived": dataset_queries.derived_from(version),
        "tags": version.tags.tags,
    }
    if not isinstance(definition, TabularDefinition):
        facts["tabs"] = ["files", "versions"]
        facts["read_with"] = _file_line(facts["paths"])
        return facts
    is_query = isinstance(definition.source, QuerySource)
    facts |= {
        "tabs": ["preview", *([] if is_query else ["files"]), "profile", "versions"],
        "columns": checked(definition.transformations, definition.columns),
        "steps": [transformation_words(step) for step in definition.transformations],
        "partition_format": None if is_query else definition.source.partition_format,  # type: ignore[union-attr]
        "timestamp_column": definition.timestamp_column,
        "derived_from": _base(version, definition),
        "mltable": definition.mltable and path_words(definition.mltable, datastores),
        "read_with": "pandas.read_parquet(path)",
    }
    if isinstance(definition.source, QuerySource):
        datastore = datastores.get(definition.source.datastore_id)
        is_removed = datastore is None or datastore.removed_at is not None
        facts["query"] = QueryWords(definition.source.query, datastore, is_removed)
    return facts


def _base(version: DatasetVersion, definition: TabularDefinition) -> DatasetVersion | str | None:
    """The version that it was derived from, or a word where that is deleted."""
    if definition.derived_from is None:
        return None
    base = dataset_queries.version_in(version.dataset.workspace, definition.derived_from)
    return base or "a dataset that was deleted"


def _file_line(paths: list[PathWords]) -> str:
    return "open(path)" if len(paths) == 1 and paths[0].is_file_like else "os.listdir(path)"


def offered_datastores(workspace: Workspace, *, holds: Literal["files", "tables"] = "files") -> list[Datastore]:
    """The datastores that a form offers."""
    datastores = queries.datastores_in(workspace)[:DATASTORES_OFFERED]
    return [datastore for datastore in datastores if store_class(datastore.kind).holds == holds]

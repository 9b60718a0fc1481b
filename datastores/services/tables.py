"""Make tables: of files, of a query, of an `MLTable` folder, and of other tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from datastores.backends import get_database
from datastores.drafts import FilesDraft, MLTableDraft, TableDraft, draft_of
from datastores.models import Dataset, DatasetVersion, Datastore
from datastores.services.datasets import add_dataset_version, checked_paths
from datastores.services.stores import problems_of
from datastores.services.versions import Words, add_version, create_all, words_problems
from datastores.sources import (
    Column,
    DataPath,
    FileDefinition,
    QuerySource,
    TabularDefinition,
    Transformation,
    datastores_of,
    paths_of,
)
from datastores.tabular import inference, mltable
from datastores.tabular.inference import Inference
from datastores.tabular.transformations import checked
from studio.lib.problems import Problem, UserError
from studio.workspaces.models import User, Workspace

MAX_QUERY_LENGTH = 100_000
MAX_TRANSFORMATIONS = 100
LONGEST_TIMEOUT_S = 3600.0


def settle_table(workspace: Workspace, draft: TableDraft) -> Inference:
    """The table that `draft` means, with all that it left open found out by a look at its beginning.

    Raises UserError at `("paths", i, FIELD)`, `("format", FIELD)`, `partition_format`, `datastore_id`, `query`,
    `timeout_s`, `mltable`, `("columns", NAME)`, `timestamp_column` and `("transformations", i, FIELD)`.
    """
    found = _looked(workspace, draft)
    definition = found.definition
    _require_own(workspace, definition)
    steps = [*definition.transformations, *draft.transformations]
    if len(steps) > MAX_TRANSFORMATIONS:
        raise UserError(f"At most {MAX_TRANSFORMATIONS} transformations.", loc=("transformations",))
    checked(steps, definition.columns)
    time_column = draft.timestamp_column or definition.timestamp_column
    _check_timestamp(time_column, definition.columns)
    changes: dict[str, object] = {"transformations": steps, "timestamp_column": time_column}
    if draft.transformations:  # the MLTable file no longer says all of it
        changes["mltable"] = None
    settled = definition.model_copy(update=changes)
    return replace(found, definition=settled)


def derived_table(base: DatasetVersion, transformations: Sequence[Transformation]) -> TabularDefinition:
    """`base` with more done to its rows: nothing is copied, nothing is looked at.

    Raises UserError at `("transformations", i, FIELD)`, counted from the first new one, and where `base` is no table.
    """
    definition = base.definition
    if not isinstance(definition, TabularDefinition):
        raise UserError(f"{base} names files. Only tables can be derived from.")
    if not transformations:
        raise UserError("Add at least one step: this would be the same table.", loc=("transformations",))
    if len(definition.transformations) + len(transformations) > MAX_TRANSFORMATIONS:
        raise UserError(f"At most {MAX_TRANSFORMATIONS} transformations.", loc=("transformations",))
    _require_own(base.dataset.workspace, definition)
    checked(transformations, checked(definition.transformations, definition.columns))
    return definition.model_copy(
        update={
            "transformations": [*definition.transformations, *transformations],
            "derived_from": base.pk,
            "mltable": None,
        }
    )


def create_table(
    workspace: Workspace,
    *,
    name: str,
    definition: TabularDefinition,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    actor: User | None,
) -> DatasetVersion:
    """A new tabular dataset, and its version 1, of a definition that `settle_table` or `derived_table` gave.

    Raises UserError at `name`, `description` and `("tags", NAME)`.
    """
    return create_tables(workspace, [(name, definition)], description=description, tags=tags, actor=actor)[0]


def create_tables(
    workspace: Workspace,
    tables: Sequence[tuple[str, TabularDefinition]],
    *,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    actor: User | None,
) -> list[DatasetVersion]:
    """Several at once, as both parts of a split: all of them or none.

    Raises UserError as `create_table`; of several names at `("names", i)`.
    """
    words = Words(tags=tags or {})
    problems = words_problems(words)
    datasets = []
    for number, (name, definition) in enumerate(tables):
        dataset = Dataset(workspace=workspace, name=name, description=description, created_by=actor)
        for problem in problems_of(dataset):
            at_name = ("names", number) if len(tables) > 1 and problem.loc == ("name",) else problem.loc
            problems.append(Problem(at_name, problem.message))
        datasets.append((dataset, definition))
    if problems:
        raise UserError(problems)
    for _, definition in datasets:
        _require_own(workspace, definition)
    return create_all(datasets, words=words, actor=actor)


def add_table_version(
    dataset: Dataset,
    *,
    definition: TabularDefinition,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    moved_on: bool = False,
    actor: User | None,
) -> tuple[DatasetVersion, bool]:
    """The dataset's version with this definition, and whether it is new; see `add_dataset_version`."""
    words = Words(description, tags or {})
    if problems := words_problems(words):
        raise UserError(problems)
    _require_own(dataset.workspace, definition)
    return add_version(dataset, definition, words=words, actor=actor, moved_on=moved_on)


def make_again(
    version: DatasetVersion,
    *,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    actor: User | None,
) -> tuple[DatasetVersion, bool]:
    """A new version of the same paths, or of the same query: what lies there has moved on, also its columns.

    Its tags are those of `version` unless others are given.
    """
    dataset, definition = version.dataset, version.definition
    said: dict[str, Any] = {"description": description, "tags": tags or version.tags.tags, "actor": actor}
    if isinstance(definition, FileDefinition):
        return add_dataset_version(dataset, paths=definition.paths, moved_on=True, **said)
    again = settle_table(dataset.workspace, draft_of(definition)).definition
    again = again.model_copy(update={"derived_from": definition.derived_from})
    return add_table_version(dataset, definition=again, moved_on=True, **said)


def _looked(workspace: Workspace, draft: TableDraft) -> Inference:
    source = draft.source
    if isinstance(source, FilesDraft):
        paths = checked_paths(workspace, source.paths, look=False)
        return inference.look(source.model_copy(update={"paths": paths}), workspace_id=workspace.pk, given=draft.types)
    if isinstance(source, MLTableDraft):
        return mltable.look(_mltable_path(workspace, source), workspace_id=workspace.pk)
    return inference.look(_checked_query(workspace, source), workspace_id=workspace.pk, given=draft.types)


def _mltable_path(workspace: Workspace, source: MLTableDraft) -> DataPath:
    try:
        return checked_paths(workspace, [source.path], look=False)[0]
    except UserError as error:
        problems = [Problem(("mltable", *problem.loc[2:]), problem.message) for problem in error.problems]
        raise UserError(problems) from error


def _checked_query(workspace: Workspace, source: QuerySource) -> QuerySource:
    """Raises UserError where there is nothing to ask, or nobody to ask it."""
    datastore = Datastore.objects.filter(workspace=workspace, pk=source.datastore_id).first()
    if datastore is None:
        raise UserError("Choose a SQL datastore of this workspace.", loc=("datastore_id",))
    get_database(datastore).close()
    query = source.query.strip()
    if not query or "\0" in query:
        raise UserError("Write the SELECT that gives the table.", loc=("query",))
    if len(query) > MAX_QUERY_LENGTH:
        raise UserError(f"A query can have {MAX_QUERY_LENGTH:,} characters.", loc=("query",))
    if not 0 < source.timeout_s <= LONGEST_TIMEOUT_S:
        raise UserError(f"Give a time of up to {LONGEST_TIMEOUT_S:,.0f} seconds.", loc=("timeout_s",))
    return source.model_copy(update={"query": query})


def _require_own(workspace: Workspace, definition: TabularDefinition) -> None:
    """Raises UserError where a definition reads what is not, or no longer, of the workspace."""
    wanted = datastores_of(definition)
    if Datastore.objects.filter(workspace=workspace, pk__in=wanted).count() < len(wanted):
        raise UserError("A datastore that it reads from has been removed. Point the table elsewhere.")
    if paths := paths_of(definition):
        checked_paths(workspace, paths, look=False)


def _check_timestamp(name: str | None, columns: Sequence[Column]) -> None:
    if name is None:
        return
    column = next((column for column in columns if column.name == name), None)
    if column is None:
        raise UserError(f"There is no column “{name[:100]}”.", loc=("timestamp_column",))
    if column.type not in {"timestamp", "date"}:
        raise UserError(f"“{name}” holds no timestamps. Choose a column that does.", loc=("timestamp_column",))

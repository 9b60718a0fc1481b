"""What exists in a workspace, as far as a definition speaks of it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from compute.models import ComputeTarget, Environment
from datastores import snapshots
from datastores.models import Dataset, DatasetVersion, Snapshot
from pipelines.definition import DatasetBinding, PipelineDefinition
from pipelines.validation import Catalogue, split_environment
from studio.workspaces.models import Workspace

_NAMES_TO_SUGGEST = 1000


def catalogue_for(workspace: Workspace, definition: PipelineDefinition) -> Catalogue:
    """A number of queries that does not grow with the definition, apart from sources seen for the first time."""
    return Catalogue(
        datasets=_datasets(workspace, definition),
        environments=_environments(workspace),
        computes=frozenset(visible(ComputeTarget.objects.all(), workspace).values_list("name", flat=True)),
        sources=_sources(workspace, definition),
    )


def visible(rows: "QuerySet[Any]", workspace: Workspace) -> "QuerySet[Any]":
    """Of environments or targets, those of the workspace and those that are shared by all."""
    return rows.filter(Q(workspace=workspace) | Q(workspace=None))


@dataclass(frozen=True, slots=True)
class Bound:
    """The rows that the names of a definition stand for at this moment."""

    datasets: dict[tuple[str, int | None], DatasetVersion]  # None: the latest
    environments: dict[str, Environment]  # by the reference as it is written
    computes: dict[str, ComputeTarget]


def bind(workspace: Workspace, definition: PipelineDefinition) -> Bound:
    """For a definition that was found good. What belongs to the workspace goes before what is shared."""
    targets = {target.name: target for target in _shared_first(ComputeTarget.objects.all(), workspace)}
    return Bound(_bound_datasets(workspace, definition), _bound_environments(workspace, definition), targets)


def _datasets(workspace: Workspace, definition: PipelineDefinition) -> dict[str, frozenset[int]]:
    asked = _dataset_names(definition)
    if not asked:
        return {}
    names = Dataset.objects.filter(workspace=workspace).values_list("name", flat=True)
    versions: dict[str, set[int]] = {name: set() for name in names[:_NAMES_TO_SUGGEST]}
    rows = DatasetVersion.objects.filter(dataset__workspace=workspace, dataset__name__in=asked)
    for name, number in rows.values_list("dataset__name", "number"):
        versions.setdefault(name, set()).add(number)
    return {name: frozenset(numbers) for name, numbers in versions.items() if numbers or name not in asked}


def _environments(workspace: Workspace) -> dict[str, frozenset[int]]:
    rows = visible(Environment.objects.all(), workspace).values_list("name", "version", "workspace_id")
    own: dict[str, set[int]] = {}
    shared: dict[str, set[int]] = {}
    for name, version, workspace_id in rows.order_by():
        (own if workspace_id else shared).setdefault(name, set()).add(version)
    return {name: frozenset(numbers) for name, numbers in (shared | own).items()}


def _sources(workspace: Workspace, definition: PipelineDefinition) -> dict[str, frozenset[str]]:
    sources: dict[str, frozenset[str]] = {}
    for digest in {step.source for step in definition.steps if step.source}:
        try:
            sources[digest] = snapshots.paths_of(workspace.pk, digest)
        except Snapshot.DoesNotExist:
            continue
    return sources


def _bound_datasets(
    workspace: Workspace, definition: PipelineDefinition
) -> dict[tuple[str, int | None], DatasetVersion]:
    asked = _dataset_names(definition)
    if not asked:
        return {}
    rows = DatasetVersion.objects.filter(dataset__workspace=workspace, dataset__name__in=asked)
    bound: dict[tuple[str, int | None], DatasetVersion] = {}
    for row in rows.select_related("dataset").order_by("number"):
        bound[row.dataset.name, row.number] = bound[row.dataset.name, None] = row
    return bound


def _bound_environments(workspace: Workspace, definition: PipelineDefinition) -> dict[str, Environment]:
    references = {step.environment for step in definition.steps}
    names = {split_environment(reference)[0] for reference in references}
    latest: dict[str, Environment] = {}
    of_version: dict[tuple[str, int], Environment] = {}
    rows = visible(Environment.objects.filter(name__in=names), workspace)
    own = {row.name for row in rows if row.workspace_id}
    for row in sorted(rows, key=lambda row: row.version):
        if row.workspace_id or row.name not in own:
            latest[row.name] = of_version[row.name, row.version] = row
    bound: dict[str, Environment] = {}
    for reference in references:
        name, version = split_environment(reference)
        bound[reference] = latest[name] if version is None else of_version[name, int(version)]
    return bound


def _shared_first(rows: "QuerySet[Any]", workspace: Workspace) -> list[Any]:
    return sorted(visible(rows, workspace), key=lambda row: row.workspace_id is not None)


def _dataset_names(definition: PipelineDefinition) -> set[str]:
    bindings = (given.binding for step in definition.steps for given in step.inputs)
    return {binding.dataset for binding in bindings if isinstance(binding, DatasetBinding)}

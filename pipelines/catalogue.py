"""What exists in a workspace, as far as a definition speaks of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from compute.models import ComputeTarget, Environment, Node
from compute.queries import targets_of
from compute.resources import Capacity
from datastores import snapshots
from datastores.backends import store_class
from datastores.models import Dataset, DatasetVersion, Datastore, Snapshot
from pipelines.data_values import datasets_of
from pipelines.definition import DatasetBinding, ParameterValue, PipelineDefinition
from pipelines.destinations import StoreFacts
from pipelines.validation import Catalogue, split_environment
from studio.workspaces.models import Workspace

_NAMES_TO_SUGGEST = 1000
NO_VALUES: Mapping[str, ParameterValue] = {}
# A node that has been away for longer says nothing about what its target can have.
NODE_REMEMBERED = timedelta(days=30)


def catalogue_for(
    workspace: Workspace, definition: PipelineDefinition, values: Mapping[str, ParameterValue] = NO_VALUES
) -> Catalogue:
    """A number of queries that does not grow with the definition, apart from sources seen for the first time.

    `values` of parameters may speak of datasets, too.
    """
    datasets, tables = _datasets(workspace, definition, values)
    targets = list(targets_of(workspace))
    asks = any(not step.resources.is_empty for step in definition.steps)
    stores = list(Datastore.objects.filter(workspace=workspace).values_list("name", "kind", "is_default"))
    return Catalogue(
        datasets=datasets,
        tables=tables,
        datastores={name: _facts(kind) for name, kind, _is_default in stores},
        default_datastore=next((name for name, _kind, is_default in stores if is_default), None),
        environments=_environments(workspace),
        computes=frozenset(target.name for target in targets),
        nodes=nodes_of(_closest(workspace, targets)) if asks else {},
        sources=_sources(workspace, definition),
    )


def visible(rows: "QuerySet[Any]", workspace: Workspace) -> "QuerySet[Any]":
    """Of environments, those of the workspace and those that come with the studio."""
    return rows.filter(Q(workspace=workspace) | Q(workspace=None))


@dataclass(frozen=True, slots=True)
class Bound:
    """The rows that the names of a definition stand for at this moment."""

    datasets: dict[tuple[str, int | None], DatasetVersion]  # None: the latest
    environments: dict[str, Environment]  # by the reference as it is written
    computes: dict[str, ComputeTarget]
    datastores: dict[str | None, Datastore]  # by name; None: the default one


def bind(workspace: Workspace, definition: PipelineDefinition, values: Mapping[str, ParameterValue]) -> Bound:
    """For a definition and values that were found good. What belongs to the workspace goes before what is shared."""
    targets = _closest(workspace, targets_of(workspace))
    stores: dict[str | None, Datastore] = {}
    for store in Datastore.objects.filter(workspace=workspace).defer("credentials"):
        stores[store.name] = store
        if store.is_default:
            stores[None] = store
    return Bound(
        _bound_datasets(workspace, definition, values), _bound_environments(workspace, definition), targets, stores
    )


def kind_of_definition() -> KeyTextTransform:
    """For `annotate`: a version's kind without the rest of its definition."""
    return KeyTextTransform("kind", "definition")


def _datasets(
    workspace: Workspace, definition: PipelineDefinition, values: Mapping[str, ParameterValue]
) -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """The versions of the datasets that are spoken of, and those of them that are tables."""
    asked = {name for name, _version in _spoken_of(definition, values)} | _registered_names(definition)
    if not asked:
        return {}, {}
    names = Dataset.objects.filter(workspace=workspace).values_list("name", flat=True)
    versions: dict[str, set[int]] = {name: set() for name in names[:_NAMES_TO_SUGGEST]}
    tables: dict[str, set[int]] = {}
    rows = DatasetVersion.objects.filter(dataset__workspace=workspace, dataset__name__in=asked)
    for name, number, kind in rows.annotate(kind=kind_of_definition()).values_list("dataset__name", "number", "kind"):
        versions.setdefault(name, set()).add(number)
        if kind == "tabular":
            tables.setdefault(name, set()).add(number)
    there = {name: frozenset(numbers) for name, numbers in versions.items() if numbers or name not in asked}
    return there, {name: frozenset(numbers) for name, numbers in tables.items()}


def _facts(kind: str) -> StoreFacts:
    store = store_class(kind)
    return StoreFacts(holds=store.holds, is_writable=store.is_writable)


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
    workspace: Workspace, definition: PipelineDefinition, values: Mapping[str, ParameterValue]
) -> dict[tuple[str, int | None], DatasetVersion]:
    asked = _spoken_of(definition, values)
    if not asked:
        return {}
    rows = DatasetVersion.objects.filter(
        dataset__workspace=workspace, dataset__name__in={name for name, _version in asked}
    )
    ids: dict[tuple[str, int | None], int] = {}
    for pk, name, number in rows.order_by("number").values_list("pk", "dataset__name", "number"):
        ids[name, number] = ids[name, None] = pk
    # Of a dataset that every run adds a version to, only those that are spoken of are read whole.
    spoken_of = {key: ids[key] for key in asked if key in ids}
    versions = DatasetVersion.objects.select_related("dataset").in_bulk(spoken_of.values())
    return {key: versions[pk] for key, pk in spoken_of.items()}


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


def nodes_of(targets: Mapping[str, ComputeTarget]) -> dict[str, list[Capacity]]:
    """By a target's name, what the nodes have that it has or lately had, as far as that is known."""
    found: dict[str, list[Capacity]] = {}
    names = {target.pk: name for name, target in targets.items()}
    recent = timezone.now() - NODE_REMEMBERED
    for node in Node.objects.filter(target__in=names, heartbeat_at__gte=recent, cpus__isnull=False):
        capacity = Capacity(node.cpus, node.memory_bytes, len(node.devices))
        found.setdefault(names[node.target_id], []).append(capacity)
    return found


def closest_targets(workspace: Workspace) -> dict[str, ComputeTarget]:
    """By name, the target that a definition means by it."""
    return _closest(workspace, targets_of(workspace))


def _closest(workspace: Workspace, targets: Iterable[ComputeTarget]) -> dict[str, ComputeTarget]:
    return {target.name: target for target in sorted(targets, key=partial(_closeness, workspace))}


def _closeness(workspace: Workspace, target: ComputeTarget) -> tuple[bool, bool, int]:
    """The closest last: a workspace's own, then what was shared with it by name, then what all may use."""
    return target.workspace_id == workspace.pk, not target.shared_with_all, -target.pk


def _registered_names(definition: PipelineDefinition) -> set[str]:
    outputs = (output for step in definition.steps for output in step.outputs)
    return {output.register_as.dataset for output in outputs if output.register_as}


def _spoken_of(definition: PipelineDefinition, values: Mapping[str, ParameterValue]) -> set[tuple[str, int | None]]:
    """Name and version of each dataset that inputs or parameters name."""
    bindings = (given.binding for step in definition.steps for given in step.inputs)
    bound = {(binding.dataset, binding.version) for binding in bindings if isinstance(binding, DatasetBinding)}
    return bound | datasets_of(definition.parameters, values)

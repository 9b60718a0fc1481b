"""What exists in a workspace, as far as a definition speaks of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from compute.models import ComputeTarget, Environment, Node
from compute.queries import targets_of
from compute.resources import Capacity
from compute.services.locks import packages_of
from datastores import snapshots
from datastores.backends import store_class
from datastores.models import Dataset, DatasetVersion, Datastore, Snapshot
from pipelines.data_values import datasets_of
from pipelines.definition import DatasetBinding, ModelBinding, ParameterValue, PipelineDefinition
from pipelines.destinations import StoreFacts
from pipelines.models import Pipeline, PipelineVersion
from pipelines.models_meant import models_meant, models_there
from pipelines.modules.resolving import resolved
from pipelines.modules.there import modules_there
from pipelines.nested_versions import Reference, pipelines_there, references_of, versions_meant
from pipelines.registered import ModelVersion
from pipelines.settling import settled, usual_values
from pipelines.validation import Catalogue, split_environment
from studio.workspaces.models import User, Workspace

_NAMES_TO_SUGGEST = 1000
NO_VALUES: Mapping[str, ParameterValue] = {}
# A node that has been away for longer says nothing about what its target can have.
NODE_REMEMBERED = timedelta(days=30)


def catalogue_for(
    workspace: Workspace,
    definition: PipelineDefinition,
    values: Mapping[str, ParameterValue] = NO_VALUES,
    *,
    pipeline: Pipeline | None = None,
) -> Catalogue:
    """A number of queries that does not grow with the definition, apart from sources seen for the first time.

    `values` of parameters may speak of datasets, too. `pipeline` is the definition's, which must not run itself.
    """
    modules = modules_there(workspace, definition, pipeline)
    datasets, tables = _datasets(workspace, definition, values)
    known = values or usual_values(definition)
    # A parameter may choose the environment.
    written, definition = definition, resolved(settled(definition, known).definition, modules, known).definition
    targets = list(targets_of(workspace))
    asks = any(step.references for step in written.steps)
    asks = asks or any(not step.resources.is_empty for step in definition.steps)
    stores = list(Datastore.objects.filter(workspace=workspace).values_list("name", "kind", "is_default", "config"))
    return Catalogue(
        datasets=datasets,
        tables=tables,
        datastores={name: _facts(kind, config) for name, kind, _is_default, config in stores},
        default_datastore=next((name for name, _kind, is_default, _config in stores if is_default), None),
        environments=environment_versions(workspace),
        computes=frozenset(target.name for target in targets),
        nodes=nodes_of(_closest(workspace, targets)) if asks else {},
        sources=_sources(workspace, definition),
        scripts=_scripts(workspace, definition),
        packages=_packages(workspace, definition),
        members=_members(workspace, definition),
        pipelines=pipelines_there(workspace, definition, pipeline),
        models=models_there(workspace, definition),
        modules=modules,
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
    pipelines: dict[Reference, PipelineVersion]  # that steps run
    models: dict[ModelBinding, ModelVersion]


def bind(workspace: Workspace, definition: PipelineDefinition, values: Mapping[str, ParameterValue]) -> Bound:
    """For a definition and values that were found good. What belongs to the workspace goes before what is shared."""
    targets = _closest(workspace, targets_of(workspace))
    stores: dict[str | None, Datastore] = {}
    for store in Datastore.objects.filter(workspace=workspace).defer("credentials"):
        stores[store.name] = store
        if store.is_default:
            stores[None] = store
    return Bound(
        datasets=_bound_datasets(workspace, definition, values),
        environments=environments_meant(
            workspace, {step.environment for step in definition.steps if step.has_job and not step.works}
        ),
        computes=targets,
        datastores=stores,
        pipelines=versions_meant(workspace, asked) if (asked := references_of(definition)) else {},
        models=models_meant(workspace, definition),
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


def _facts(kind: str, config: Mapping[str, Any]) -> StoreFacts:
    """A database is written only by what a node does itself, and where its owner allows that."""
    store = store_class(kind)
    is_writable = store.is_writable or (store.holds == "tables" and bool(config.get("allow_writes")))
    return StoreFacts(holds=store.holds, is_writable=is_writable)


def environment_versions(workspace: Workspace) -> dict[str, frozenset[int]]:
    """Of each environment that steps can name. A workspace's own name hides one that comes with the studio."""
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


def _scripts(workspace: Workspace, definition: PipelineDefinition) -> dict[tuple[str, str], str | None]:
    """The texts that kinds of steps look into."""
    wanted = {(step.source, step.script) for step in definition.steps if step.reads_script and step.source}
    return {
        (digest, path): _text(workspace, digest, path)
        for digest, path in wanted
        if digest and path in _paths(workspace, digest)
    }


def _text(workspace: Workspace, digest: str, path: str) -> str | None:
    try:
        return snapshots.text_of(workspace.pk, digest, path)
    except FileNotFoundError:  # the content store lost it: the run says so
        return None


def _paths(workspace: Workspace, digest: str) -> frozenset[str]:
    try:
        return snapshots.paths_of(workspace.pk, digest)
    except Snapshot.DoesNotExist:
        return frozenset()


def _members(workspace: Workspace, definition: PipelineDefinition) -> frozenset[str]:
    """The user names, where a step speaks of a person."""
    if not any(step.named_person for step in definition.steps):
        return frozenset()
    return frozenset(User.objects.filter(memberships__workspace=workspace).values_list("username", flat=True))


def _packages(workspace: Workspace, definition: PipelineDefinition) -> dict[str, frozenset[str]]:
    """Of environments for steps that need something in them, what is in them, where anybody knows that."""
    wanted = {step.environment for step in definition.steps if step.needs}
    found = environments_meant(workspace, wanted) if wanted else {}
    return {name: packages for name, row in found.items() if (packages := packages_of(row.spec)) is not None}


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


def environments_meant(workspace: Workspace, references: Collection[str]) -> dict[str, Environment]:
    """By reference, without those that aren't there. A workspace's own name hides one that comes with the studio."""
    names = {split_environment(reference)[0] for reference in references}
    latest: dict[str, Environment] = {}
    of_version: dict[tuple[str, int], Environment] = {}
    rows = visible(Environment.objects.filter(name__in=names), workspace)
    own = {row.name for row in rows if row.workspace_id}
    for row in sorted(rows, key=lambda row: row.version):
        if row.workspace_id or row.name not in own:
            latest[row.name] = of_version[row.name, row.version] = row
    meant: dict[str, Environment] = {}
    for reference in references:
        name, version = split_environment(reference)
        if version is None:
            found = latest.get(name)
        else:
            found = of_version.get((name, int(version))) if version.isdecimal() else None
        if found is not None:
            meant[reference] = found
    return meant


def nodes_of(targets: Mapping[str, ComputeTarget]) -> dict[str, list[Capacity]]:
    """By a target's name, what the nodes have that it has or lately had, as far as that is known."""
    found: dict[str, list[Capacity]] = {}
    names = {target.pk: name for name, target in targets.items()}
    recent = timezone.now() - NODE_REMEMBERED
    for node in Node.objects.filter(target__in=names, heartbeat_at__gte=recent, cpus__isnull=False):
        capacity = Capacity(node.cpus, node.memory_bytes, len(node.devices))
        found.setdefault(names[node.target_id], []).append(capacity)
    return found


def compute_choices(workspace: Workspace) -> list[dict[str, Any]]:
    """The targets that a step can be told to run on, with what their nodes have: of many that are alike, one."""
    targets = closest_targets(workspace)
    nodes = nodes_of(targets)
    return [
        {"name": name, "nodes": [asdict(node) for node in dict.fromkeys(nodes.get(name, []))]}
        for name in sorted(targets)
    ]


def database_choices(workspace: Workspace) -> list[dict[str, Any]]:
    """Those that a node's own work can open, and whether it may write there."""
    rows = Datastore.objects.filter(workspace=workspace).values_list("name", "kind", "config")
    return [
        {"name": name, "allow_writes": bool(config.get("allow_writes"))}
        for name, kind, config in rows
        if store_class(kind).holds == "tables"
    ]


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

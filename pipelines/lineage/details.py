"""What a node of the lineage is called and what its panel says, by a number of queries that does not grow with them."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.db.models import Count
from django.urls import reverse

from compute.models import ComputeTarget
from datastores.models import DatasetVersion, Datastore
from datastores.paths import is_glob, name_of, parent_of
from datastores.sources import QuerySource, TabularDefinition
from pipelines.lineage.facts import Node, fact, files_words, known
from pipelines.lineage.model_details import models_described
from pipelines.lineage.nodes import NOT_IN_TRASH, Gone, Key, Model, Place, Step, Version, query_of
from pipelines.models import LONG_OF_VERSIONS, StepRun
from studio.workspaces.models import Workspace


def described(workspace: Workspace, keys: Sequence[Key]) -> dict[Key, Node]:
    """By key, in their order. What is not in the workspace is left out."""
    found: dict[Key, Node] = {}
    found |= _steps(workspace, [key for key in keys if isinstance(key, Step)])
    found |= _versions(workspace, [key for key in keys if isinstance(key, Version)])
    found |= models_described(workspace, [key for key in keys if isinstance(key, Model)])
    found |= _places(workspace, [key for key in keys if isinstance(key, Place)])
    found |= {key: _gone(key) for key in keys if isinstance(key, Gone)}
    return {key: {**_common(workspace, key), **found[key]} for key in keys if key in found}


def _common(workspace: Workspace, key: Key) -> Node:
    query = query_of(key)
    return {
        "id": key.id,
        "query": query,
        "url": f"{reverse('lineage:page', args=[workspace.slug])}?{query}" if query else "",
    }


def _steps(workspace: Workspace, keys: Sequence[Step]) -> dict[Key, Node]:
    if not keys:
        return {}
    pks = [key.pk for key in keys]
    rows = StepRun.objects.filter(NOT_IN_TRASH, pk__in=pks, run__workspace=workspace).select_related(
        "run__pipeline", "run__version", "run__submitted_by"
    )
    rows = rows.defer("ingredients", "reason", *(f"run__version__{name}" for name in LONG_OF_VERSIONS))
    takers = (
        StepRun.objects.filter(reused_from__in=pks, run__trashed_at=None)
        .values("reused_from")
        .annotate(count=Count("pk"))
    )
    taken = {row["reused_from"]: row["count"] for row in takers}
    steps = {row.pk: row for row in rows}
    # A removed target too.
    targets = ComputeTarget._base_manager.in_bulk({row.frozen.compute_id for row in steps.values()})  # noqa: SLF001
    return {
        key: _step(workspace, steps[key.pk], targets.get(steps[key.pk].frozen.compute_id), taken.get(key.pk, 0))
        for key in keys
        if key.pk in steps
    }


def _step(workspace: Workspace, row: StepRun, target: ComputeTarget | None, taken: int) -> Node:
    run, frozen = row.run, row.frozen
    page = reverse("runs:detail", args=[workspace.slug, run.pk])

    def tab(name: str) -> str:
        return f"{page}?{urlencode({'step': row.name, 'tab': name})}"

    parameters = ", ".join(f"{name} = {value}" for name, value in run.parameters.values.items())
    records = row.outputs.outputs if row.outputs else {}
    facts = [
        fact("Run", f"{run.pk} of {run.pipeline.name}, version {run.version.number}", page),
        fact("Submitted", run.submitted_by.username if run.submitted_by else "", at=run.created_at.isoformat()),
        fact("Parameters", parameters),
        fact("Code", f"{frozen.step.subtitle} of {frozen.snapshot[:12]}" if frozen.snapshot else "", tab("code")),
        fact("Environment", frozen.environment_name, tab("environment")),
        fact("Compute", target.name if target else ""),
        *(
            fact(f"Output {name}", files_words(record.file_count), tab("files"), size_bytes=record.size_bytes)
            for name, record in records.items()
        ),
        fact("Reused", f"by {taken:,} later step{'s' if taken != 1 else ''}" if taken else ""),
    ]
    return {
        "kind": "step",
        "what": "Step",
        "title": row.name,
        "subtitle": f"run {run.pk}",
        "badge": f"run {run.pk}",
        "status": row.status,
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "inputs": list(frozen.inputs),
        "outputs": [output.name for output in frozen.step.all_outputs],
        "open": {"label": "Open the step", "url": f"{page}?{urlencode({'step': row.name})}"},
        "facts": known(facts),
    }


def _versions(workspace: Workspace, keys: Sequence[Version]) -> dict[Key, Node]:
    if not keys:
        return {}
    rows = DatasetVersion.objects.filter(pk__in=[key.pk for key in keys], dataset__workspace=workspace)
    versions = {row.pk: row for row in rows.select_related("dataset", "created_by")}
    return {key: _version(workspace, versions[key.pk]) for key in keys if key.pk in versions}


def _version(workspace: Workspace, row: DatasetVersion) -> Node:
    page = f"{reverse('datasets:detail', args=[workspace.slug, row.dataset_id])}?version={row.number}"
    definition = row.definition
    is_table = isinstance(definition, TabularDefinition)
    facts = [
        fact("Description", row.description or row.dataset.description),
        fact("Made", row.created_by.username if row.created_by else "", at=row.created_at.isoformat()),
        fact("By", row.origin),
        fact("Tags", ", ".join(f"{name}={value}" if value else name for name, value in row.tags.tags.items())),
        fact("Columns", f"{len(definition.columns):,}" if is_table else ""),
        fact("Transformations", _words_of_transformations(definition) if is_table else ""),
        fact("Query", definition.source.query if is_table and isinstance(definition.source, QuerySource) else ""),
        fact("Files", "" if row.file_count is None else files_words(row.file_count), size_bytes=row.size_bytes),
    ]
    return {
        "kind": "dataset",
        "what": "Table" if is_table else "Dataset",
        "icon": "table" if is_table else "stack-2",
        "title": str(row),
        "subtitle": "table" if is_table else "files",
        "open": {"label": "Open the dataset", "url": page},
        "facts": known(facts),
    }


def _words_of_transformations(definition: TabularDefinition) -> str:
    return ", ".join(each.kind.replace("_", " ") for each in definition.transformations)


def _places(workspace: Workspace, keys: Sequence[Place]) -> dict[Key, Node]:
    if not keys:
        return {}
    wanted = {key.datastore_id for key in keys if key.datastore_id}
    stores = Datastore.everything.filter(workspace=workspace).defer("credentials").in_bulk(wanted) if wanted else {}
    return {
        key: _place(workspace, key, stores.get(key.datastore_id or 0))
        for key in keys
        if key.datastore_id is None or key.datastore_id in stores
    }


def _place(workspace: Workspace, key: Place, store: Datastore | None) -> Node:
    if store is None:
        return {
            "kind": "file",
            "what": "Web address",
            "icon": "world",
            "title": key.path.split("://", 1)[-1],
            "subtitle": "web address",
            "facts": [fact("Address", key.path)],
        }
    is_gone = store.removed_at is not None
    browse = reverse("datastores:browse", args=[workspace.slug, store.pk])
    folder = _folder(key.path)
    facts = [
        fact("Datastore", f"{store.name} (removed)" if is_gone else store.name, "" if is_gone else browse),
        fact("Path", key.path),
    ]
    node: Node = {
        "kind": "file",
        "what": "File or folder" if key.path else "Datastore",
        "icon": "folder" if key.path else "database",
        "title": name_of(key.path) or store.name,
        "subtitle": f"{store.name} (removed)" if is_gone else store.name if key.path else "datastore",
        "facts": known(facts),
    }
    if not is_gone:
        page = f"{browse}?{urlencode({'path': folder})}" if folder else browse
        node["open"] = {"label": "Open the datastore", "url": page}
    return node


def _folder(path: str) -> str:
    while is_glob(path):
        path = parent_of(path)
    return path


def _gone(key: Gone) -> Node:
    what = "Model" if key.is_model else "Dataset"
    return {
        "kind": "file",
        "what": f"{what} that was deleted",
        "icon": "brain" if key.is_model else "stack-2",
        "title": key.name,
        "subtitle": "deleted",
        "facts": [fact(what, f"{key.name}, deleted since. What the run read of it is in its step.")],
    }

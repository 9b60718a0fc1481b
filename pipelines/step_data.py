"""What the panel of a step says of its data: where inputs come from and how they arrive, where outputs went."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from datastores.models import DataPath, DatasetVersion, Datastore
from datastores.paths import fixed_folder
from pipelines.definition import Output
from pipelines.models import FrozenInput, StepOutput, StepRun
from pipelines.registered import ModelVersion
from pipelines.states import StepStatus
from studio.workspaces.models import Workspace

_MODELS = 50  # that one step became


@dataclass(frozen=True, slots=True)
class StepData:
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    models: list[dict[str, str]]  # versions of models that its artifacts became


def data_of(workspace: Workspace, step: StepRun) -> StepData:
    """Four queries at most, whatever there is, and one more for models that it reads."""
    inputs = step.frozen.inputs
    read = [given.version_id for given in inputs.values() if given.version_id]
    rows = StepOutput.objects.filter(step_run=step, dataset_version__isnull=False) if step.registers else ()
    registered = {row.name: row.dataset_version_id for row in rows}
    wanted = {*read, *(pk for pk in registered.values() if pk)}
    versions = _versions(workspace, wanted)
    models = _models(workspace, {given.registered_id for given in inputs.values() if given.registered_id})
    made = _made_models(workspace, step)
    stores = _stores(workspace, step)
    return StepData(
        models=made.get("", []),
        inputs=[{"name": name, **_input(workspace, given, versions, models, stores)} for name, given in inputs.items()],
        outputs=[
            {
                **_output(workspace, step, output, stores, versions.get(registered.get(output.name) or 0)),
                "models": made.get(output.name, []),
            }
            for output in step.frozen.step.all_outputs
        ],
    )


def _versions(workspace: Workspace, wanted: set[int]) -> dict[int, dict[str, str]]:
    if not wanted:
        return {}
    rows = DatasetVersion.objects.filter(pk__in=wanted, dataset__workspace=workspace)
    return {
        pk: {
            "name": f"{name}:{number}",
            "url": f"{reverse('datasets:detail', args=[workspace.slug, dataset])}?version={number}",
            "lineage_url": f"{reverse('lineage:page', args=[workspace.slug])}?version={pk}",
        }
        for pk, dataset, name, number in rows.values_list("pk", "dataset_id", "dataset__name", "number")
    }


def _models(workspace: Workspace, wanted: set[int]) -> dict[int, dict[str, str]]:
    if not wanted:
        return {}
    rows = ModelVersion.objects.filter(pk__in=wanted, model__workspace=workspace).select_related("model")
    return {row.pk: _model(workspace, row) for row in rows}


def _made_models(workspace: Workspace, step: StepRun) -> dict[str, list[dict[str, str]]]:
    """By output, the versions of models that it became; by the empty name, those that artifacts became."""
    if step.status != StepStatus.COMPLETED:
        return {}
    found: dict[str, list[dict[str, str]]] = {}
    rows = ModelVersion.objects.filter(step_run=step, model__workspace=workspace).select_related("model")
    for row in rows.order_by("pk")[:_MODELS]:
        found.setdefault(row.output_name, []).append(_model(workspace, row))
    return found


def _model(workspace: Workspace, row: ModelVersion) -> dict[str, str]:
    page = reverse("models:detail", args=[workspace.slug, row.model_id])
    lineage = reverse("lineage:page", args=[workspace.slug])
    return {
        "name": str(row),
        "url": f"{page}?version={row.number}",
        "lineage_url": f"{lineage}?{urlencode({'model': row.pk})}",
    }


def _stores(workspace: Workspace, step: StepRun) -> dict[int, Datastore]:
    """Removed ones too: they still have a name."""
    frozen = step.frozen
    ids = {frozen.datastore_id, *(given.datastore_id for given in frozen.outputs.values())}
    ids |= {path.datastore_id for given in frozen.inputs.values() if _is_path(given) for path in _paths(given)} - {None}
    if step.outputs:
        ids |= {record.datastore_id for record in step.outputs.outputs.values()}
    return Datastore.everything.filter(workspace=workspace).defer("credentials").in_bulk(ids)


def _is_path(given: FrozenInput) -> bool:
    return given.is_path


def _paths(given: FrozenInput) -> list[DataPath]:
    return given.data.paths if given.data else []


def _input(
    workspace: Workspace,
    given: FrozenInput,
    versions: dict[int, dict[str, str]],
    models: dict[int, dict[str, str]],
    stores: dict[int, Datastore],
) -> dict[str, Any]:
    if given.step:
        return {
            "source": f"{given.step}.{given.output}",
            "kind": "output",
            "step": given.step,
            "output": given.output,
            "mode": given.mode,
        }
    if _is_path(given):
        return {"kind": "path", "mode": given.mode, **_path(workspace, _paths(given)[0], stores)}
    data = given.data
    if given.model:
        return {
            "source": f"model {given.model}",
            "kind": "model",
            "model": given.model,
            "version": models.get(given.registered_id or 0),
            "paths": [path.model_dump() for path in data.paths] if data else [],
            "mode": given.mode,
        }
    return {
        "source": f"dataset {given.dataset}",
        "kind": "dataset",
        "dataset": given.dataset,
        "version": versions.get(given.version_id or 0),
        "paths": [path.model_dump() for path in data.paths] if data else [],
        "columns": len(data.table.columns) if data and data.table else None,
        "mode": given.mode,
    }


def _path(workspace: Workspace, path: DataPath, stores: dict[int, Datastore]) -> dict[str, Any]:
    if path.datastore_id is None:
        return {"source": path.path, "paths": [path.model_dump()], "url": path.path}
    store = stores.get(path.datastore_id)
    lineage = urlencode({"file": f"{path.datastore_id}:{path.path}"})
    found = {
        "source": f"{store.name if store else 'a datastore that was removed'}: {path.path}",
        "paths": [path.model_dump()],
        "lineage_url": f"{reverse('lineage:page', args=[workspace.slug])}?{lineage}",
    }
    if store and store.removed_at is None:
        browse = reverse("datastores:browse", args=[workspace.slug, store.pk])
        found["url"] = f"{browse}?{urlencode({'path': fixed_folder(path.path)})}"
    return found


def _output(
    workspace: Workspace,
    step: StepRun,
    output: Output,
    stores: dict[int, Datastore],
    version: dict[str, str] | None,
) -> dict[str, Any]:
    record = step.outputs.outputs.get(output.name) if step.outputs else None
    frozen = step.frozen.outputs.get(output.name)
    store = stores.get(record.datastore_id if record else frozen.datastore_id if frozen else step.frozen.datastore_id)
    path = record.path if record else frozen.path if frozen else None
    there = {
        "name": output.name,
        "datastore_id": record.datastore_id if record else None,
        "datastore": store.name if store else None,
        "path": record.path if record else None,
        "destination": path if frozen and frozen.path else None,
        "mode": output.mode,
        "file": output.file,
        "file_count": record.file_count if record else None,
        "size_bytes": record.size_bytes if record else None,
        "is_kept": output.name in {kept.name for kept in step.frozen.step.keeps},
        "register_as": output.register_as.dataset if output.register_as else None,
        "version": version,
    }
    if record and step.status == StepStatus.COMPLETED:
        lineage = reverse("lineage:page", args=[workspace.slug])
        there["lineage_url"] = f"{lineage}?{urlencode({'output': f'{step.pk}:{output.name}'})}"
    if record and not record.parts and store and store.removed_at is None:  # parts lie in many places
        browse = reverse("datastores:browse", args=[workspace.slug, store.pk])
        folder = record.path.rpartition("/")[0] if record.is_file else record.path
        there["browse_url"] = f"{browse}?{urlencode({'path': folder})}"
    return there

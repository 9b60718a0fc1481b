"""What the steps of earlier runs read and wrote, from what was frozen with them: batch by batch, harmless to repeat."""

from typing import Any

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

BATCH = 500


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 (Django's signature)
    steps = apps.get_model("pipelines", "StepRun").objects
    last = 0
    while True:
        rows = steps.filter(pk__gt=last).order_by("pk").select_related("run")[:BATCH]
        batch = [(row, row.frozen or {}, row.outputs or {}) for row in rows]
        if not batch:
            return
        with transaction.atomic():
            _fill(apps, batch)
        last = batch[-1][0].pk


def _fill(apps: StateApps, batch: list[tuple[Any, dict[str, Any], dict[str, Any]]]) -> None:
    step_input, step_output = apps.get_model("pipelines", "StepInput"), apps.get_model("pipelines", "StepOutput")
    versions = _versions(apps, batch)
    upstream = _steps_of_runs(apps, {row.run_id for row, _frozen, _outputs in batch})
    stores = set(apps.get_model("datastores", "Datastore").objects.values_list("pk", flat=True))
    inputs, outputs = [], []
    for row, frozen, left in batch:
        for name, given in frozen.get("inputs", {}).items():
            named = given.get("dataset") or ""
            inputs.append(
                step_input(
                    step_run_id=row.pk,
                    name=name[:100],
                    dataset=named[:120],
                    dataset_version_id=versions.get((row.run.workspace_id, named)),
                    upstream_id=upstream.get((row.run_id, given.get("step"))),
                    upstream_output=(given.get("output") or "")[:100],
                )
            )
        if row.reused_from_id is None and row.status == "completed":
            outputs += [
                step_output(
                    step_run_id=row.pk,
                    name=name[:100],
                    datastore_id=record["datastore_id"] if record["datastore_id"] in stores else None,
                    path=record["path"][:700],
                    fingerprint=record["fingerprint"][:64],
                )
                for name, record in left.get("outputs", {}).items()
            ]
    step_input.objects.bulk_create(inputs, ignore_conflicts=True)
    step_output.objects.bulk_create(outputs, ignore_conflicts=True)


def _versions(apps: StateApps, batch: list[tuple[Any, dict[str, Any], dict[str, Any]]]) -> dict[tuple[int, str], int]:
    """By workspace and "NAME:VERSION"; a name that was given to something else since means nothing any more."""
    names = {
        given["dataset"].rpartition(":")[0]
        for _row, frozen, _outputs in batch
        for given in frozen.get("inputs", {}).values()
        if given.get("dataset")
    }
    rows = apps.get_model("datastores", "DatasetVersion").objects.filter(dataset__name__in=names)
    return {
        (workspace, f"{name}:{number}"): pk
        for pk, workspace, name, number in rows.values_list("pk", "dataset__workspace_id", "dataset__name", "number")
    }


def _steps_of_runs(apps: StateApps, runs: set[int]) -> dict[tuple[int, str | None], int]:
    rows = apps.get_model("pipelines", "StepRun").objects.filter(run_id__in=runs)
    return {(run, name): pk for pk, run, name in rows.values_list("pk", "run_id", "name")}


class Migration(migrations.Migration):
    atomic = False  # a batch is one; a studio of a million steps is not held up by a single one

    dependencies = [
        ("pipelines", "0002_lineage"),
        ("datastores", "0004_workspacefilestore"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

"""Outputs become versions of datasets when their step completes, in the transaction that completes it."""

from collections.abc import Mapping

from django.db import transaction

from compute.spec import OutputRecord
from datastores.models import DataPath, DatasetVersion
from datastores.services import register_output_version
from pipelines.definition import Registration
from pipelines.models import Run, StepOutput, StepRun
from studio.lib.problems import UserError
from studio.lib.statements import insert_rows


def register_outputs(run: Run, step: StepRun, records: Mapping[str, OutputRecord]) -> dict[str, DatasetVersion]:
    """By output, the new version. Raises UserError with a sentence that names the output: then there is none at all."""
    return _register(run, step, records, known={})


def register_reused(run: Run, step: StepRun, earlier: StepRun) -> dict[str, DatasetVersion]:
    """As `register_outputs`, for a step that takes the result of an earlier one again.

    Where that result is the newest version of its dataset already, it stays that one; where other data came between,
    or the version was deleted, it becomes the newest again: after a run, the latest version is what the run stands for.
    """
    records = earlier.outputs.outputs if earlier.outputs else {}
    takers = StepRun.objects.filter(reused_from=earlier).order_by("-pk").values_list("pk", flat=True)[:200]
    known = {
        (row.name, row.dataset_version.dataset.name): row.dataset_version
        for row in StepOutput.objects.filter(step_run__in=[earlier.pk, *takers], dataset_version__isnull=False)
        .select_related("dataset_version__dataset")
        .order_by("dataset_version_id")
        if row.dataset_version
    }
    return _register(run, step, records, known=known)


def note_outputs(step: StepRun, records: Mapping[str, OutputRecord], versions: Mapping[str, DatasetVersion]) -> None:
    """For the lineage: what a step left where, and as what it was registered. One statement."""
    if not records:
        return
    insert_rows(
        StepOutput,
        ("step_run_id", "name", "datastore_id", "path", "fingerprint", "dataset_version_id"),
        [
            (
                step.pk,
                name,
                record.datastore_id,
                record.path,
                record.fingerprint,
                versions[name].pk if name in versions else None,
            )
            for name, record in records.items()
        ],
    )


def _register(
    run: Run,
    step: StepRun,
    records: Mapping[str, OutputRecord],
    *,
    known: Mapping[tuple[str, str], DatasetVersion],
) -> dict[str, DatasetVersion]:
    wanted = [(output.name, output.register_as) for output in step.frozen.step.outputs if output.register_as]
    versions: dict[str, DatasetVersion] = {}
    with transaction.atomic():
        # Two runs that register the same datasets hold them in one order.
        for name, registration in sorted(wanted, key=lambda each: each[1].dataset):
            newest = known.get((name, registration.dataset))
            if newest is not None and not _came_after(newest):
                versions[name] = newest
                continue
            try:
                versions[name] = _version(run, step, registration, records.get(name))
            except UserError as error:
                sentence = f"Its output “{name}” can't become a version of “{registration.dataset}”: {error}"
                raise UserError(sentence) from error
    return versions


def _version(run: Run, step: StepRun, wanted: Registration, record: OutputRecord | None) -> DatasetVersion:
    if record is None or not record.file_count:
        raise UserError("There is no file in it.")
    return register_output_version(
        run.workspace,
        name=wanted.dataset,
        paths=[DataPath(datastore_id=record.datastore_id, path=record.path)],
        description=wanted.description,
        tags=wanted.tags,
        actor=run.submitted_by,
        origin=f"run {run.pk}, step {step.name}",
    )


def _came_after(version: DatasetVersion) -> bool:
    return DatasetVersion.objects.filter(dataset_id=version.dataset_id, number__gt=version.number).exists()

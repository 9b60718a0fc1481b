"""Making the sample, step by step; every one of them may happen twice, and a restart may come between any two."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from compute.listener import JobChange
from compute.models import ComputeTarget, Environment, Job
from compute.services import NewJob, create_jobs
from compute.spec import JobOutput, JobSpec, Retry
from compute.states import JobStatus
from datastores import snapshots
from datastores.models import DataPath, Dataset, DatasetVersion, Datastore, Snapshot
from datastores.services import add_dataset_version, create_dataset
from datastores.sources import FileDefinition
from pipelines.models import Experiment, Pipeline, Run
from pipelines.services import create_pipeline, default_experiment, save_version, submit_run
from pipelines.validation import parse_definition
from studio.lib.on_commit import enqueue_on_commit
from studio.lib.problems import UserError
from studio.workspaces.access import Access
from studio.workspaces.models import Role, User, Workspace

SAMPLE_NAME = "Handwritten digits"
DATASET = "digits-images"
FOLDER = "train-images"
OWNER = "sample:"
_DESCRIPTION = (
    "Reads images of handwritten digits, trains two models side by side, and reports which of them is the better one. "
    "The images are the UCI handwritten digits that ship with scikit-learn."
)
_HERE = Path(__file__).parent


def create_sample(workspace: Workspace, user: User) -> Pipeline:
    """The sample's dataset and pipeline in `workspace`, and a run of it as soon as its images are written.

    What is there already stays as it is.
    """
    with transaction.atomic():
        datastore = Datastore.objects.get(workspace=workspace, is_default=True)
        if not Dataset.objects.filter(workspace=workspace, name=DATASET).exists():
            create_dataset(
                workspace,
                name=DATASET,
                paths=[DataPath(datastore_id=datastore.pk, path=FOLDER)],
                description="Handwritten digits, a folder of small images for each.",
                actor=user,
            )
        pipeline = Pipeline.objects.filter(workspace=workspace, name=SAMPLE_NAME, deleted_at=None).first()
        access = Access(user, workspace, Role.OWNER)
        if pipeline is None:
            pipeline = create_pipeline(access, name=SAMPLE_NAME, description=_DESCRIPTION)
        if not pipeline.latest_version:
            source = _sources(workspace, "digits", user).digest
            save_version(access, pipeline, definition=parse_definition(_definition(source)), base_version=0)
        _prepare(workspace, datastore, user)
    return pipeline


def follow_preparation(changes: list[JobChange]) -> None:
    """When the images are written, have the run submitted: by another process, for this one is closing a job."""
    for change in changes:
        if change.owner.startswith(OWNER) and change.status == JobStatus.COMPLETED:
            enqueue_on_commit("pipelines.submit_sample", int(change.owner.removeprefix(OWNER)))


def submit_sample(workspace_id: int) -> Run | None:
    """Submit the sample's first run where its images are written and it has none yet."""
    if _due(Pipeline.objects.all(), workspace_id) is None:
        return None
    _name_images(workspace_id)
    with transaction.atomic():
        # Held, so that of two calls one submits.
        pipeline = _due(Pipeline.objects.select_for_update(of=("self",)), workspace_id)
        if pipeline is None or pipeline.created_by is None:
            return None
        return submit_run(Access(pipeline.created_by, pipeline.workspace, Role.OWNER), pipeline)


def _due(rows: QuerySet[Pipeline], workspace_id: int) -> Pipeline | None:
    """The sample, where its first run can be submitted."""
    named = rows.filter(workspace_id=workspace_id, name=SAMPLE_NAME, deleted_at=None)
    pipeline = named.select_related("workspace", "created_by").first()
    if pipeline is None or pipeline.created_by is None or pipeline.runs.exists() or _has_run(workspace_id):
        return None
    written = Job.objects.filter(owner=f"{OWNER}{workspace_id}", status=JobStatus.COMPLETED)
    return pipeline if written.filter(finished_at__gte=pipeline.created_at).exists() else None


def _has_run(workspace_id: int) -> bool:
    """Whether it had a run already, which may be in the trash or deleted: the experiment stays."""
    return Experiment.objects.filter(workspace=workspace_id, name=default_experiment(SAMPLE_NAME)).exists()


def _name_images(workspace_id: int) -> None:
    """A version of the dataset that knows its images: the first was made before there was one."""
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace_id, dataset__name=DATASET)
    latest = versions.select_related("dataset__workspace", "created_by").order_by("-number").first()
    if latest is None or not isinstance(latest.definition, FileDefinition):
        return
    with suppress(UserError):  # somebody took its datastore away, and the run will say so
        add_dataset_version(latest.dataset, paths=latest.definition.paths, actor=latest.created_by)


def submit_samples_due() -> None:
    """For the sweep: the message that asked for a run may have been lost."""
    due = Pipeline.objects.filter(name=SAMPLE_NAME, deleted_at=None, runs=None)
    due = due.exclude(workspace__experiments__name=default_experiment(SAMPLE_NAME))
    for workspace_id in due.values_list("workspace_id", flat=True)[:20]:
        submit_sample(workspace_id)


def _prepare(workspace: Workspace, datastore: Datastore, user: User) -> None:
    """Queue the job that writes the images, unless there is one that did or will."""
    owner = f"{OWNER}{workspace.pk}"
    if Job.objects.filter(owner=owner).exclude(status__in=[JobStatus.FAILED, JobStatus.CANCELLED]).exists():
        return
    environment = Environment.objects.filter(workspace=None, name="sklearn").order_by("-version")[0]
    create_jobs(
        [
            NewJob(
                workspace_id=workspace.pk,
                target_id=ComputeTarget.objects.get(workspace=None, name="local").pk,
                owner=owner,
                title=f"Write the images of the sample “{SAMPLE_NAME}”",
                spec=JobSpec(
                    command=["python", "write_images.py", "--images", "${{outputs.images}}"],
                    snapshot=_sources(workspace, "images", user).digest,
                    environment=environment.spec,
                    outputs={"images": JobOutput(datastore_id=datastore.pk, path=FOLDER)},
                    retry=Retry(max_attempts=3),
                ),
            )
        ]
    )


def _sources(workspace: Workspace, folder: str, user: User) -> Snapshot:
    files = [(file.name, io.BytesIO(file.read_bytes())) for file in sorted((_HERE / folder).glob("*.py"))]
    return snapshots.add_files(workspace, None, files, actor=user)


def _definition(source: str) -> dict[str, Any]:
    seed = "--random-seed ${{parameters.random_seed}}"
    return {
        "parameters": [
            {
                "name": "test_size",
                "type": "number",
                "default": 0.25,
                "description": "Part of the images that is kept aside for testing.",
            },
            {"name": "random_seed", "type": "integer", "default": 7, "description": "The same seed, the same split."},
            {
                "name": "c",
                "type": "number",
                "default": 0.05,
                "description": "Inverse strength of the logistic regression's penalty.",
            },
            {"name": "trees", "type": "integer", "default": 150, "description": "Trees in the random forest."},
        ],
        "steps": [
            _step(
                source,
                "prepare",
                "Turns images into features, and keeps a part of them aside for testing.",
                f"--images ${{{{inputs.images}}}} --features ${{{{outputs.features}}}}\n"
                f"--test-size ${{{{parameters.test_size}}}} {seed}",
                inputs=[("images", {"kind": "dataset", "dataset": DATASET})],
                outputs=["features"],
            ),
            _training_step(source, "train-logistic", "logistic", f"--c ${{{{parameters.c}}}} {seed}"),
            _training_step(source, "train-forest", "forest", f"--trees ${{{{parameters.trees}}}} {seed}"),
            _step(
                source,
                "compare",
                "Tries both models on the images kept aside, takes the better one, and writes a report with a plot.",
                "--features ${{inputs.features}} --models ${{inputs.logistic}} ${{inputs.forest}}\n"
                "--report ${{outputs.report}} --best ${{outputs.best}}",
                inputs=[
                    ("features", {"kind": "output", "step": "prepare", "output": "features"}),
                    ("logistic", {"kind": "output", "step": "train-logistic", "output": "model"}),
                    ("forest", {"kind": "output", "step": "train-forest", "output": "model"}),
                ],
                outputs=["report", "best"],
            ),
        ],
    }


def _training_step(source: str, name: str, algorithm: str, more: str) -> dict[str, Any]:
    return _step(
        source,
        name,
        f"Trains a model of the kind “{algorithm}”.",
        f"--features ${{{{inputs.features}}}} --model ${{{{outputs.model}}}}\n--algorithm {algorithm} {more}",
        inputs=[("features", {"kind": "output", "step": "prepare", "output": "features"})],
        outputs=["model"],
        entry="train.py",
    )


def _step(
    source: str,
    name: str,
    description: str,
    arguments: str,
    *,
    inputs: list[tuple[str, dict[str, Any]]],
    outputs: list[str],
    entry: str = "",
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "source": source,
        "entry": entry or f"{name}.py",
        "arguments": arguments,
        "inputs": [{"name": each, "binding": binding} for each, binding in inputs],
        "outputs": [{"name": each} for each in outputs],
        "environment": "sklearn",
        "compute": "local",
    }

"""Runs of thousands of steps that are over, written straight into the database: to have them run takes a while."""

import io
from datetime import timedelta

from django.utils import timezone

from datastores import snapshots
from pipelines import services
from pipelines.models import Experiment, PipelineVersion, Run, RunParameters
from pipelines.outline import outline_of
from pipelines.services.submitting import insert_steps, prepare_run
from pipelines.states import RunStatus, StepStatus
from pipelines.validation import parse_definition
from studio.workspaces.access import Access
from studio.workspaces.models import Role, User, Workspace

FAILED = "leaf-00007"


def wide_run(slug: str, username: str, steps: int) -> int:
    """The number of a run of `first`, which every `leaf-00001`, … reads, and `last`, which reads them all.

    All have completed but `FAILED`, and `last`, which was skipped.
    """
    workspace, user = Workspace.objects.get(slug=slug), User.objects.get(username=username)
    access = Access(user, workspace, Role.OWNER)
    source = snapshots.add_files(workspace, None, [("main.py", io.BytesIO(b"print(1)\n"))]).digest
    names = [f"leaf-{number:05}" for number in range(1, steps - 1)]
    few = parse_definition({"steps": _steps(source, names[:1])})
    pipeline = services.create_pipeline(access, name=f"wide of {steps}")
    first, leaf, last = prepare_run(
        workspace, services.save_version(access, pipeline, definition=few, base_version=0).version, {}
    ).frozen
    definition = parse_definition({"steps": _steps(source, names)})
    version = PipelineVersion.objects.create(
        pipeline=pipeline, number=2, definition=definition, outline=outline_of(definition), created_by=user
    )
    type(pipeline).objects.filter(pk=pipeline.pk).update(latest_version=2)
    ended = timezone.now()
    run = Run.objects.create(
        workspace=workspace,
        pipeline=pipeline,
        version=version,
        experiment=Experiment.objects.get_or_create(workspace=workspace, name="wide")[0],
        parameters=RunParameters(),
        submitted_by=user,
        status=RunStatus.FAILED,
        started_at=ended - timedelta(hours=1),
        finished_at=ended,
        steps_total=steps,
        steps_done=steps,
    )
    frozen = [first, *[leaf] * len(names), last]
    insert_steps(
        run,
        definition,
        [
            each.model_copy(update={"step": step, "inputs": {}})
            for each, step in zip(frozen, definition.steps, strict=True)
        ],
    )
    run.steps.update(
        status=StepStatus.COMPLETED,
        attempt=1,
        exit_code=0,
        queued_at=ended - timedelta(hours=1),
        started_at=ended - timedelta(minutes=50),
        finished_at=ended - timedelta(minutes=1),
    )
    run.steps.filter(name=FAILED).update(status=StepStatus.FAILED, exit_code=3)
    reason = f"Step “{FAILED}” failed."
    run.steps.filter(name="last").update(
        status=StepStatus.SKIPPED, reason=reason, attempt=0, exit_code=None, queued_at=None, started_at=None
    )
    return run.pk


def _steps(source: str, leaves: list[str]) -> list[dict[str, object]]:
    def step(name: str, *reads: str) -> dict[str, object]:
        inputs = [
            {"name": f"from_{each}", "binding": {"kind": "output", "step": each, "output": "out"}} for each in reads
        ]
        common = {"source": source, "entry": "main.py", "inputs": inputs, "outputs": [{"name": "out"}]}
        return {"name": name, "arguments": f"--{name}", **common}

    return [step("first"), *(step(name, "first") for name in leaves), step("last", *leaves)]

"""Runs as MLflow's clients see them: each step of a run is one. No query for each of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from compute.metrics.reading import json_number, number
from compute.models import Metric
from pipelines.metric_queries import metrics_by_attempt
from pipelines.metric_sources import with_whose_metrics
from pipelines.mlflow.caller import Caller, run_name_of
from pipelines.mlflow.failures import missing, unfit
from pipelines.mlflow.moments import milliseconds
from pipelines.models import LONG_OF_STEPS, StepRun, Tag
from pipelines.services.tracking import RUN_NAME
from pipelines.states import StepStatus
from pipelines.tracked_runs import DATASET_TAG, MODEL_TAG, parts_of
from studio.workspaces.models import Workspace

STATUSES: dict[str, str] = {
    StepStatus.WAITING: "SCHEDULED",
    StepStatus.QUEUED: "SCHEDULED",
    StepStatus.PREPARING: "SCHEDULED",
    StepStatus.RUNNING: "RUNNING",
    StepStatus.COMPLETED: "FINISHED",
    StepStatus.NOT_TAKEN: "FINISHED",
    StepStatus.FAILED: "FAILED",
    StepStatus.SKIPPED: "KILLED",
    StepStatus.CANCELLED: "KILLED",
}
_APART = (DATASET_TAG, MODEL_TAG)  # told as what they are, and not as tags


def steps_in(workspace: Workspace) -> "QuerySet[StepRun]":
    """Steps with what `runs_json` reads, those of runs in the trash included."""
    rows = StepRun.objects.filter(run__workspace=workspace)
    return with_whose_metrics(rows.select_related("run", "run__submitted_by").defer(*LONG_OF_STEPS))


def step_of(caller: Caller, run_id: str) -> StepRun:
    """Raises MlflowError for one that isn't there: that of another workspace is none."""
    found = parts_of(run_id)
    if not run_id:
        raise unfit("Missing value for required parameter 'run_id'.")
    rows = steps_in(caller.workspace)
    step = rows.filter(run=found[0], pk=found[1]).first() if found else None
    if step is None:
        raise missing(f"There is no run “{run_id[:80]}” in this workspace.")
    return step


def key_of(run_id: str) -> int:
    """Of the step, whether it is there or not; 0 for what is no number of a run."""
    found = parts_of(run_id)
    return found[1] if found else 0


def run_json(step: StepRun) -> dict[str, Any]:
    return runs_json([step])[0]


def runs_json(steps: Sequence[StepRun]) -> list[dict[str, Any]]:
    """Of steps from `steps_in`. Three queries. What a step took as its result brings its metrics and params along."""
    wanted = {(step.their_job, step.their_attempt) for step in steps if step.their_job}  # type: ignore[attr-defined]
    measured = metrics_by_attempt(wanted)
    said: dict[int | None, list[Tag]] = {}
    sources = {step.reused_from_id for step in steps if step.reused_from_id}
    for tag in Tag.objects.filter(step_run__in={step.pk for step in steps} | sources).order_by("name"):
        said.setdefault(tag.step_run_id, []).append(tag)
    return [
        _json(step, measured.get((step.their_job, step.their_attempt), []), _said_of(step, said))  # type: ignore[attr-defined]
        for step in steps
    ]


def _said_of(step: StepRun, said: Mapping[int | None, list[Tag]]) -> list[Tag]:
    """Its own tags, with the params of the step whose result it took."""
    taken = [tag for tag in said.get(step.reused_from_id, []) if tag.is_property] if step.reused_from_id else []
    return [*said.get(step.pk, []), *taken]


def info_json(step: StepRun, tags: Iterable[Tag] | None = None) -> dict[str, Any]:
    if tags is None:
        tags = Tag.objects.filter(step_run=step, is_property=False, name=RUN_NAME)
    named = next((tag.value for tag in tags if tag.name == RUN_NAME and not tag.is_property), "")
    run_id = run_name_of(step)
    info: dict[str, Any] = {
        "run_id": run_id,
        "run_uuid": run_id,
        "run_name": named or step.name,
        "experiment_id": str(step.run.experiment_id),
        "user_id": step.run.submitted_by.username if step.run.submitted_by else "",
        "status": STATUSES[step.status],
        "start_time": milliseconds(step.started_at or step.run.created_at),
        "artifact_uri": f"mlflow-artifacts:/{run_id}",
        "lifecycle_stage": "deleted" if step.run.trashed_at else "active",
    }
    if step.finished_at:
        info["end_time"] = milliseconds(step.finished_at)
    return info


def _json(step: StepRun, metrics: Sequence[Metric], tags: Sequence[Tag]) -> dict[str, Any]:
    info = info_json(step, tags)
    shown = {tag.name: tag.value for tag in tags if not tag.is_property and not tag.name.startswith(_APART)}
    shown.setdefault(RUN_NAME, info["run_name"])
    shown.setdefault("mlflow.user", info["user_id"])
    return {
        "info": info,
        "data": {
            "metrics": [
                {
                    "key": metric.name,
                    "value": json_number(number(metric.last)),
                    "timestamp": info["start_time"] if metric.last_at_ms is None else metric.last_at_ms,
                    "step": metric.last_step or 0,
                }
                for metric in metrics
                if metric.kind == "scalar" and metric.last
            ],
            "params": [{"key": tag.name, "value": tag.value} for tag in tags if tag.is_property],
            "tags": [{"key": key, "value": value} for key, value in shown.items()],
        },
        "inputs": {
            "dataset_inputs": [
                json.loads(tag.value) for tag in tags if tag.name.startswith(DATASET_TAG) and not tag.is_property
            ]
        },
        "outputs": {
            "model_outputs": [
                {"model_id": tag.name.removeprefix(MODEL_TAG), "step": 0}
                for tag in tags
                if tag.name.startswith(MODEL_TAG) and not tag.is_property
            ]
        },
    }

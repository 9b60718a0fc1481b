"""Runs are begun, ended and logged to."""

import json
from typing import Any, Literal

from django.db import transaction
from pydantic import Field, field_validator

from compute.metrics.from_clients import ClientPoint, timed_points
from compute.metrics.points import MAX_STEP
from compute.metrics.reading import json_number
from compute.models import Attempt, Metric
from pipelines import services
from pipelines.kinds.tracked import TrackedStep
from pipelines.mlflow.caller import PARENT, Caller, run_name_of
from pipelines.mlflow.experiments import DEFAULT_ID, KeyValue, experiment_of
from pipelines.mlflow.failures import missing, unfit, wrong_state
from pipelines.mlflow.found_runs import info_json, run_json, step_of
from pipelines.mlflow.moments import milliseconds, moment_of
from pipelines.mlflow.pages import start_of, token_at
from pipelines.mlflow.protocol import Asked
from pipelines.models import Run, StepRun
from pipelines.services.tracking import MAX_LABEL_VALUE, RUN_NAME, refuse_unless_tracked
from pipelines.states import StepStatus
from pipelines.tracked_runs import DATASET_TAG

MAX_NAME = 250
MAX_PARAM_VALUE = 6000
MAX_METRICS, MAX_PARAMS, MAX_TAGS, MAX_TOGETHER = 1000, 100, 100, 1000
MAX_HISTORY = 25_000
_ENDS: dict[str, StepStatus] = {
    "FINISHED": StepStatus.COMPLETED,
    "FAILED": StepStatus.FAILED,
    "KILLED": StepStatus.CANCELLED,
}


class OfRun(Asked):
    """Requests name a run by `run_id`, those of older clients by `run_uuid`."""

    run_id: str = ""
    run_uuid: str = ""

    @property
    def run(self) -> str:
        return self.run_id or self.run_uuid


class Create(Asked):
    experiment_id: str = DEFAULT_ID
    run_name: str = ""
    start_time: int = 0
    tags: list[KeyValue] = Field(default_factory=list)


class Update(OfRun):
    status: Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", ""] = ""
    end_time: int = 0
    run_name: str = ""


class MetricGiven(Asked):
    key: str
    value: float
    timestamp: int = 0
    step: int = 0

    @field_validator("value", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("give a number")  # noqa: TRY004 (pydantic's words)
        return value

    def point(self) -> ClientPoint:
        if not self.key.strip() or len(self.key) > MAX_NAME or not self.key.isprintable():
            raise unfit(f"A metric's name is a line of at most {MAX_NAME} characters.")
        if not -MAX_STEP < self.step < MAX_STEP:
            raise unfit(f"The step of the metric “{self.key}” is too large.")
        if not -(2**62) < self.timestamp < 2**62:
            raise unfit(f"The timestamp of the metric “{self.key}” must be in milliseconds since 1970.")
        return ClientPoint(self.key, self.step, self.value, self.timestamp)


class LogMetric(MetricGiven, OfRun):
    pass


class LogParam(OfRun):
    key: str
    value: str = ""


class SetTag(OfRun):
    key: str
    value: str = ""


class DeleteTag(OfRun):
    key: str


class LogBatch(OfRun):
    metrics: list[MetricGiven] = Field(default_factory=list)
    params: list[KeyValue] = Field(default_factory=list)
    tags: list[KeyValue] = Field(default_factory=list)


class Dataset(Asked):
    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema_text: str = Field("", alias="schema")
    profile: str = ""


class DatasetInput(Asked):
    dataset: Dataset
    tags: list[KeyValue] = Field(default_factory=list)


class LogInputs(OfRun):
    datasets: list[DatasetInput] = Field(default_factory=list)


class History(OfRun):
    metric_key: str
    page_token: str = ""
    max_results: int = MAX_HISTORY


def create(caller: Caller, asked: Create) -> dict[str, Any]:
    tags = {each.key: each.value for each in asked.tags}
    if caller.step is None:
        experiment = experiment_of(caller, asked.experiment_id)
        if experiment.deleted_at:
            raise wrong_state(f"Experiment “{experiment.name}” is deleted. Restore it first.")
    else:
        experiment = caller.step.run.experiment
        if asked.experiment_id not in {DEFAULT_ID, str(experiment.pk)}:
            caller.require_person("runs in other experiments than that of its run")
        tags.setdefault(PARENT, run_name_of(caller.step))
    began_at = moment_of(asked.start_time, "start_time")
    step = services.start_tracked_run(
        caller.access, experiment=experiment.name, name=asked.run_name, tags=tags, began_at=began_at
    )
    return {"run": run_json(step_of(caller, run_name_of(step)))}


def get(caller: Caller, asked: OfRun) -> dict[str, Any]:
    return {"run": run_json(step_of(caller, asked.run))}


def update(caller: Caller, asked: Update) -> dict[str, Any]:
    """Of a step that the studio runs only the name can be set: its status is that of its program, whoever asks."""
    step = own_step(caller, asked.run)
    ended_at = moment_of(asked.end_time, "end_time")
    with transaction.atomic():
        if asked.run_name:
            tags = {RUN_NAME: asked.run_name}
            log(caller, step, services.Records(tags=tags))
        if asked.status in _ENDS and isinstance(step.frozen.step, TrackedStep):
            services.end_tracked_run(caller.access, step, _ENDS[asked.status], ended_at=ended_at)
    return {"run_info": info_json(step_of(caller, asked.run))}


def delete(caller: Caller, asked: OfRun) -> dict[str, Any]:
    """Into the trash. Steps of the studio's runs go with these alone."""
    caller.require_person("deleting runs")
    step = step_of(caller, asked.run)
    refuse_unless_tracked(step)
    if step.run.trashed_at is None:
        services.trash_run(caller.access, step.run)
    return {}


def restore(caller: Caller, asked: OfRun) -> dict[str, Any]:
    caller.require_person("restoring runs")
    step = step_of(caller, asked.run)
    refuse_unless_tracked(step)
    if step.run.trashed_at is not None:
        services.restore_run(caller.access, Run.everything.get(pk=step.run_id))
    return {}


def log_metric(caller: Caller, asked: LogMetric) -> dict[str, Any]:
    return _log(caller, asked.run, services.Records(points=[asked.point()]))


def log_param(caller: Caller, asked: LogParam) -> dict[str, Any]:
    return _log(caller, asked.run, services.Records(properties=_params([asked])))


def set_tag(caller: Caller, asked: SetTag) -> dict[str, Any]:
    step = own_step(caller, asked.run)
    log(caller, step, services.Records(tags={asked.key: asked.value}))
    return {}


def delete_tag(caller: Caller, asked: DeleteTag) -> dict[str, Any]:
    step = own_step(caller, asked.run)
    if not services.remove_tag(caller.access, step, asked.key):
        raise missing(f"Run “{asked.run}” has no tag “{asked.key[:80]}”.")
    return {}


def log_batch(caller: Caller, asked: LogBatch) -> dict[str, Any]:
    """All of it or nothing. https://mlflow.org/docs/latest/rest-api.html#log-batch"""
    counts = {"metrics": len(asked.metrics), "params": len(asked.params), "tags": len(asked.tags)}
    for name, most in (("metrics", MAX_METRICS), ("params", MAX_PARAMS), ("tags", MAX_TAGS)):
        if counts[name] > most:
            raise unfit(f"A batch may have at most {most:,} {name}, and this one has {counts[name]:,}.")
    if sum(counts.values()) > MAX_TOGETHER:
        raise unfit(f"A batch may have at most {MAX_TOGETHER:,} metrics, params and tags together.")
    records = services.Records(
        points=[each.point() for each in asked.metrics],
        properties=_params(asked.params),
        tags={each.key: each.value for each in asked.tags},
    )
    return _log(caller, asked.run, records)


def log_inputs(caller: Caller, asked: LogInputs) -> dict[str, Any]:
    """Data sets that a client says it used, kept as tags; their schema and profile only where they are short."""
    if len(asked.datasets) > MAX_TAGS:
        raise unfit(f"A request may have at most {MAX_TAGS} data sets.")
    tags: dict[str, str] = {}
    for each in asked.datasets:
        name = f"{DATASET_TAG}{each.dataset.name}.{each.dataset.digest}"
        if len(name) > MAX_NAME or not name.isprintable():
            raise unfit("Name and digest of a data set are a line of at most 200 characters together.")
        whole = each.model_dump(mode="json", by_alias=True)
        text = json.dumps(whole)
        for long in ("profile", "schema", "source"):
            if len(text) <= MAX_LABEL_VALUE:
                break
            whole["dataset"][long] = ""
            text = json.dumps(whole)
        tags[name] = text
    return _log(caller, asked.run, services.Records(tags=tags))


def history(caller: Caller, asked: History) -> dict[str, Any]:
    """All points of a series, as they came. Of what a step logged by the SDK nobody noted the times."""
    if not 0 < asked.max_results <= MAX_HISTORY:
        raise unfit(f"max_results must be between 1 and {MAX_HISTORY:,}.")
    step = step_of(caller, asked.run)
    question = ["history", caller.workspace.pk, asked.run, asked.metric_key]
    start = start_of(asked.page_token, question)
    attempt = Attempt.objects.filter(job=step.their_job, number=step.their_attempt).first()  # type: ignore[attr-defined]
    metric = Metric.objects.filter(attempt=attempt, name=asked.metric_key, kind="scalar").first() if attempt else None
    if metric is None:
        return {"metrics": []}
    timed = timed_points(metric, start=start, count=asked.max_results)
    began_ms = milliseconds(step.started_at or step.run.created_at)
    answer: dict[str, Any] = {
        "metrics": [
            {
                "key": metric.name,
                "value": json_number(value),
                "timestamp": at_ms if metric.by_client else began_ms,
                "step": at,
            }
            for at, value, at_ms in zip(timed.points.steps, timed.points.values, timed.times_ms, strict=True)
        ]
    }
    if start + len(timed.points) < metric.count and timed.points:
        answer["next_page_token"] = token_at(start + len(timed.points), question)
    return answer


def own_step(caller: Caller, run_id: str) -> StepRun:
    step = step_of(caller, run_id)
    caller.require_may_log_to(step, run_name_of(step))
    if step.run.trashed_at is not None:
        raise wrong_state(f"Run “{run_name_of(step)}” is deleted. Restore it first.")
    return step


def _log(caller: Caller, run_id: str, records: services.Records) -> dict[str, Any]:
    step = own_step(caller, run_id)
    attempt = services.attempt_to_log_to(step, as_its_program=caller.is_program_of(step))
    log(caller, step, records, attempt)
    return {}


def log(caller: Caller, step: StepRun, records: services.Records, attempt: Attempt | None = None) -> None:
    """What the step's own program says, nobody else said."""
    services.log_records(caller.access, step, attempt, records, by_program=caller.is_program_of(step))


def _params(given: Any) -> dict[str, str]:
    params: dict[str, str] = {}
    for each in given:
        if len(each.value) > MAX_PARAM_VALUE:
            raise unfit(f"The value of the param “{each.key[:80]}” may have at most {MAX_PARAM_VALUE:,} characters.")
        if params.setdefault(each.key, each.value) != each.value:
            raise unfit(f"The param “{each.key[:80]}” is said twice in this request, with different values.")
    return params

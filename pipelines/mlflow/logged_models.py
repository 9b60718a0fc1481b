"""Models that a client logs to a run (MLflow 3): a folder among the run's artifacts, and a tag that says what it is.

There is no row for one: the tag holds it, and goes with the run.
"""

import re
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from pipelines import services
from pipelines.mlflow.artifacts import ListBelow, list_below
from pipelines.mlflow.caller import Caller, run_name_of
from pipelines.mlflow.experiments import KeyValue
from pipelines.mlflow.failures import missing, unfit
from pipelines.mlflow.filters import Comparison, UnfitFilterError, compares, parse_filter
from pipelines.mlflow.found_runs import steps_in
from pipelines.mlflow.moments import milliseconds
from pipelines.mlflow.pages import start_of, token_at
from pipelines.mlflow.protocol import Asked
from pipelines.mlflow.runs import log, own_step
from pipelines.models import StepRun, Tag
from pipelines.services.journal import held_run
from pipelines.services.tracking import MAX_LABEL_VALUE
from pipelines.tracked_runs import MODEL_TAG, parts_of

_ID = re.compile(r"\Am-(r[0-9]+-s[0-9]+)-([0-9]{1,6})\Z")
_NAME = re.compile(r"\A[^/:.%\"'*?\x00-\x1f]{1,200}\Z")
_MOST = 1000  # of one search

Status = Literal["LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"]


class LoggedModel(BaseModel):
    """What its tag holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str
    folder: str
    status: Status = "LOGGED_MODEL_PENDING"
    model_type: str = ""
    created_ms: int
    updated_ms: int
    params: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)


class Create(Asked):
    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[KeyValue] = Field(default_factory=list)
    tags: list[KeyValue] = Field(default_factory=list)


class ById(Asked):
    model_id: str


class Finalize(ById):
    status: Status


class SetTags(ById):
    tags: list[KeyValue] = Field(default_factory=list)


class DeleteTag(ById):
    tag_key: str


class LogParams(ById):
    params: list[KeyValue] = Field(default_factory=list)


class Files(ById):
    artifact_directory_path: str = ""


class Search(Asked):
    experiment_ids: list[str] = Field(default_factory=list)
    filter: str = ""
    max_results: int = 50
    page_token: str = ""


class Output(Asked):
    model_id: str


class LogOutputs(Asked):
    run_id: str
    models: list[Output] = Field(default_factory=list)


def create(caller: Caller, asked: Create) -> dict[str, Any]:
    if not asked.source_run_id:
        raise unfit("The studio keeps a model among the files of the run that made it. Begin a run, and log it there.")
    step = own_step(caller, asked.source_run_id)
    services.attempt_to_log_to(step, as_its_program=caller.is_program_of(step))
    with transaction.atomic():
        held_run(step.run_id)  # of two that are logged at once each gets a number of its own
        numbers = [_number(tag.name) for tag in Tag.objects.filter(step_run=step, name__startswith=MODEL_TAG)]
        number = max(numbers, default=0) + 1
        name = asked.name or f"model-{number}"
        if not _NAME.match(name):
            raise unfit("A model's name has at most 200 characters, and none of / : . % * ? and quotes.")
        now = milliseconds(timezone.now())
        model = LoggedModel(
            name=name,
            folder=f"models/{name}" if number == 1 else f"models/{name}-{number}",
            model_type=asked.model_type[:200],
            created_ms=now,
            updated_ms=now,
            params={each.key: each.value for each in asked.params},
            tags={each.key: each.value for each in asked.tags},
        )
        model_id = f"m-{run_name_of(step)}-{number}"
        _write(caller, step, model_id, model)
    return {"model": _json(step, model_id, model)}


def get(caller: Caller, asked: ById) -> dict[str, Any]:
    step, model = found(caller, asked.model_id)
    return {"model": _json(step, asked.model_id, model)}


def finalize(caller: Caller, asked: Finalize) -> dict[str, Any]:
    return _changed(caller, asked.model_id, status=asked.status)


def set_tags(caller: Caller, asked: SetTags) -> dict[str, Any]:
    return _changed(caller, asked.model_id, tags={each.key: each.value for each in asked.tags})


def log_params(caller: Caller, asked: LogParams) -> dict[str, Any]:
    _changed(caller, asked.model_id, params={each.key: each.value for each in asked.params})
    return {}


def delete_tag(caller: Caller, asked: DeleteTag) -> dict[str, Any]:
    return _changed(caller, asked.model_id, without_tag=asked.tag_key)


def delete(caller: Caller, asked: ById) -> dict[str, Any]:
    """Its files stay with the run."""
    step, _model = found(caller, asked.model_id)
    step = own_step(caller, run_name_of(step))
    services.remove_tag(caller.access, step, MODEL_TAG + asked.model_id)
    return {}


def files(caller: Caller, asked: Files) -> dict[str, Any]:
    step, model = found(caller, asked.model_id)
    root = f"{run_name_of(step)}/{model.folder}"
    below = asked.artifact_directory_path.strip("/")
    listed = list_below(caller, ListBelow(path=f"{root}/{below}"))["files"]
    named = [{**each, "path": f"{below}/{each['path']}" if below else each["path"]} for each in listed]
    return {"root_uri": f"mlflow-artifacts:/{root}", "files": named}


def search(caller: Caller, asked: Search) -> dict[str, Any]:
    if not 0 < asked.max_results <= _MOST:
        raise unfit(f"max_results must be between 1 and {_MOST:,}.")
    question = ["logged models", caller.workspace.pk, asked.experiment_ids, asked.filter]
    start = start_of(asked.page_token, question)
    try:
        comparisons = parse_filter(asked.filter)
    except UnfitFilterError as error:
        raise unfit(str(error)) from error
    experiments = [int(each) for each in asked.experiment_ids if each.isdecimal() and len(each) <= 18]
    tags = Tag.objects.filter(
        step_run__run__workspace=caller.workspace,
        step_run__run__experiment__in=experiments,
        step_run__run__trashed_at=None,
        is_property=False,
        name__startswith=MODEL_TAG,
    )
    tags = tags.select_related("step_run__run").defer("step_run__frozen").order_by("-pk")
    models = []
    for tag in tags.iterator(chunk_size=500):
        model_id, model = tag.name.removeprefix(MODEL_TAG), LoggedModel.model_validate_json(tag.value)
        assert tag.step_run is not None, "these are tags of steps"
        if all(_fits(tag.step_run, model_id, model, each) for each in comparisons):
            models.append(_json(tag.step_run, model_id, model))
        if len(models) > start + asked.max_results:
            break
    answer: dict[str, Any] = {"models": models[start : start + asked.max_results]}
    if len(models) > start + asked.max_results:
        answer["next_page_token"] = token_at(start + asked.max_results, question)
    return answer


def log_outputs(caller: Caller, asked: LogOutputs) -> dict[str, Any]:
    """A model says itself which run made it: so all that is left is to look whether these are models."""
    own_step(caller, asked.run_id)
    for each in asked.models:
        found(caller, each.model_id)
    return {}


def found(caller: Caller, model_id: str) -> tuple[StepRun, LoggedModel]:
    """The step that it was logged to, and what is said of it. Raises MlflowError."""
    match = _ID.match(model_id)
    parts = parts_of(match[1]) if match else None
    step = steps_in(caller.workspace).filter(run=parts[0], pk=parts[1]).first() if parts else None
    tag = Tag.objects.filter(step_run=step, is_property=False, name=MODEL_TAG + model_id).first() if step else None
    if step is None or tag is None:
        raise missing(f"There is no logged model “{model_id[:80]}” in this workspace.")
    return step, LoggedModel.model_validate_json(tag.value)


def _changed(
    caller: Caller,
    model_id: str,
    *,
    status: Status | None = None,
    tags: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    without_tag: str = "",
) -> dict[str, Any]:
    step, _model = found(caller, model_id)
    step = own_step(caller, run_name_of(step))
    with transaction.atomic():
        held_run(step.run_id)
        step, model = found(caller, model_id)
        if without_tag and without_tag not in model.tags:
            raise missing(f"The model has no tag “{without_tag[:80]}”.")
        kept = {key: value for key, value in model.tags.items() if key != without_tag}
        model = model.model_copy(
            update={
                "status": status or model.status,
                "tags": kept | (tags or {}),
                "params": model.params | (params or {}),
                "updated_ms": milliseconds(timezone.now()),
            }
        )
        _write(caller, step, model_id, model)
    return {"model": _json(step, model_id, model)}


def _write(caller: Caller, step: StepRun, model_id: str, model: LoggedModel) -> None:
    text = model.model_dump_json()
    if len(text) > MAX_LABEL_VALUE:
        raise unfit("Parameters and tags of a logged model may have some 7,000 characters together.")
    log(caller, step, services.Records(tags={MODEL_TAG + model_id: text}))


def _number(name: str) -> int:
    match = _ID.match(name.removeprefix(MODEL_TAG))
    return int(match[2]) if match else 0


def _fits(step: StepRun, model_id: str, model: LoggedModel, asked: Comparison) -> bool:
    if asked.entity == "tag":
        return compares(model.tags.get(asked.key), asked)
    if asked.entity == "parameter":
        return compares(model.params.get(asked.key), asked)
    said = {
        "name": model.name,
        "model_name": model.name,
        "model_id": model_id,
        "model_type": model.model_type,
        "status": model.status.removeprefix("LOGGED_MODEL_"),
        "source_run_id": run_name_of(step),
    }
    if asked.entity == "attribute" and asked.key in said:
        return compares(said[asked.key], asked)
    raise unfit(f"Logged models are searched by {', '.join(said)}, tags and params, not by “{asked.key[:80]}”.")


def _json(step: StepRun, model_id: str, model: LoggedModel) -> dict[str, Any]:
    return {
        "info": {
            "model_id": model_id,
            "experiment_id": str(step.run.experiment_id),
            "name": model.name,
            "creation_timestamp_ms": model.created_ms,
            "last_updated_timestamp_ms": model.updated_ms,
            "artifact_uri": f"mlflow-artifacts:/{run_name_of(step)}/{model.folder}",
            "status": model.status,
            "model_type": model.model_type,
            "source_run_id": run_name_of(step),
            "tags": [{"key": key, "value": value} for key, value in model.tags.items()],
        },
        "data": {"params": [{"key": key, "value": value} for key, value in model.params.items()], "metrics": []},
    }

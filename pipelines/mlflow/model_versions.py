"""Versions of registered models. A client registers what it logged to a run, or a version that is there: nothing is
copied, and nothing taken from elsewhere.
"""

import re
from typing import Any
from urllib.parse import unquote

from django.db import transaction
from django.db.models import Q
from pydantic import Field, field_validator

from pipelines import services
from pipelines.mlflow import logged_models, registry
from pipelines.mlflow.caller import Caller, run_name_of
from pipelines.mlflow.experiments import KeyValue
from pipelines.mlflow.failures import unfit
from pipelines.mlflow.filters import Comparison
from pipelines.mlflow.found_runs import key_of
from pipelines.mlflow.moments import moment_condition
from pipelines.mlflow.protocol import Asked
from pipelines.mlflow.registered_models import tags_now, without
from pipelines.mlflow.registry_search import Searching
from pipelines.mlflow.runs import own_step
from pipelines.mlflow.texts import text_condition
from pipelines.models import StepRun
from pipelines.registered import ModelVersion
from pipelines.services import Left
from pipelines.states import ModelStage

MAX_RESULTS = 200_000
_PAGE = 1000  # versions of one answer, whatever was asked for: the token leads on
_LOGGED = re.compile(r"\Amodels:/+(m-[^/@]+)\Z")
_VERSION = re.compile(r"\A(?:models:|mlflow-artifacts:/models)/+([^/@]+)/([0-9]{1,9})\Z")
_FILES = re.compile(r"\A(?:mlflow-artifacts|runs):/+([^/]+)/(.+)\Z")
_TIMES = {"creation_timestamp": "created_at", "last_updated_timestamp": "stage_set_at", "timestamp": "created_at"}
_COLUMNS = {"name": "model__name", "version_number": "number", **_TIMES}
_COMPARED = {"=": "exact", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class ByVersion(Asked):
    name: str
    version: str

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Create(Asked):
    name: str
    source: str
    run_id: str = ""
    description: str = ""
    tags: list[KeyValue] = Field(default_factory=list)


class Update(ByVersion):
    description: str = ""


class Transition(ByVersion):
    stage: str
    archive_existing_versions: bool = False


class SetTag(ByVersion):
    key: str
    value: str = ""


class DeleteTag(ByVersion):
    key: str


class Search(Asked):
    filter: str = ""
    max_results: int = 10_000
    order_by: list[str] = Field(default_factory=list)
    page_token: str = ""


def create(caller: Caller, asked: Create) -> dict[str, Any]:
    name = registry.model_of(caller, asked.name).name
    tags = {each.key: each.value for each in asked.tags}
    if named := _VERSION.match(asked.source):
        caller.require_person("registering what another run left")
        source = registry.version_of(caller, unquote(named[1]), named[2])
        made = services.register_copy(caller.access, source, name=name, description=asked.description, tags=tags)
    else:
        step, folder = _logged(caller, asked.source)
        if asked.run_id and asked.run_id != run_name_of(step):
            raise unfit(f"These files are of run “{run_name_of(step)}”, and not of “{asked.run_id[:80]}”.")
        left = Left(artifact=folder, is_logged=True)
        registered = services.register_model(
            caller.access, step, left, name=name, description=asked.description, tags=tags
        )
        made = registered.version
    return {"model_version": registry.version_json(made)}


def get(caller: Caller, asked: ByVersion) -> dict[str, Any]:
    return {"model_version": registry.version_json(_found(caller, asked))}


def update(caller: Caller, asked: Update) -> dict[str, Any]:
    version = _found(caller, asked)
    services.change_model_version(caller.access, version, description=asked.description)
    return {"model_version": registry.version_json(version)}


def delete(caller: Caller, asked: ByVersion) -> dict[str, Any]:
    caller.require_person("deleting versions of models")
    services.delete_model_version(caller.access, _found(caller, asked))
    return {}


def download_uri(caller: Caller, asked: ByVersion) -> dict[str, Any]:
    return {"artifact_uri": registry.address_of(_found(caller, asked))}


def transition(caller: Caller, asked: Transition) -> dict[str, Any]:
    """Whatever is asked for, no more than one version is in production: the one that was moves to the archive."""
    version, stage = _found(caller, asked), registry.stage_of(asked.stage)
    if asked.archive_existing_versions and stage not in {ModelStage.STAGING, ModelStage.PRODUCTION}:
        raise unfit("archive_existing_versions is for Staging and Production alone.")
    with transaction.atomic():
        services.set_stage(caller.access, version, stage)
        if asked.archive_existing_versions:
            others = ModelVersion.objects.filter(model=version.model_id, stage=stage).exclude(pk=version.pk)
            for each in others.select_related("model__workspace").order_by("pk"):
                services.set_stage(caller.access, each, ModelStage.ARCHIVED)
    return {"model_version": registry.version_json(_found(caller, asked))}


def set_tag(caller: Caller, asked: SetTag) -> dict[str, Any]:
    version = _found(caller, asked)
    with transaction.atomic():
        services.change_model_version(caller.access, version, tags=tags_now(version) | {asked.key: asked.value})
    return {}


def delete_tag(caller: Caller, asked: DeleteTag) -> dict[str, Any]:
    version = _found(caller, asked)
    with transaction.atomic():
        left = without(tags_now(version), asked.key, f"Version {version.number} of model “{version.model.name}”")
        services.change_model_version(caller.access, version, tags=left)
    return {}


def search(caller: Caller, asked: Search) -> dict[str, Any]:
    if not 0 < asked.max_results <= MAX_RESULTS:
        raise unfit(f"max_results must be between 1 and {MAX_RESULTS:,}.")
    question = ["model versions", caller.workspace.pk, asked.filter, asked.order_by]
    searching = Searching("Versions", _COLUMNS, _condition)
    usual = (*([] if asked.order_by else ["-created_at"]), "model__name", "-number")
    count = min(asked.max_results, _PAGE)
    found, token = searching.page(registry.versions_in(caller), asked, question, count=count, usual=usual)
    return {"model_versions": [registry.version_json(each) for each in found]} | token


def _found(caller: Caller, asked: ByVersion) -> ModelVersion:
    return registry.version_of(caller, asked.name, asked.version)


def _logged(caller: Caller, source: str) -> tuple[StepRun, str]:
    """The step, and what of its artifacts is meant. Raises MlflowError."""
    if named := _LOGGED.match(source):
        step, model = logged_models.found(caller, named[1])
        return own_step(caller, run_name_of(step)), model.folder
    if files := _FILES.match(source):
        return own_step(caller, files[1]), unquote(files[2]).strip("/")
    raise unfit(
        f"The studio can't register “{source[:200]}”. Log the model to a run of the studio, and register "
        "runs:/RUN/PATH or models:/MODEL_ID of it, or a version that is there, as models:/NAME/VERSION."
    )


def _condition(asked: Comparison) -> Q:
    match asked.entity, asked.key:
        case "attribute", "name":
            return text_condition("model__name", asked)
        case "attribute", "run_id":
            return _by_run(asked)
        case "attribute", "version_number":
            return _by_number(asked)
        case "attribute", key if key in _TIMES:
            return moment_condition(_TIMES[key], asked)
    known = ", ".join(["name", "run_id", "version_number", *_TIMES])
    raise unfit(f"Versions are searched by {known} and tags, not by “{asked.key[:80]}”.")


def _by_run(asked: Comparison) -> Q:
    match asked.operator, asked.value:
        case "=", str(value):
            return Q(step_run=key_of(value))
        case "IN", tuple(values):
            return Q(step_run__in=[key_of(each) for each in values])
    raise unfit("Compare run_id by = or IN with texts.")


def _by_number(asked: Comparison) -> Q:
    value = asked.value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = float(value[:18])
    if not isinstance(value, float) or not value.is_integer() or not 0 <= value < 2**31:
        raise unfit("Compare version_number with the number of a version.")
    if asked.operator == "!=":
        return ~Q(number=int(value))
    if asked.operator not in _COMPARED:
        raise unfit(f"version_number can't be compared by {asked.operator}.")
    return Q(**{f"number__{_COMPARED[asked.operator]}": int(value)})

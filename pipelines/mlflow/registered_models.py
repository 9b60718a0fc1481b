"""Registered models, as MLflow's clients ask for them: they are the models of the page Models."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from pydantic import Field

from pipelines import services
from pipelines.mlflow import registry
from pipelines.mlflow.caller import Caller
from pipelines.mlflow.experiments import KeyValue
from pipelines.mlflow.failures import missing, taken, unfit
from pipelines.mlflow.filters import Comparison
from pipelines.mlflow.moments import moment_condition
from pipelines.mlflow.protocol import Asked
from pipelines.mlflow.registry_search import PROMPT, Searching
from pipelines.mlflow.texts import text_condition
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.services.staging import held_model

MAX_RESULTS = 1000
_TIMES = {
    "creation_timestamp": "created_at",
    "timestamp": "created_at",
    "last_updated_timestamp": "created_at",
}
_COLUMNS = {"name": "name", **_TIMES}


class Create(Asked):
    name: str
    description: str = ""
    tags: list[KeyValue] = Field(default_factory=list)


class ByName(Asked):
    name: str


class Rename(ByName):
    new_name: str


class Update(ByName):
    description: str = ""


class SetTag(ByName):
    key: str
    value: str = ""


class DeleteTag(ByName):
    key: str


class Latest(ByName):
    stages: list[str] = Field(default_factory=list)


class SetAlias(ByName):
    alias: str
    version: str


class ByAlias(ByName):
    alias: str


class Search(Asked):
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = Field(default_factory=list)
    page_token: str = ""


def create(caller: Caller, asked: Create) -> dict[str, Any]:
    tags = {each.key: each.value for each in asked.tags}
    if PROMPT in tags:
        raise unfit("The studio keeps models in its registry, and no prompts.")
    if registry.models_in(caller).filter(name=asked.name.strip()).exists():
        raise taken(f"Registered model “{asked.name.strip()}” already exists.")
    try:
        model = services.create_model(caller.access, asked.name, description=asked.description, tags=tags)
    except services.ModelExistsError as error:  # somebody was quicker
        raise taken(str(error)) from error
    return {"registered_model": registry.model_json(model)}


def get(caller: Caller, asked: ByName) -> dict[str, Any]:
    return {"registered_model": registry.model_json(registry.model_of(caller, asked.name))}


def rename(caller: Caller, asked: Rename) -> dict[str, Any]:
    caller.require_person("renaming models")
    model = registry.model_of(caller, asked.name)
    try:
        services.rename_model(caller.access, model, asked.new_name)
    except services.ModelExistsError as error:
        raise taken(str(error)) from error
    return {"registered_model": registry.model_json(model)}


def update(caller: Caller, asked: Update) -> dict[str, Any]:
    model = registry.model_of(caller, asked.name)
    services.change_model(caller.access, model, description=asked.description)
    return {"registered_model": registry.model_json(model)}


def delete(caller: Caller, asked: ByName) -> dict[str, Any]:
    caller.require_person("deleting models")
    services.delete_model(caller.access, registry.model_of(caller, asked.name))
    return {}


def set_tag(caller: Caller, asked: SetTag) -> dict[str, Any]:
    model = registry.model_of(caller, asked.name)
    with transaction.atomic():
        services.change_model(caller.access, model, tags=tags_now(model) | {asked.key: asked.value})
    return {}


def delete_tag(caller: Caller, asked: DeleteTag) -> dict[str, Any]:
    model = registry.model_of(caller, asked.name)
    with transaction.atomic():
        services.change_model(caller.access, model, tags=without(tags_now(model), asked.key, f"Model “{model.name}”"))
    return {}


def latest(caller: Caller, asked: Latest) -> dict[str, Any]:
    """The newest version in each of these stages; without one, in each that has some."""
    model = registry.model_of(caller, asked.name)
    wanted = {registry.stage_of(each) for each in asked.stages}
    found = registry.latest_by_stage([model]).get(model.pk, [])
    return {"model_versions": [registry.version_json(each) for each in found if not wanted or each.stage in wanted]}


def set_alias(caller: Caller, asked: SetAlias) -> dict[str, Any]:
    services.set_alias(caller.access, registry.version_of(caller, asked.name, asked.version), asked.alias)
    return {}


def delete_alias(caller: Caller, asked: ByAlias) -> dict[str, Any]:
    services.remove_alias(caller.access, registry.model_of(caller, asked.name), asked.alias)
    return {}


def by_alias(caller: Caller, asked: ByAlias) -> dict[str, Any]:
    model = registry.model_of(caller, asked.name)
    found = registry.versions_in(caller).filter(aliases__model=model, aliases__name__iexact=asked.alias).first()
    if found is None:
        raise missing(f"Model “{model.name}” has no alias “{asked.alias[:80]}”.")
    return {"model_version": registry.version_json(found)}


def search(caller: Caller, asked: Search) -> dict[str, Any]:
    if not 0 < asked.max_results <= MAX_RESULTS:
        raise unfit(f"max_results must be between 1 and {MAX_RESULTS:,}.")
    question = ["registered models", caller.workspace.pk, asked.filter, asked.order_by]
    searching = Searching("Models", _COLUMNS, _condition)
    found, token = searching.page(
        registry.models_in(caller), asked, question, count=asked.max_results, usual=("name", "pk")
    )
    return {"registered_models": registry.models_json(found)} | token


def tags_now(row: RegisteredModel | ModelVersion) -> dict[str, str]:
    """Within a transaction: nobody else sets a tag by this interface until it ends."""
    held_model(row.model_id if isinstance(row, ModelVersion) else row.pk)
    row.refresh_from_db(fields=["tags"])
    return dict(row.tags.tags)


def without(tags: Mapping[str, str], key: str, whose: str) -> dict[str, str]:
    """Raises MlflowError where there is no such tag."""
    if key not in tags:
        raise missing(f"{whose} has no tag “{key[:80]}”.")
    return {name: value for name, value in tags.items() if name != key}


def _condition(asked: Comparison) -> Any:
    if asked.entity == "attribute" and asked.key == "name":
        return text_condition("name", asked)
    if asked.entity == "attribute" and asked.key in _TIMES:
        return moment_condition(_TIMES[asked.key], asked)
    raise unfit(f"Models are searched by {', '.join(_COLUMNS)} and tags, not by “{asked.key[:80]}”.")

"""The studio's models as MLflow's registry tells of them: rows looked up, and their JSON. No query for each of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery

from pipelines.mlflow.caller import Caller
from pipelines.mlflow.failures import missing, unfit
from pipelines.mlflow.moments import milliseconds
from pipelines.registered import ModelAlias, ModelVersion, RegisteredModel
from pipelines.states import ModelStage
from pipelines.tracked_runs import tracked_run_id

MODELS = "models"  # the first part of the path of a version's files, where others have the name of a run
STAGES: Mapping[str, str] = {
    ModelStage.NONE: "None",
    ModelStage.STAGING: "Staging",
    ModelStage.PRODUCTION: "Production",
    ModelStage.ARCHIVED: "Archived",
}
_BY_NAME = {theirs.lower(): own for own, theirs in STAGES.items()}


def models_in(caller: Caller) -> QuerySet[RegisteredModel]:
    """With what `models_json` reads."""
    rows = RegisteredModel.objects.filter(workspace=caller.workspace).select_related("created_by", "workspace")
    aliases = ModelAlias.objects.select_related("version").order_by("name")
    return rows.prefetch_related(Prefetch("aliases", queryset=aliases))


def versions_in(caller: Caller) -> QuerySet[ModelVersion]:
    """With what `version_json` reads."""
    rows = ModelVersion.objects.filter(model__workspace=caller.workspace)
    return rows.select_related("model__workspace", "created_by", "datastore").prefetch_related("aliases")


def model_of(caller: Caller, name: str) -> RegisteredModel:
    """Raises MlflowError."""
    found = models_in(caller).filter(name=name).first()
    if found is None:
        raise missing(f"There is no registered model “{name[:100]}” in this workspace.")
    return found


def version_of(caller: Caller, name: str, version: str) -> ModelVersion:
    """Raises MlflowError."""
    if not (version.isascii() and version.isdecimal() and len(version) <= 9):
        raise unfit(f"“{version[:50]}” is no number of a version.")
    found = versions_in(caller).filter(model=model_of(caller, name), number=int(version)).first()
    if found is None:
        raise missing(f"Model “{name[:100]}” has no version {version}.")
    return found


def stage_of(text: str) -> str:
    """The studio's word for a stage, however it is written. Raises MlflowError."""
    found = _BY_NAME.get(text.strip().lower())
    if found is None:
        raise unfit(f"A stage is one of {', '.join(STAGES.values())}, not “{text[:50]}”.")
    return found


def latest_by_stage(models: Sequence[RegisteredModel]) -> dict[int, list[ModelVersion]]:
    """By model, its newest version in each stage that has one."""
    same = ModelVersion.objects.filter(model=OuterRef("model"), stage=OuterRef("stage")).order_by("-number")
    rows = ModelVersion.objects.filter(model__in=[model.pk for model in models])
    rows = rows.annotate(newest=Subquery(same.values("number")[:1])).filter(number=F("newest")).order_by("number")
    found: dict[int, list[ModelVersion]] = {}
    for version in rows.select_related("model", "created_by").prefetch_related("aliases"):
        found.setdefault(version.model_id, []).append(version)
    return found


def models_json(models: Sequence[RegisteredModel]) -> list[dict[str, Any]]:
    latest = latest_by_stage(models)
    return [_model_json(model, latest.get(model.pk, [])) for model in models]


def model_json(model: RegisteredModel) -> dict[str, Any]:
    return models_json([model])[0]


def version_json(version: ModelVersion) -> dict[str, Any]:
    aliases = [alias.name for alias in version.aliases.all()]
    return {
        "name": version.model.name,
        "version": str(version.number),
        "creation_timestamp": milliseconds(version.created_at),
        "last_updated_timestamp": milliseconds(max(version.created_at, version.stage_set_at)),
        "user_id": version.created_by.username if version.created_by else "",
        "current_stage": STAGES[version.stage],
        "description": version.description,
        "source": address_of(version),
        "run_id": tracked_run_id(version.run_number, version.step_run_id) if version.step_run_id else "",
        "status": "READY",
        "tags": _tags(version),
        "aliases": aliases,
    }


def address_of(version: ModelVersion) -> str:
    """Where clients read its files, through the studio, wherever they lie."""
    return f"mlflow-artifacts:/{MODELS}/{version.model.name}/{version.number}"


def _model_json(model: RegisteredModel, latest: Sequence[ModelVersion]) -> dict[str, Any]:
    changes = [model.created_at, *(max(each.created_at, each.stage_set_at) for each in latest)]
    return {
        "name": model.name,
        "creation_timestamp": milliseconds(model.created_at),
        "last_updated_timestamp": milliseconds(max(changes)),
        "user_id": model.created_by.username if model.created_by else "",
        "description": model.description,
        "latest_versions": [version_json(each) for each in latest],
        "tags": _tags(model),
        "aliases": [{"alias": each.name, "version": str(each.version.number)} for each in model.aliases.all()],
    }


def _tags(row: RegisteredModel | ModelVersion) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(row.tags.tags.items())]

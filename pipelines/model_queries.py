"""What the pages and the API read of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from django.urls import reverse

from pipelines.artifacts import StoredFolder
from pipelines.models import LONG_OF_VERSIONS, Run, StepInput, StepRun
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.states import ModelStage
from studio.workspaces.models import Workspace

READ = 50  # of what is named at once
NAMES_OFFERED = 200


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model with its newest version and the number of the one in production, where there are such."""

    model: RegisteredModel
    latest: ModelVersion | None
    production: int | None


def models_in(workspace: Workspace, *, text: str = "", stage: str = "") -> QuerySet[RegisteredModel]:
    """By name, with `latest_id`, `production` and `version_count`. `stage`: of one of its versions; else all."""
    versions = ModelVersion.objects.filter(model=OuterRef("pk"))
    models = RegisteredModel.objects.filter(workspace=workspace).select_related("created_by")
    if text := text.strip().replace("\0", ""):  # PostgreSQL's texts hold none
        models = models.filter(Q(name__icontains=text) | Q(description__icontains=text))
    if stage in ModelStage.values:
        models = models.filter(Exists(versions.filter(stage=stage)))
    return models.annotate(
        latest_id=Subquery(versions.order_by("-number").values("pk")[:1]),
        production=Subquery(versions.filter(stage=ModelStage.PRODUCTION).values("number")[:1]),
        version_count=Count("versions"),
    ).order_by("name", "pk")  # grouping for the count takes the model's own order away


def with_latest(models: Sequence[RegisteredModel]) -> list[ModelRow]:
    """Rows for `models` as `models_in` gives them, in one query."""
    ids = [model.latest_id for model in models]  # type: ignore[attr-defined]
    versions = ModelVersion.objects.select_related("created_by").in_bulk([pk for pk in ids if pk is not None])
    rows = []
    for model, version_id in zip(models, ids, strict=True):
        version = versions.get(version_id or 0)
        if version is not None:
            version.model = model
        rows.append(ModelRow(model, version, model.production))  # type: ignore[attr-defined]
    return rows


def names_in(workspace: Workspace) -> list[str]:
    """Names to offer, those that were used last first."""
    models = RegisteredModel.objects.filter(workspace=workspace).annotate(used=Max("versions__created_at"))
    return list(models.order_by("-used", "name").values_list("name", flat=True)[:NAMES_OFFERED])


def model_in(workspace: Workspace, model_id: int) -> RegisteredModel:
    """Raises Http404 where the workspace has none of this id."""
    model = RegisteredModel.objects.filter(workspace=workspace, pk=model_id).select_related("created_by").first()
    if model is None:
        raise Http404("There is no such model in this workspace.")
    model.workspace = workspace
    return model


def versions_of(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Newest first."""
    return model.versions.select_related("created_by", "stage_set_by")


def latest_of(model: RegisteredModel) -> ModelVersion | None:
    """The newest version; None where every one was deleted."""
    version = versions_of(model).select_related("datastore").first()
    if version is not None:
        version.model = model
    return version


def version_of(model: RegisteredModel, number: int) -> ModelVersion:
    """Raises Http404."""
    version = versions_of(model).select_related("datastore").filter(number=number).first()
    if version is None:
        raise Http404("The model has no such version.")
    version.model = model
    return version


def production_of(model: RegisteredModel) -> int | None:
    """The number of the version in production."""
    rows = model.versions.filter(stage=ModelStage.PRODUCTION)
    return rows.values_list("number", flat=True).first()


class ModelFolder(StoredFolder):
    """The files of a version, where they lie. Raises Http404 where its datastore was removed."""

    def __init__(self, workspace: Workspace, version: ModelVersion) -> None:
        super().__init__(workspace, datastore_id=version.datastore_id or 0, path=version.path, is_file=version.is_file)


def run_that_made(version: ModelVersion) -> Run | None:
    """None where it was deleted, or is in the trash."""
    runs = Run.objects.filter(workspace=version.model.workspace, pk=version.run_number)
    runs = runs.select_related("pipeline", "version").defer(*(f"version__{name}" for name in LONG_OF_VERSIONS))
    return runs.first()


def datasets_read(run: Run) -> list[dict[str, Any]]:
    """The versions of datasets and models that steps of a run read, by name, at most `READ` of each."""
    reads = StepInput.objects.filter(step_run__run=run).order_by()
    datasets = reads.exclude(dataset="").values_list(
        "dataset", "dataset_version__dataset_id", "dataset_version__number"
    )
    models = reads.exclude(model="").values_list("model", "model_version__model_id", "model_version__number")
    found = []
    for kind, rows in (("dataset", datasets), ("model", models)):
        for name, pk, number in sorted(rows.distinct()[:READ], key=lambda row: str(row[0])):
            page = reverse(f"{kind}s:detail", args=[run.workspace.slug, pk]) if pk else ""
            found.append({"kind": kind, "name": name, "url": f"{page}?version={number}" if page else ""})
    return found


def runs_that_read(version: ModelVersion) -> list[StepRun]:
    """The steps whose runs read it, newest first, at most `READ`; without those in the trash."""
    reads = StepInput.objects.filter(model_version=version, step_run__run__trashed_at=None).order_by("-pk")
    ids = list(reads.values_list("step_run_id", flat=True)[:READ])
    steps = StepRun.objects.filter(pk__in=ids).select_related("run__pipeline")
    found = {step.pk: step for step in steps.only("name", "status", "run__pipeline__name", "run__created_at")}
    return [found[pk] for pk in dict.fromkeys(ids) if pk in found]

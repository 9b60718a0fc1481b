"""Stages of a model's versions: at most one is in production, and the one that was moves to the archive."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.states import ModelStage
from studio.lib.problems import ConflictError, Problem, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import User
from studio.workspaces.permissions import Permission


def set_stage(
    access: Access, version: ModelVersion, stage: str, *, replaces: int | None = None, is_told: bool = False
) -> ModelVersion | None:
    """Move a version to a stage. Returns the version that left production for it, where there was one.

    With `is_told` the person was told that `replaces`, the number of a version, leaves production, or, where it is
    None, that none does. Raises UserError at `stage`; ConflictError where another version is in production by now, or
    this one was deleted.
    """
    access.require(Permission.EDIT_MODELS)
    if problems := stage_problems(stage):
        raise UserError(problems)
    with transaction.atomic():
        model = held_model(version.model_id)
        now = ModelVersion.objects.filter(pk=version.pk).values_list("stage", flat=True).first()
        if now is None:
            raise ConflictError(f"Version {version.number} was just deleted.")
        if now == stage:
            return None
        left = None
        # Whoever submits a run holds the versions that it reads in this order, too.
        moved = model.versions.filter(Q(pk=version.pk) | Q(stage=ModelStage.PRODUCTION))
        list(moved.select_for_update().order_by("pk").values_list("pk", flat=True))
        if stage == ModelStage.PRODUCTION:
            current = model.versions.filter(stage=ModelStage.PRODUCTION).values_list("number", flat=True).first()
            if is_told and current != replaces:
                raise ConflictError(_other_in_production(current), production=current)
            left = archive_production(model, actor=access.user)
        ModelVersion.objects.filter(pk=version.pk).update(
            stage=stage, stage_set_by=access.user, stage_set_at=timezone.now()
        )
        audit.record(access.workspace, access.user, "model.stage", f"{model.name}:{version.number} to {stage}")
    version.stage = stage
    return left


def archive_production(model: RegisteredModel, *, actor: User) -> ModelVersion | None:
    """Of a held model, move what is in production to the archive. Returns that version."""
    version: ModelVersion | None = model.versions.filter(stage=ModelStage.PRODUCTION).first()
    if version is not None:
        ModelVersion.objects.filter(pk=version.pk).update(
            stage=ModelStage.ARCHIVED, stage_set_by=actor, stage_set_at=timezone.now()
        )
        target = f"{model.name}:{version.number} to {ModelStage.ARCHIVED}"
        audit.record(model.workspace, actor, "model.stage", target)
    return version


def held_model(model_id: int) -> RegisteredModel:
    """A model, held within a transaction: nobody numbers or moves its versions meanwhile.

    Raises ConflictError where it was deleted.
    """
    rows = RegisteredModel.objects.select_related("workspace").select_for_update(of=("self",))
    model = rows.filter(pk=model_id).first()
    if model is None:
        raise ConflictError("The model was just deleted.")
    return model


def archived_words(left: ModelVersion | None) -> str:
    """What is said behind a sentence of the version that came to production; nothing where it pushed out none."""
    return f"; version {left.number} left production and is archived" if left else ""


def stage_problems(stage: str) -> list[Problem]:
    if stage in ModelStage.values:
        return []
    return [Problem(("stage",), f"A stage is one of these: {', '.join(ModelStage.values)}.")]


def _other_in_production(number: int | None) -> str:
    if number is None:
        return "No version is in production any more. Look at the page again, then set the stage."
    return f"Version {number} went into production meanwhile. Look at the page again, then set the stage."

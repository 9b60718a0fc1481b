"""What is said of models and their versions, and their end."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet

from datastores.models import VersionTags
from datastores.services.versions import Words, words_problems
from pipelines.models import StepInput
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.services.staging import held_model
from pipelines.states import RUN_OPEN
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

_NAMED = 3


def change_model(
    access: Access, model: RegisteredModel, *, description: str | None = None, tags: Mapping[str, str] | None = None
) -> None:
    """Say something else of a model; None stays as it is. Raises UserError at `description` and `("tags", NAME)`."""
    _change(access, model, {"description": description, "tags": tags}, "model.change")


def change_model_version(
    access: Access, version: ModelVersion, *, description: str | None = None, tags: Mapping[str, str] | None = None
) -> None:
    """As `change_model`, of one version."""
    _change(access, version, {"description": description, "tags": tags}, "model.change_version")


def delete_model_version(access: Access, version: ModelVersion) -> None:
    """Forget a version. Its files stay where they are, and its number is given to no other.

    Raises PermissionDenied where somebody else registered it, ConflictError where a run under way reads it.
    """
    access.require(Permission.EDIT_MODELS)
    with transaction.atomic():
        held_model(version.model_id)
        if not may_delete(access, version):
            raise _not_yours()
        _require_unread(ModelVersion.objects.filter(pk=version.pk))
        if not ModelVersion.objects.filter(pk=version.pk).delete()[0]:
            raise ConflictError("This version was deleted already.")
        audit.record(access.workspace, access.user, "model.delete_version", str(version))


def delete_model(access: Access, model: RegisteredModel) -> None:
    """Forget a model with all versions, as `delete_model_version` does with one."""
    access.require(Permission.EDIT_MODELS)
    with transaction.atomic():
        held_model(model.pk)
        if not may_delete_model(access, model):
            raise _not_yours()
        _require_unread(model.versions.all())
        RegisteredModel.objects.filter(pk=model.pk).delete()
        audit.record(access.workspace, access.user, "model.delete", model.name)


def may_delete(access: Access, version: ModelVersion) -> bool:
    """Whether `delete_model_version` allows it to this person."""
    is_own = version.created_by_id == access.user.pk and access.may(Permission.EDIT_MODELS)
    return is_own or access.may(Permission.MANAGE_MODELS)


def may_delete_model(access: Access, model: RegisteredModel) -> bool:
    """Whether `delete_model` allows it: all versions must be this person's, or it is an owner."""
    if access.may(Permission.MANAGE_MODELS):
        return True
    is_own = model.created_by_id == access.user.pk and access.may(Permission.EDIT_MODELS)
    return is_own and not model.versions.exclude(created_by=access.user).exists()


def _change(access: Access, row: RegisteredModel | ModelVersion, said: Mapping[str, Any], verb: str) -> None:
    access.require(Permission.EDIT_MODELS)
    words = Words((said["description"] or "").strip(), said["tags"] or {})
    if problems := words_problems(words):
        raise UserError(problems)
    changed = [name for name, value in said.items() if value is not None]
    if not changed:
        return
    if "description" in changed:
        row.description = words.description
    if "tags" in changed:
        row.tags = VersionTags(tags=dict(words.tags))
    with transaction.atomic():
        rows = type(row)._default_manager.filter(pk=row.pk)  # noqa: SLF001 (documented)
        if not rows.update(**{name: getattr(row, name) for name in changed}):
            raise ConflictError("It was just deleted.")
        audit.record(access.workspace, access.user, verb, str(row))


def _not_yours() -> PermissionDenied:
    return PermissionDenied("Somebody else registered this. Ask them, or an owner of the workspace, to delete it.")


def _require_unread(versions: QuerySet[ModelVersion]) -> None:
    # Held: whoever submits a run holds what it reads, so a run is either seen here or finds the version gone.
    held = list(versions.select_for_update().order_by("pk").values_list("pk", flat=True))
    readers = StepInput.objects.filter(model_version__in=held, step_run__run__status__in=RUN_OPEN)
    runs = list(readers.order_by("step_run__run").values_list("step_run__run", flat=True).distinct()[: _NAMED + 1])
    if runs:
        named = ", ".join(str(pk) for pk in runs[:_NAMED]) + (" and others" if len(runs) > _NAMED else "")
        word = "Run" if len(runs) == 1 else "Runs"
        read = "reads" if len(runs) == 1 else "read"
        raise ConflictError(f"{word} {named}, under way, {read} it. Wait for the end, or cancel them, then delete it.")

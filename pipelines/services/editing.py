"""Making and changing pipelines."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.definition import PipelineDefinition
from pipelines.models import Pipeline, PipelineVersion
from pipelines.outline import outline_of
from pipelines.services.module_uses import note_uses
from studio.lib.on_commit import publish_on_commit
from studio.lib.problems import ConflictError, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission


@dataclass(frozen=True, slots=True)
class Saved:
    """The version that now is the latest, and whether this call made it."""

    version: PipelineVersion
    created: bool


def create_pipeline(access: Access, *, name: str, description: str = "") -> Pipeline:
    """A pipeline without a version. Raises UserError where the name is unfit or taken."""
    access.require(Permission.EDIT_PIPELINES)
    name, description = _fit_name(name), _fit_description(description)
    try:
        with transaction.atomic():
            pipeline = Pipeline.objects.create(
                workspace=access.workspace, name=name, description=description, created_by=access.user
            )
            audit.record(access.workspace, access.user, "pipeline.create", name)
            _tell_lists(pipeline)
    except IntegrityError as error:
        raise _taken(name) from error
    return pipeline


def rename_pipeline(
    access: Access, pipeline: Pipeline, *, name: str | None = None, description: str | None = None
) -> Pipeline:
    """Change what is given. Raises UserError where the name is unfit or taken."""
    access.require(Permission.EDIT_PIPELINES)
    changes: dict[str, str] = {}
    if name is not None:
        changes["name"] = _fit_name(name)
    if description is not None:
        changes["description"] = _fit_description(description)
    changes = {field: value for field, value in changes.items() if value != getattr(pipeline, field)}
    if not changes:
        return pipeline
    try:
        with transaction.atomic():
            changed = Pipeline.objects.filter(pk=pipeline.pk, deleted_at=None).update(
                updated_at=timezone.now(), **changes
            )
            if not changed:
                raise _deleted(pipeline)
            audit.record(access.workspace, access.user, "pipeline.rename", changes.get("name", pipeline.name))
            _tell_lists(pipeline)
    except IntegrityError as error:
        raise _taken(changes.get("name", "")) from error
    pipeline.refresh_from_db()
    return pipeline


def delete_pipeline(access: Access, pipeline: Pipeline) -> None:
    """Take the pipeline off the lists; its runs stay. Raises ConflictError where somebody else did already."""
    access.require(Permission.EDIT_PIPELINES)
    with transaction.atomic():
        there = Pipeline.objects.filter(pk=pipeline.pk, deleted_at=None)
        if not there.update(deleted_at=timezone.now(), deleted_by=access.user):
            raise _deleted(pipeline)
        audit.record(access.workspace, access.user, "pipeline.delete", pipeline.name)
        _tell_lists(pipeline)


def restore_pipeline(access: Access, pipeline: Pipeline, *, name: str | None = None) -> Pipeline:
    """Put a deleted pipeline on the lists again, under another name where one is given.

    Raises UserError at `name` where it is unfit or taken, ConflictError where somebody else restored it already.
    """
    access.require(Permission.EDIT_PIPELINES)
    name = pipeline.name if name is None else _fit_name(name)
    try:
        with transaction.atomic():
            gone = Pipeline.objects.filter(pk=pipeline.pk, deleted_at__isnull=False)
            if not gone.update(deleted_at=None, deleted_by=None, name=name, updated_at=timezone.now()):
                raise ConflictError(f"The pipeline “{pipeline.name}” is not deleted. Reload the page.", number=None)
            audit.record(access.workspace, access.user, "pipeline.restore", name)
            _tell_lists(pipeline)
    except IntegrityError as error:
        raise _taken(name) from error
    pipeline.refresh_from_db()
    return pipeline


def save_version(
    access: Access,
    pipeline: Pipeline,
    *,
    definition: PipelineDefinition,
    base_version: int,
    name: str | None = None,
    description: str | None = None,
) -> Saved:
    """Make `definition` the pipeline's latest version, where `base_version` still is.

    An unchanged definition makes no version. Raises ConflictError, with who saved what and when, where somebody else
    has saved since; UserError where the name is unfit or taken.
    """
    with transaction.atomic():
        pipeline = rename_pipeline(access, pipeline, name=name, description=description)
        latest = pipeline.versions.select_related("created_by").order_by("-number").first()
        if (latest.number if latest else 0) != base_version:
            raise _changed_meanwhile(latest)
        if latest and latest.definition == definition:
            return Saved(latest, created=False)
        won = Pipeline.objects.filter(pk=pipeline.pk, latest_version=base_version, deleted_at=None).update(
            latest_version=base_version + 1, updated_at=timezone.now()
        )
        if not won:
            if not Pipeline.objects.filter(pk=pipeline.pk, deleted_at=None).exists():
                raise _deleted(pipeline)
            raise _changed_meanwhile(pipeline.versions.select_related("created_by").order_by("-number").first())
        version = PipelineVersion.objects.create(
            pipeline=pipeline,
            number=base_version + 1,
            definition=definition,
            outline=outline_of(definition),
            created_by=access.user,
        )
        pipeline.latest_version = version.number
        note_uses(version, pipeline.workspace_id)
        audit.record(access.workspace, access.user, "pipeline.save", f"{pipeline.name}, version {version.number}")
        _tell_lists(pipeline)
    return Saved(version, created=True)


def _changed_meanwhile(latest: PipelineVersion | None) -> ConflictError:
    if latest is None:
        return ConflictError("This pipeline has no version yet. Reload the page.", number=0)
    who = str(latest.created_by) if latest.created_by else "Somebody"
    return ConflictError(
        f"{who} saved version {latest.number} since you opened this pipeline. "
        "Open it to see what changed; what you have here is not lost.",
        number=latest.number,
        created_by=latest.created_by.username if latest.created_by else None,
        created_at=latest.created_at.isoformat(),
    )


def _deleted(pipeline: Pipeline) -> ConflictError:
    return ConflictError(f"The pipeline “{pipeline.name}” was deleted meanwhile.", number=None)


def _taken(name: str) -> UserError:
    return UserError(f"There is a pipeline “{name}” already. Choose another name.", loc=("name",))


def _fit_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise UserError("Give the pipeline a name.", loc=("name",))
    if len(name) > 100:
        raise UserError("A name may have 100 characters. Shorten it.", loc=("name",))
    if not name.replace("\u200d", "").isprintable():
        raise UserError("There is a character in the name that can't be shown. Remove it.", loc=("name",))
    return name


def _fit_description(description: str) -> str:
    description = description.strip()
    if len(description) > 5000:
        raise UserError("A description may have 5,000 characters. Shorten it.", loc=("description",))
    if "\0" in description or any("\ud800" <= character <= "\udfff" for character in description):
        raise UserError("There is a character in the description that can't be kept.", loc=("description",))
    return description


def _tell_lists(pipeline: Pipeline) -> None:
    publish_on_commit(f"workspace.{pipeline.workspace_id}", {"type": "workspace.changed", "what": "pipelines"})

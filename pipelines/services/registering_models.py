"""What a step left becomes a version of a model: a name for it, and where it lies. Nothing is copied.

From then on the files stay when the run is deleted, as those do that datasets read.
"""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import Http404
from django.utils import timezone

from datastores.backends import get_backend
from datastores.models import Datastore, VersionTags
from datastores.paths import clean_path, is_glob, join
from datastores.services.versions import Words, words_problems
from pipelines.kinds.tracked import TrackedStep
from pipelines.model_files import Look, look
from pipelines.models import StepRun
from pipelines.queries import ArtifactFolder
from pipelines.registered import ModelVersion, RegisteredModel
from pipelines.services.journal import held_run
from pipelines.services.keeping_models import may_delete_model
from pipelines.services.looking import was_overwritten
from pipelines.services.staging import archive_production, archived_words, held_model, stage_problems
from pipelines.services.trashing import refuse_in_trash
from pipelines.states import ModelStage, StepStatus
from studio.lib.problems import ConflictError, Problem, UserError
from studio.workspaces import audit
from studio.workspaces.access import Access
from studio.workspaces.models import NAME, Workspace
from studio.workspaces.permissions import Permission

MAX_PATH_LENGTH = 700
_COMPLETED = frozenset({StepStatus.COMPLETED})


@dataclass(frozen=True, slots=True)
class Left:
    """What of a step is meant: an output, or what it left beside its outputs: all of that, a folder or a file of it.

    `attempt` is of the artifacts; without one they are those of the latest that left some.
    """

    output: str = ""
    artifact: str = ""  # as in `outputs/model.pkl`, where no output is meant
    attempt: int | None = None
    is_logged: bool = False  # an artifact that a client put there: it is whole, though its step may still go on

    @property
    def field(self) -> str:
        return "output" if self.output else "artifact"


@dataclass(frozen=True, slots=True)
class Registered:
    """A new version, and the one that left production for it."""

    version: ModelVersion
    archived: ModelVersion | None

    @property
    def words(self) -> str:
        """As in `digits:3 is registered; version 2 left production and is archived.`"""
        return f"{self.version} is registered{archived_words(self.archived)}."


@dataclass(frozen=True, slots=True)
class _Place:
    datastore: Datastore
    path: str
    is_file: bool
    look: Look


@dataclass(frozen=True, slots=True)
class _Origin:
    step: StepRun | None
    run_number: int
    step_name: str
    output_name: str


class ModelExistsError(ConflictError):
    """There is a model of this name already."""


def register_model(
    access: Access,
    step: StepRun,
    left: Left,
    *,
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    stage: str = ModelStage.NONE,
) -> Registered:
    """The next version of the model `name`, which is made where there is none.

    Looks at the files first, and outside of the transaction. Where it goes to production, the version that was there
    moves to the archive. Raises UserError at `name`, `description`, `("tags", NAME)`, `stage`, and at `output` or
    `artifact` for what can't be a model; ConflictError where the run is in the trash.
    """
    access.require(Permission.EDIT_MODELS)
    name, words = name.strip(), Words(description.strip(), tags or {})
    problems = [*_name_problems(access.workspace, name), *words_problems(words), *stage_problems(stage)]
    try:
        place = _place(access.workspace, step, left)
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)
    with transaction.atomic():
        refuse_in_trash(held_run(step.run_id))  # held: a purge of the run that begins now sees the version
        if not StepRun.objects.filter(pk=step.pk, status__in=_fit_statuses(step, left)).exists():
            raise ConflictError(f"Step “{step.name}” was continued meanwhile. Register what it leaves then.")
        origin = _Origin(step, step.run_id, step.name, left.output)
        return _next_version(access, name, words, place, origin, stage=stage)


def register_copy(
    access: Access,
    source: ModelVersion,
    *,
    name: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> ModelVersion:
    """The files of a version become a version of another model, too, or the next one of the same.

    Raises UserError at `name`, `description`, `("tags", NAME)`, and at `version` where its datastore was removed;
    ConflictError where the version was just deleted.
    """
    access.require(Permission.EDIT_MODELS)
    name, words = name.strip(), Words(description.strip(), tags or {})
    if problems := [*_name_problems(access.workspace, name), *words_problems(words)]:
        raise UserError(problems)
    if source.datastore is None or source.datastore.removed_at is not None:
        raise UserError("The datastore in which its files lie was removed.", loc=("version",))
    found = Look(source.file_count, source.size_bytes, source.stamp, source.fingerprint)
    place = _Place(source.datastore, source.path, source.is_file, found)
    with transaction.atomic():
        held_model(source.model_id)  # until there are two, nobody deletes the one that keeps the files
        row = ModelVersion.objects.select_related("step_run").filter(pk=source.pk).first()
        if row is None:
            raise ConflictError(f"Version {source.number} was just deleted.")
        origin = _Origin(row.step_run, row.run_number, row.step_name, row.output_name)
        return _next_version(access, name, words, place, origin).version


def create_model(
    access: Access, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
) -> RegisteredModel:
    """A name without a version yet. Raises UserError as `register_model`, ModelExistsError."""
    access.require(Permission.EDIT_MODELS)
    name, words = name.strip(), Words(description.strip(), tags or {})
    if problems := [*_name_problems(access.workspace, name), *words_problems(words)]:
        raise UserError(problems)
    try:
        with transaction.atomic():
            model = RegisteredModel.objects.create(
                workspace=access.workspace,
                name=name,
                description=words.description,
                tags=VersionTags(tags=dict(words.tags)),
                created_by=access.user,
            )
            audit.record(access.workspace, access.user, "model.create", name)
    except IntegrityError as error:
        raise ModelExistsError(f"Model “{name}” already exists.") from error
    return model


def rename_model(access: Access, model: RegisteredModel, name: str) -> None:
    """Its versions go with it; pipelines that read it by its old name find it no more.

    Raises PermissionDenied where others registered versions of it, UserError at `name`, ModelExistsError.
    """
    access.require(Permission.EDIT_MODELS)
    if not re.match(NAME.regex, name := name.strip()):
        raise UserError(str(NAME.message), loc=("name",))
    try:
        with transaction.atomic():
            held = held_model(model.pk)
            if not may_delete_model(access, held):
                raise PermissionDenied(
                    "Somebody else registered this. Ask them, or an owner of the workspace, to rename it."
                )
            RegisteredModel.objects.filter(pk=model.pk).update(name=name)
            audit.record(access.workspace, access.user, "model.rename", f"{held.name} to {name}")
    except IntegrityError as error:
        raise ModelExistsError(f"Model “{name}” already exists.") from error
    model.name = name


def _next_version(
    access: Access, name: str, words: Words, place: _Place, origin: _Origin, *, stage: str = ModelStage.NONE
) -> Registered:
    """Within a transaction that holds what keeps the files."""
    model = _held_model(access, name)
    RegisteredModel.objects.filter(pk=model.pk).update(latest_version=F("latest_version") + 1)
    model.refresh_from_db(fields=["latest_version"])
    archived = archive_production(model, actor=access.user) if stage == ModelStage.PRODUCTION else None
    version = ModelVersion.objects.create(
        model=model,
        number=model.latest_version,
        stage=stage,
        stage_set_by=access.user,
        stage_set_at=timezone.now(),
        description=words.description,
        tags=VersionTags(tags=dict(words.tags)),
        created_by=access.user,
        step_run=origin.step,
        run_number=origin.run_number,
        step_name=origin.step_name,
        output_name=origin.output_name,
        datastore=place.datastore,
        path=place.path,
        is_file=place.is_file,
        file_count=place.look.file_count,
        size_bytes=place.look.size_bytes,
        fingerprint=place.look.fingerprint,
        stamp=place.look.stamp,
    )
    audit.record(access.workspace, access.user, "model.register", str(version))
    return Registered(version, archived)


def _fit_statuses(step: StepRun, left: Left) -> frozenset[StepStatus]:
    """In which a step must be for this to be a model."""
    if not left.is_logged or not clean_path(left.artifact):
        return _COMPLETED
    if isinstance(step.frozen.step, TrackedStep):  # what failed after its model was logged left that all the same
        return _COMPLETED | {StepStatus.RUNNING, StepStatus.FAILED, StepStatus.CANCELLED}
    return _COMPLETED | {StepStatus.RUNNING}


def _name_problems(workspace: Workspace, name: str) -> list[Problem]:
    if not re.match(NAME.regex, name):
        return [Problem(("name",), str(NAME.message))]
    other = RegisteredModel.objects.filter(workspace=workspace, name__iexact=name).exclude(name=name).first()
    return [Problem(("name",), _other_case(other.name))] if other else []


def _other_case(name: str) -> str:
    return f"There is a model “{name}”, and upper and lower case make no other name. Write it so, or choose another."


def _held_model(access: Access, name: str) -> RegisteredModel:
    """The model of this name, made where there is none. Until the transaction ends nobody else numbers its versions."""
    rows = RegisteredModel.objects.select_for_update().filter(workspace=access.workspace, name__iexact=name)
    model = rows.first()
    if model is None:
        try:
            with transaction.atomic():
                model = RegisteredModel.objects.create(
                    workspace=access.workspace, name=name, tags=VersionTags(), created_by=access.user
                )
        except IntegrityError:  # somebody has just made it
            model = rows.get()
        else:
            audit.record(access.workspace, access.user, "model.create", name)
    if model.name != name:
        raise UserError(_other_case(model.name), loc=("name",))
    model.workspace = access.workspace
    return model


def _place(workspace: Workspace, step: StepRun, left: Left) -> _Place:
    """Where it lies, looked at. Raises UserError at the field that says what is meant."""
    loc = (left.field,)
    if step.status not in _fit_statuses(step, left):
        raise UserError(
            f"Step “{step.name}” has not completed (it is {StepStatus(step.status).label.lower()}), and only what a "
            "completed step left can be a model.",
            loc=loc,
        )
    datastore, path, is_file, fingerprint = (
        _output(workspace, step, left) if left.output else _artifact(workspace, step, left)
    )
    if is_glob(path):
        raise UserError(
            "Its path has characters that mean a pattern (* or ?). Let the step name it otherwise.", loc=loc
        )
    if len(path) > MAX_PATH_LENGTH:
        raise UserError(f"Its path has more than {MAX_PATH_LENGTH} characters. Let the step name it shorter.", loc=loc)
    try:
        with closing(get_backend(datastore)) as backend:
            found = look(backend, path, reads=not fingerprint)
    except (UserError, OSError) as error:
        raise UserError(f"Its files can't be looked at: {error}", loc=loc) from error
    if not found.file_count:
        raise UserError(f"There is no file in it (any more): nothing lies at “{path}”.", loc=loc)
    if fingerprint:
        found = Look(found.file_count, found.size_bytes, found.stamp, fingerprint)
    return _Place(datastore, path, is_file, found)


def _output(workspace: Workspace, step: StepRun, left: Left) -> tuple[Datastore, str, bool, str]:
    record = step.outputs.outputs.get(left.output) if step.outputs else None
    if record is None:
        raise UserError(f"Step “{step.name}” left no output “{left.output[:100]}”.", loc=("output",))
    if record.parts:
        sentence = "It is made of the outputs of several runs. Register the output of one of them, on that run's page."
        raise UserError(sentence, loc=("output",))
    datastore = Datastore.objects.filter(workspace=workspace, pk=record.datastore_id).first()
    if datastore is None:
        raise UserError("The datastore that it was written to was removed.", loc=("output",))
    if was_overwritten(record):
        sentence = "Another run wrote to the same place since. Register the output of the run that wrote it last."
        raise UserError(sentence, loc=("output",))
    return datastore, record.path, record.is_file, record.fingerprint


def _artifact(workspace: Workspace, step: StepRun, left: Left) -> tuple[Datastore, str, bool, str]:
    try:
        folder = ArtifactFolder(workspace, step, attempt=left.attempt)
        inner = clean_path(left.artifact)
        path = join(folder.root, inner) if inner else folder.root
        is_file = bool(inner) and folder.backend.stat(path).kind == "file"
    except (Http404, UserError) as error:
        raise UserError(str(error), loc=("artifact",)) from error
    return folder.datastore, path, is_file, ""

"""Files that a client puts among the artifacts of an attempt, while that goes on or, of a tracked run, at any time.

They lie where the node brings the others at the attempt's end, and are in no list but that of the datastore: only their
number and size are written down.
"""

from contextlib import closing
from typing import BinaryIO

from django.db import transaction
from django.db.models import Q
from django.http import Http404

from compute.models import Attempt
from compute.services.client_files import note_files
from compute.spec import JobArtifacts
from datastores.backends import Backend, get_backend
from datastores.models import Datastore
from datastores.paths import clean_path, join
from pipelines.models import StepRun
from pipelines.registered import ModelVersion
from pipelines.services.journal import held_run
from pipelines.services.trashing import refuse_in_trash
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.permissions import Permission

MAX_PATH = 1024
_MAX_NAME = 255


def put_file(access: Access, step: StepRun, attempt: Attempt, path: str, content: BinaryIO) -> None:
    """Keep all of `content` as the artifact `path`; one of that name is replaced. `attempt`: of `attempt_to_log_to`.

    Raises UserError at `path`, ConflictError where the run is in the trash.
    """
    access.require(Permission.RUN)
    path = _fit(path)
    to = _place(attempt)
    _require_kept(step)
    with closing(_backend(access, to)) as backend:
        place = join(folder_of(to, attempt), path)
        before = _size(backend, place)
        entry = backend.write(place, content)
        size_bytes = entry.size_bytes or 0
        try:
            with transaction.atomic():
                refuse_in_trash(held_run(step.run_id))
                note_files(attempt.pk, files=0 if before is not None else 1, size_bytes=size_bytes - (before or 0))
        except ConflictError:  # it went while the file came: whoever deletes the run may have looked already
            backend.delete(place)
            raise


def delete_file(access: Access, step: StepRun, attempt: Attempt, path: str) -> None:
    """Remove an artifact, or a folder of them.

    Raises Http404 where there is none, as `put_file`, and ConflictError where a version of a model is made of it.
    """
    access.require(Permission.RUN)
    path = _fit(path)
    to = _place(attempt)
    _require_kept(step)
    with closing(_backend(access, to)) as backend:
        place = join(folder_of(to, attempt), path)
        entry = backend.stat(place)
        if entry.kind == "file":
            files, size_bytes = 1, entry.size_bytes or 0
        else:
            found = [each for each in backend.glob(f"{place}/**") if each.kind == "file"]
            files, size_bytes = len(found), sum(each.size_bytes or 0 for each in found)
        _refuse_of_models(to, place)
        backend.delete(place)
    with transaction.atomic():
        note_files(attempt.pk, files=-files, size_bytes=-size_bytes)
        refuse_in_trash(held_run(step.run_id))


def _require_kept(step: StepRun) -> None:
    """Before anything of its files is touched. Raises ConflictError."""
    with transaction.atomic():
        refuse_in_trash(held_run(step.run_id))


def _refuse_of_models(to: JobArtifacts, place: str) -> None:
    """What is registered stays, whatever becomes of its run."""
    parts = place.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    here = ModelVersion.objects.filter(datastore=to.datastore_id)
    version = here.filter(Q(path__in=above) | Q(path__startswith=f"{place}/")).select_related("model").first()
    if version is not None:
        raise ConflictError(f"Version {version} is made of these files. Delete that version of the model first.")


def folder_of(to: JobArtifacts, attempt: Attempt) -> str:
    return to.path.replace("{attempt}", str(attempt.number))


def _place(attempt: Attempt) -> JobArtifacts:
    to: JobArtifacts | None = attempt.job.spec.artifacts
    if to is None:
        raise UserError("What the node itself does has no artifacts.")
    return to


def _backend(access: Access, to: JobArtifacts) -> Backend:
    datastore = Datastore.objects.filter(workspace=access.workspace, pk=to.datastore_id).first()
    if datastore is None:
        raise UserError("The datastore that the run's files go to is no longer registered.")
    return get_backend(datastore)


def _fit(path: str) -> str:
    cleaned = clean_path(path)
    if not cleaned:
        raise UserError("Name the file.", loc=("path",))
    if "*" in cleaned or "?" in cleaned:
        raise UserError("A path with * or ? means a pattern. Name the file otherwise.", loc=("path",))
    if len(cleaned.encode()) > MAX_PATH or any(len(part.encode()) > _MAX_NAME for part in cleaned.split("/")):
        raise UserError(f"A path has at most {MAX_PATH} bytes, and each name in it {_MAX_NAME}.", loc=("path",))
    return cleaned


def _size(backend: Backend, place: str) -> int | None:
    """None where there is no such file."""
    try:
        entry = backend.stat(place)
    except (Http404, UserError):
        return None
    if entry.kind != "file":
        raise UserError("There is a folder of this name. Name the file otherwise.", loc=("path",))
    return entry.size_bytes or 0

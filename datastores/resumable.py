"""Files that arrive part by part, and go on where a connection broke: what the tus protocol (tus.io, 1.0) asks for.

The row says how much is there for certain; the bytes lie below STUDIO_HOME/tmp/uploads until the file is whole, and are
taken into the datastore then. A part may be written twice, by somebody whose first connection only seemed to be gone:
both write the same bytes to the same place, and the row moves on for one of them.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone
from rest_framework import status

from datastores import arrivals
from datastores.arrivals import Arrival
from datastores.backends import Backend, DiskFull, Entry, NoSuchPath, get_backend
from datastores.models import Datastore, ResumableUpload
from datastores.paths import clean_path
from datastores.source_paths import shown
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.audit import record
from studio.workspaces.models import User

PIECE_BYTES = 256 * 1024
TOLD_EVERY_BYTES = 8 * 1024**2
TOLD_EVERY_S = 1.0
SPARE_BYTES = 64 * 1024**2  # a disk that is full to its last byte stops more than uploads
MAX_BYTES = 50 * 1024**4
STALE = timedelta(days=7)  # so long somebody may take to come back
STORED_STALE = timedelta(days=1)


class Reading(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Busy(UserError):  # noqa: N818
    """The whole file is on its way into the datastore at this moment. Becomes a 423: come back in a while."""

    status_code = status.HTTP_423_LOCKED


def begin(datastore: Datastore, *, path: str, size_bytes: int, actor: User) -> ResumableUpload:
    """Room for a file that is to arrive. Raises UserError at `path`, and DiskFull and NoRoom where it can't fit."""
    path = clean_path(path)
    backend = get_backend(datastore)
    if not backend.is_writable:
        raise UserError(f"Nothing can be written to {datastore.name}: it is read-only.", loc=("datastore_id",))
    if not path or len(path) > 4000:
        raise UserError("Give the file a name, of at most 4,000 characters with its folders.", loc=("path",))
    if not 0 <= size_bytes <= MAX_BYTES:
        raise UserError("A file has between 0 bytes and 50 TiB.", loc=("size_bytes",))
    try:
        in_the_way = backend.stat(path).kind == "folder"
    except NoSuchPath:
        in_the_way = False
    if in_the_way:
        raise UserError(f"“{shown(path)}” is a folder: a file can't replace it.", loc=("path",))
    arrivals.require_room(datastore.workspace_id, actor, _arrival(backend, path, size_bytes), loc="size_bytes")
    _require_room(size_bytes)
    upload = ResumableUpload.objects.create(datastore=datastore, path=path, size_bytes=size_bytes, created_by=actor)
    with _disk():
        place_of(upload.pk).touch(mode=0o600)
    return upload


def upload_of(datastore: Datastore, upload_id: UUID) -> ResumableUpload:
    """Raises NoSuchPath where none was begun there with this id, or it was given up."""
    upload = ResumableUpload.objects.filter(pk=upload_id, datastore=datastore).select_related("created_by").first()
    if upload is None:
        raise NoSuchPath("There is no such upload (any more). Begin it again.")
    upload.datastore = datastore
    return upload


def receive(upload: ResumableUpload, *, offset: int, body: Reading) -> None:
    """Append what `body` still has to give, from `offset` on, and keep the file where that is all of it.

    Whatever arrived before a connection broke stays. Raises ConflictError where `offset` is not where the upload
    stands, DiskFull, and UserError where more comes than was announced, or the datastore does not take the file.
    """
    if offset != upload.received_bytes:
        raise ConflictError(
            f"The upload stands at byte {upload.received_bytes:,}: go on from there.", offset=upload.received_bytes
        )
    create = os.O_CREAT if offset == 0 else 0
    try:
        descriptor = os.open(place_of(upload.pk), os.O_WRONLY | os.O_CLOEXEC | create, 0o600)
    except FileNotFoundError as error:
        forget(upload)
        raise NoSuchPath("What had arrived of this upload is gone. Begin it again.") from error
    try:
        _append(upload, descriptor, body)
    finally:
        os.close(descriptor)
    keep_if_whole(upload)


def keep_if_whole(upload: ResumableUpload) -> Entry | None:
    """Take a file that has arrived into its datastore; once, whoever asks. Raises Busy while somebody else does it."""
    if upload.stored_at is not None or upload.received_bytes < upload.size_bytes:
        return None
    place = place_of(upload.pk)
    backend = get_backend(upload.datastore)
    with _alone(place) as is_there:
        upload.refresh_from_db(fields=["stored_at"])
        if upload.stored_at is not None:
            return None
        if is_there:
            entry = backend.take(upload.path, place)
        elif (entry := backend.stat(upload.path)).size_bytes != upload.size_bytes:
            forget(upload)
            raise NoSuchPath("What had arrived of this upload is gone. Begin it again.")
        # Before the row says that it is done: who finds it undone does all of this again.
        coming = _arrival(backend, upload.path, upload.size_bytes)
        arrivals.tell(upload.datastore.workspace_id, upload.created_by, coming)
        upload.stored_at = timezone.now()
        upload.save(update_fields=["stored_at", "changed_at"])
        place.unlink(missing_ok=True)
    target = f"{shown(entry.path)} in {upload.datastore.name}"
    record(upload.datastore.workspace, upload.created_by, "data.upload", target)
    return entry


def forget(upload: ResumableUpload) -> None:
    """Give it up: what has arrived goes. A file that was kept stays in its datastore."""
    place = place_of(upload.pk)
    upload.delete()
    place.unlink(missing_ok=True)


def sweep_uploads() -> int:
    """Forget uploads that nobody came back to, and bytes without a row. Returns how many went."""
    now = timezone.now()
    stale = (
        ResumableUpload.objects.filter(changed_at__lt=now - STALE)
        | ResumableUpload.objects.filter(stored_at__lt=now - STORED_STALE)
        | ResumableUpload.objects.exclude(datastore__removed_at=None)
    )
    count = 0
    for upload in stale[:1000]:
        forget(upload)
        count += 1
    known = {str(key) for key in ResumableUpload.objects.values_list("pk", flat=True)}
    for place in _folder().iterdir():
        if place.name not in known and place.stat().st_mtime < time.time() - STORED_STALE.total_seconds():
            place.unlink(missing_ok=True)
            count += 1
    return count


def _arrival(backend: Backend, path: str, size_bytes: int) -> list[Arrival]:
    place = backend.local_path(path)
    return [Arrival(place, size_bytes)] if place else []


def place_of(upload_id: UUID) -> Path:
    return _folder() / str(upload_id)


def _folder() -> Path:
    # On the disk of the studio's own datastores: a file that is whole is renamed, not copied.
    folder: Path = settings.STUDIO_HOME / "tmp" / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _require_room(size_bytes: int) -> None:
    """What others have announced is theirs already."""
    waiting = ResumableUpload.objects.filter(stored_at=None).aggregate(left=Sum(F("size_bytes") - F("received_bytes")))
    free = shutil.disk_usage(_folder()).free - SPARE_BYTES
    if size_bytes > free - (waiting["left"] or 0):
        raise DiskFull(
            f"The studio's disk has no room for {size_bytes:,} bytes"
            + (" beside the uploads that are under way" if waiting["left"] and size_bytes <= free else "")
            + ". Make room and try again.",
            loc=("size_bytes",),
        )


def _append(upload: ResumableUpload, descriptor: int, body: Reading) -> None:
    end = upload.received_bytes
    told_at = time.monotonic()
    try:
        while piece := body.read(PIECE_BYTES):
            if end + len(piece) > upload.size_bytes:
                raise UserError(
                    f"More arrives than the {upload.size_bytes:,} bytes that were announced. Begin the upload again.",
                    loc=("size_bytes",),
                )
            with _disk():
                end += _write(descriptor, piece, end)
            if end - upload.received_bytes >= TOLD_EVERY_BYTES or time.monotonic() - told_at > TOLD_EVERY_S:
                _tell(upload, end)
                told_at = time.monotonic()
    finally:  # however it ended: a connection that broke is what all this is for
        if end > upload.received_bytes:
            _tell(upload, end)


def _write(descriptor: int, piece: bytes, offset: int) -> int:
    done = 0
    while done < len(piece):
        done += os.pwrite(descriptor, piece[done:], offset + done)
    return done


def _tell(upload: ResumableUpload, received_bytes: int) -> None:
    """Move the row on. Raises ConflictError where somebody else has: this one stops."""
    rows = ResumableUpload.objects.filter(pk=upload.pk, received_bytes=upload.received_bytes, stored_at=None)
    if not rows.update(received_bytes=received_bytes, changed_at=timezone.now()):
        raise ConflictError("The same upload goes on in another place. Look where it stands, and go on from there.")
    upload.received_bytes = received_bytes


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(
                "The studio's disk is full. What has arrived stays: make room, then go on with the upload."
            ) from error
        raise


@contextmanager
def _alone(place: Path) -> Iterator[bool]:
    """Whether the bytes are still there: a server that died may have moved them, and not said so yet.

    Raises Busy where another thread or process is at it; the lock goes with a process that dies.
    """
    try:
        lock = place.open("rb")
    except FileNotFoundError:
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("The file is being put into the datastore. Look again in a moment.") from error
        yield True

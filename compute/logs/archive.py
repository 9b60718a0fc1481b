"""Moves the log of a finished attempt out of the database into one file, readable at every moment of the move.

The file is the chunks one after another, each a gzip member, so that `zcat` reads all of it. It is complete on disk
before the first row points into it; doing it twice writes the same file again.
"""

import os
import secrets
from pathlib import Path

from django.db import transaction

from compute.logs.reading import archive_file
from compute.models import Attempt, LogChunk

FOLDER = "logs-archive"
_BATCH = 50


def archive_log(attempt_id: int) -> bool:
    """Whether the log lies in a file now. A log that still grows is left alone."""
    attempt = Attempt.objects.filter(pk=attempt_id, log_complete=True).first()
    if attempt is None:
        return False
    name = attempt.log_archive or f"{FOLDER}/{attempt.job_id % 1000:03d}/{attempt.job_id}-{attempt.number}.gz"
    places = _write(attempt, archive_file(name))
    Attempt.objects.filter(pk=attempt_id).update(log_archive=name)
    chunks = list(LogChunk.objects.filter(attempt_id=attempt_id, data__isnull=False).only("pk", "seq").order_by("seq"))
    for start in range(0, len(chunks), _BATCH):
        batch = chunks[start : start + _BATCH]
        for chunk in batch:
            chunk.archive_start, chunk.archive_count = places[chunk.seq]
            chunk.data = None
        with transaction.atomic():
            LogChunk.objects.bulk_update(batch, ["archive_start", "archive_count", "data"])
    return True


def _write(attempt: Attempt, file: Path) -> dict[int, tuple[int, int]]:
    """Write what still lies in the database behind what the file has already; where each chunk is, by number."""
    rows = LogChunk.objects.filter(attempt_id=attempt.pk).order_by("seq")
    places = {
        seq: (start, count)
        for seq, start, count in rows.filter(data__isnull=True).values_list("seq", "archive_start", "archive_count")
        if start is not None and count is not None
    }
    waiting = list(rows.filter(data__isnull=False).values_list("seq", flat=True))
    if not waiting:
        return places
    if places:
        return {**places, **_append(attempt, file, waiting)}
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        places = _append(attempt, draft, waiting)
        draft.replace(file)
        _sync_folder(file.parent)
    finally:
        draft.unlink(missing_ok=True)
    return places


def _append(attempt: Attempt, file: Path, seqs: list[int]) -> dict[int, tuple[int, int]]:
    places = {}
    with file.open("ab") as stream:
        for seq in seqs:
            data = LogChunk.objects.filter(attempt_id=attempt.pk, seq=seq).values_list("data", flat=True).get()
            packed = bytes(data or b"")
            places[seq] = (stream.tell(), len(packed))
            stream.write(packed)
        stream.flush()
        os.fsync(stream.fileno())
    return places


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

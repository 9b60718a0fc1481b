"""Count again what a workspace keeps on the studio's own disks, after somebody deleted some of it.

The row says that it is asked for, and who does it; the message is only a doorbell, and the sweep rings again.
"""

import threading
from collections import Counter
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from compute.models import Attempt, Job, StorageCount, StorageUse
from compute.queueing import NOBODY
from compute.services.kept import check_kept
from compute.services.kept_before import note_kept_before
from compute.services.use import is_ours, records_of
from compute.states import TERMINAL
from datastores.backends import Backend, get_backend
from datastores.models import Datastore
from studio.lib.on_commit import enqueue_on_commit

RECOUNT_TASK = "compute.recount_storage"
GIVEN_UP = timedelta(hours=1)  # whoever counts so long is taken for dead
RING_EXPIRES_S = 30
RUNG_AT_ONCE = 20

_counts = threading.Lock()


def recount_after_deletion(datastore: Datastore, _path: str) -> None:
    """For the listener of deletions: counting takes a while, so the control worker does it."""
    if is_ours(datastore.pk) and StorageUse.objects.filter(workspace=datastore.workspace_id).exists():
        ask_recount(datastore.workspace_id)


def ask_recount(workspace_id: int) -> None:
    """Of many who ask before it begins, one rings."""
    now = timezone.now()
    row, is_new = StorageCount.objects.get_or_create(workspace_id=workspace_id, defaults={"asked_at": now})
    StorageCount.objects.filter(pk=row.pk).update(asked_at=now)
    if is_new or row.asked_at is None:
        _ring(workspace_id)


def ring_recounts() -> None:
    """For the sweep: a message was lost, a worker died, or an upgrade has asked."""
    for workspace_id in _due().order_by("asked_at").values_list("workspace_id", flat=True)[:RUNG_AT_ONCE]:
        _ring(workspace_id)


def recount_when_free(workspace_id: int) -> bool:
    """`recount_storage`, unless this process counts already: the control worker has more to do, and the sweep rings."""
    if not _counts.acquire(blocking=False):
        return False
    try:
        return recount_storage(workspace_id)
    finally:
        _counts.release()


def recount_storage(workspace_id: int) -> bool:
    """Count again where that is asked for and nobody does it. Returns whether this call did."""
    began_at = timezone.now()
    if not _due().filter(workspace=workspace_id).update(began_at=began_at):
        return False
    row = StorageCount.objects.get(workspace=workspace_id)
    if row.searches:
        note_kept_before(workspace_id)
    check_kept(workspace_id)
    return _recount_outputs(row, began_at)


def _due() -> QuerySet[StorageCount]:
    is_free = Q(began_at=None) | Q(began_at__lt=timezone.now() - GIVEN_UP)
    return StorageCount.objects.filter(is_free, asked_at__isnull=False)


def _ring(workspace_id: int) -> None:
    enqueue_on_commit(RECOUNT_TASK, workspace_id, expires_s=RING_EXPIRES_S)


def _recount_outputs(row: StorageCount, began_at: datetime) -> bool:
    """Of each output that a job wrote itself, its size as long as its folder is there; of several in one place, one.

    What is added meanwhile stays added: only the difference to what was there before is written, and by one alone.
    """
    before = dict(StorageUse.objects.filter(workspace=row.workspace_id).values_list("person", "size_bytes"))
    found = _outputs(row.workspace_id)
    with transaction.atomic():
        mine = StorageCount.objects.filter(pk=row.pk, began_at=began_at)
        if not mine.update(began_at=None):
            return False
        StorageCount.objects.filter(pk=row.pk, asked_at=row.asked_at).update(asked_at=None, searches=False)
        for person in sorted({*before, *found}):
            changed_by = found[person] - before.get(person, 0)
            if changed_by:
                use, _ = StorageUse.objects.get_or_create(workspace_id=row.workspace_id, person=person)
                StorageUse.objects.filter(pk=use.pk).update(size_bytes=F("size_bytes") + changed_by)
    return True


def _outputs(workspace_id: int) -> Counter[int]:
    """By person, as `use.note_use` added them up."""
    rows = Job.objects.filter(workspace=workspace_id, status__in=TERMINAL, result__isnull=False).order_by("-pk")
    earlier = Attempt.objects.filter(job__workspace=workspace_id, kept__isnull=False).order_by("-pk")
    backends: dict[int, Backend | None] = {}
    seen: set[tuple[int, str]] = set()
    sizes: Counter[int] = Counter()
    for result, person in chain(
        rows.values_list("result", "requested_by").iterator(chunk_size=500),
        earlier.values_list("kept", "job__requested_by").iterator(chunk_size=500),
    ):
        for record in records_of(result):
            place = (record.datastore_id, record.path)
            if place in seen or not is_ours(record.datastore_id):
                continue
            seen.add(place)
            folder = _folder(*place, backends)
            if folder is not None and folder.exists():
                sizes[person or NOBODY] += record.size_bytes
    return sizes


def _folder(datastore_id: int, path: str, backends: dict[int, Backend | None]) -> Path | None:
    """None where the datastore was removed meanwhile."""
    if datastore_id not in backends:
        store = Datastore.objects.filter(pk=datastore_id).first()
        backends[datastore_id] = get_backend(store) if store else None
    backend = backends[datastore_id]
    return backend.local_path(path) if backend else None

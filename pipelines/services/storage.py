"""Count again what runs have stored, after somebody deleted some of it."""

from collections import Counter

from django.db.models import F, Max

from compute.models import StorageUse
from compute.queueing import NOBODY
from compute.services.use import is_ours
from datastores.backends import Backend, get_backend
from datastores.models import Datastore
from pipelines.models import StepRun
from pipelines.states import StepStatus
from studio.lib.on_commit import enqueue_on_commit

RECOUNT_TASK = "pipelines.recount_storage"


def recount_after_deletion(datastore: Datastore, _path: str) -> None:
    """For the listener of deletions: counting takes a while, so the control worker does it."""
    if is_ours(datastore.pk) and StorageUse.objects.filter(workspace=datastore.workspace_id).exists():
        enqueue_on_commit(RECOUNT_TASK, datastore.workspace_id)


def recount_storage(workspace_id: int) -> None:
    """Of each output that a step wrote itself, its size as long as its folder is there; of several in one place, one.

    What is added meanwhile stays added: only the difference to what was there before is written.
    """
    before = dict(StorageUse.objects.filter(workspace=workspace_id).values_list("person", "size_bytes"))
    found = _stored(workspace_id)
    for person, size_bytes in before.items():
        changed_by = found[person] - size_bytes
        StorageUse.objects.filter(workspace=workspace_id, person=person).update(size_bytes=F("size_bytes") + changed_by)


def _stored(workspace_id: int) -> Counter[int]:
    newest = StepRun.objects.filter(run__workspace=workspace_id).aggregate(Max("pk"))["pk__max"]
    rows = StepRun.objects.filter(run__workspace=workspace_id, status=StepStatus.COMPLETED, reused_from=None)
    rows = rows.filter(pk__lte=newest or 0).order_by("-pk")
    backends: dict[int, Backend] = {}
    seen: set[tuple[int, str]] = set()
    sizes: Counter[int] = Counter()
    for outputs, person in rows.values_list("outputs", "run__submitted_by").iterator(chunk_size=500):
        for record in outputs.outputs.values() if outputs else ():
            place = (record.datastore_id, record.path)
            if place in seen or not is_ours(record.datastore_id):
                continue
            seen.add(place)
            if _is_there(*place, backends):
                sizes[person or NOBODY] += record.size_bytes
    return sizes


def _is_there(datastore_id: int, path: str, backends: dict[int, Backend]) -> bool:
    if datastore_id not in backends:
        backends[datastore_id] = get_backend(Datastore.objects.get(pk=datastore_id))
    folder = backends[datastore_id].local_path(path)
    return folder is not None and folder.exists()

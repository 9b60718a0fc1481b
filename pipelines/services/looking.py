"""Whether what a step wrote once is still where it wrote it. Asks datastores, so never within a transaction."""

from collections.abc import Collection, Mapping
from itertools import islice

from django.conf import settings

from compute.spec import OutputRecord
from datastores.backends import Backend, get_backend, store_class
from datastores.models import Datastore
from pipelines.models import StepOutput, StepRun
from studio.lib.problems import UserError


def is_on_this_machine(datastore: Datastore) -> bool:
    """Whether a look at one of its files needs no network."""
    store = store_class(datastore.kind)
    return issubclass(store, Backend) and store.is_on_disk and not settings.FOLDERS_GATEWAY


def holds_results(step: StepRun, destinations: Collection[str], datastores: Mapping[int, Datastore]) -> bool:
    """Whether every output of `step` is still there. False, too, where a datastore is gone or does not say.

    Below the folder of runs nobody but the step writes, and a look at its folder is enough. At a destination (outputs
    by name) the files must be as many and as large as they were, and no later step may have written there.
    """
    if step.outputs is None:
        return False
    try:
        return all(
            record.datastore_id in datastores
            and (name not in destinations or not was_overwritten(record))
            and _is_there(get_backend(datastores[record.datastore_id]), record, in_full=name in destinations)
            for name, record in step.outputs.outputs.items()
        )
    except (UserError, OSError):
        return False


def _is_there(backend: Backend, record: OutputRecord, *, in_full: bool) -> bool:
    try:
        if not in_full:
            if record.file_count:  # without a file there may be no folder
                backend.stat(record.path)
            return True
        entries = list(islice(backend.glob(record.path), record.file_count + 1))
        sizes = [entry.size_bytes or 0 for entry in entries]
        return len(sizes) == record.file_count and sum(sizes) == record.size_bytes
    finally:
        backend.close()


def was_overwritten(record: OutputRecord) -> bool:
    """Whether another step wrote something else to the same place since."""
    last = (
        StepOutput.objects.filter(datastore_id=record.datastore_id, path=record.path, step_run__reused_from=None)
        .order_by("-id")
        .values_list("fingerprint", flat=True)
        .first()
    )
    return last not in {None, record.fingerprint}

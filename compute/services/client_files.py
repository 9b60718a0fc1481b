"""What clients put beside the outputs of an attempt: how much of it there is, until its node says what came of all."""

from compute.models import Attempt
from compute.queueing import NOBODY
from compute.services.use import add_storage
from compute.spec import ArtifactsRecord, JobResult


def note_files(attempt_id: int, *, files: int, size_bytes: int) -> None:
    """Count files that came, or went. Within a transaction."""
    attempt = Attempt.objects.select_related("job").select_for_update(of=("self",)).get(pk=attempt_id)
    job = attempt.job
    to = job.spec.artifacts
    assert to is not None, "whoever has no place for files gets none"
    kept = attempt.kept or JobResult()
    record = kept.artifacts or ArtifactsRecord(
        datastore_id=to.datastore_id,
        path=to.path.replace("{attempt}", str(attempt.number)),
        file_count=0,
        size_bytes=0,
    )
    counted = record.model_copy(
        update={"file_count": max(0, record.file_count + files), "size_bytes": max(0, record.size_bytes + size_bytes)}
    )
    Attempt.objects.filter(pk=attempt_id).update(kept=kept.model_copy(update={"artifacts": counted}))
    person = job.requested_by_id or NOBODY
    add_storage(job.workspace_id, person, counted.datastore_id, counted.size_bytes - record.size_bytes)


def with_client_files(attempt_id: int, result: JobResult | None) -> JobResult | None:
    """What an attempt left, its clients' files counted in. Within the transaction that ends it."""
    kept = Attempt.objects.filter(pk=attempt_id).values_list("kept", flat=True).first()
    theirs = kept.artifacts if kept is not None else None
    if theirs is None:
        return result
    result = result or JobResult()
    own = result.artifacts
    if own is None:
        return result.model_copy(update={"artifacts": theirs})
    together = {"file_count": own.file_count + theirs.file_count, "size_bytes": own.size_bytes + theirs.size_bytes}
    return result.model_copy(update={"artifacts": own.model_copy(update=together)})

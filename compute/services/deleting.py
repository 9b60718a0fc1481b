"""Take away jobs that are over, with all that they left in the studio: attempts, logs, metrics and use over time."""

from collections.abc import Collection, Iterator

from compute.logs.reading import archive_file
from compute.models import Attempt, Job, LogChunk, Metric, MetricChunk
from compute.states import TERMINAL
from studio.lib.batches import delete_in_batches, in_turn

CHUNKS_AT_ONCE = 200  # of up to some 64 KiB each


def delete_jobs(job_ids: Collection[int]) -> Iterator[None]:
    """Delete those of these jobs that are over, in many small transactions; yields after each.

    Files first, for the rows say where they are: whoever is stopped in between begins anew and finds what is left. What
    their commands wrote to datastores is no matter of compute's.
    """
    over = list(Job.objects.filter(pk__in=job_ids, status__in=TERMINAL).values_list("pk", flat=True))
    if not over:
        return
    attempts = dict(Attempt.objects.filter(job__in=over).values_list("pk", "log_archive"))
    for name in attempts.values():
        if name:
            archive_file(name).unlink(missing_ok=True)
    metrics = Metric.objects.filter(attempt__in=attempts)
    for rows in (
        LogChunk.objects.filter(attempt__in=attempts),
        MetricChunk.objects.filter(metric__in=metrics),
        metrics,
    ):
        for _count in delete_in_batches(rows, CHUNKS_AT_ONCE):
            yield
    with in_turn():
        Job.objects.filter(pk__in=over).delete()
    yield

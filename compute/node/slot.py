"""A slot: claims jobs and runs them, one after another, until the queue is empty. It sleeps in no loop of its own."""

import logging
from functools import partial

from django.db import OperationalError, transaction

from compute import doorbell
from compute.database import patiently
from compute.execution.attempt import Attempt
from compute.execution.bounds.step_bounds import limits_of
from compute.execution.reasons import is_full_disk
from compute.logs.writer import LeaseLostError, LogWriter
from compute.models import LogChunk
from compute.node.context import NodeContext
from compute.services.leases import Lease, Outcome, claim, finish
from compute.services.usage import note_usage

logger = logging.getLogger(__name__)

_FINISH_PATIENCE_S = 3600.0  # as long as the lease is renewed, an outcome is worth waiting for


def work(context: NodeContext) -> None:
    """Run what there is to run. Rung twice, or for nothing, it does no harm."""
    _Slot(context).work()


class _Slot:
    def __init__(self, context: NodeContext) -> None:
        self.context = context

    def work(self) -> None:
        lease: Lease | None = None
        while True:
            if lease is None:
                if self._must_rest():
                    return
                lease = patiently(partial(claim, self.context.node), go_on=lambda: not self._must_rest())
            if lease is None:
                return
            lease = self._run(lease)

    def _must_rest(self) -> bool:
        return self.context.stopping.is_set() or self.context.is_fenced

    def _run(self, lease: Lease) -> Lease | None:
        """One attempt, whole. Returns the next job's lease where it came with the end of this one."""
        handle = self.context.begin(lease)
        log = LogWriter(
            job_id=lease.job_id,
            attempt_id=lease.attempt_id,
            attempt=lease.attempt,
            go_on=lambda: handle.wish != "fence",
            limit_bytes=limits_of(lease.spec.limits).log_bytes,
        )
        attempt = Attempt(lease, handle, log, self.context.bounds, self.context.sampler, self.context.isolation)
        try:
            outcome = attempt.run()
            held, following = self._finish(lease, outcome, attempt)
        except LeaseLostError:
            logger.warning("%s is no longer ours: attempt %s was dropped", lease.title, lease.attempt)
            return None
        finally:
            self.context.litter.put(attempt.folders)
            self.context.end(lease)
        if held:
            log.tell_end()
        else:
            logger.warning("%s is no longer ours: the end of attempt %s was dropped", lease.title, lease.attempt)
        return following

    def _finish(self, lease: Lease, outcome: Outcome, attempt: Attempt) -> tuple[bool, Lease | None]:
        log = attempt.log
        rows, columns = log.last_rows()
        columns |= attempt.totals.model_dump()
        node = None if self._must_rest() else self.context.node

        def commit() -> tuple[bool, Lease | None]:
            with doorbell.claiming_next(lease.target_id if node else 0), transaction.atomic():
                held, following = finish(lease, outcome, log=columns, log_bytes=log.size_bytes, claim_for=node)
                if held:
                    LogChunk.objects.bulk_create(rows)
                    if attempt.series is not None:
                        note_usage({lease.attempt_id: attempt.series})
                return held, following

        try:
            return patiently(commit, give_up_s=_FINISH_PATIENCE_S, go_on=log.go_on)
        except OperationalError as error:
            if not is_full_disk(error):
                raise
        attempt.folders.remove()  # what the step wrote may be what filled the disk
        return patiently(commit, give_up_s=_FINISH_PATIENCE_S, go_on=log.go_on, even_if_full=True)

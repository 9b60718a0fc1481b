"""A slot: claims jobs and runs them, one after another, until the queue is empty. It sleeps in no loop of its own."""

import logging
from functools import partial

from django.db import OperationalError, transaction

from compute import doorbell
from compute.database import patiently
from compute.execution.attempt import Attempt
from compute.execution.folders import AttemptFolders
from compute.execution.reasons import is_full_disk
from compute.logs.writer import LeaseLostError, LogWriter
from compute.models import LogChunk
from compute.node.context import NodeContext
from compute.services.leases import Lease, Outcome, claim, finish

logger = logging.getLogger(__name__)

_FINISH_PATIENCE_S = 3600.0  # as long as the lease is renewed, an outcome is worth waiting for


def work(context: NodeContext) -> None:
    """Run what there is to run. Rung twice, or for nothing, it does no harm."""
    slot = _Slot(context)
    try:
        slot.work()
    finally:
        slot.tidy()


class _Slot:
    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.litter: list[AttemptFolders] = []

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

    def tidy(self) -> None:
        """Remove the folders of finished attempts, while the next one runs or when there is none."""
        litter, self.litter = self.litter, []
        for folders in litter:
            try:
                folders.remove()
            except OSError as error:
                logger.warning("could not remove %s, the node's next start tries again: %s", folders.root, error)

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
        )
        attempt = Attempt(lease, handle, log, meanwhile=self.tidy)
        try:
            outcome = attempt.run()
            self.litter.append(attempt.folders)
            held, following = self._finish(lease, outcome, log)
        except LeaseLostError:
            logger.warning("%s is no longer ours: attempt %s was dropped", lease.title, lease.attempt)
            self.litter.append(attempt.folders)
            return None
        finally:
            self.context.end(lease)
        if held:
            log.tell_end()
        else:
            logger.warning("%s is no longer ours: the end of attempt %s was dropped", lease.title, lease.attempt)
        return following

    def _finish(self, lease: Lease, outcome: Outcome, log: LogWriter) -> tuple[bool, Lease | None]:
        rows, columns = log.last_rows()
        node = None if self._must_rest() else self.context.node

        def commit() -> tuple[bool, Lease | None]:
            with doorbell.claiming_next(lease.target_id if node else 0), transaction.atomic():
                held, following = finish(lease, outcome, log=columns, log_bytes=log.size_bytes, claim_for=node)
                if held:
                    LogChunk.objects.bulk_create(rows)
                return held, following

        try:
            return patiently(commit, give_up_s=_FINISH_PATIENCE_S, go_on=log.go_on)
        except OperationalError as error:
            if not is_full_disk(error):
                raise
        self.tidy()  # what the step wrote may be what filled the disk
        return patiently(commit, give_up_s=_FINISH_PATIENCE_S, go_on=log.go_on, even_if_full=True)

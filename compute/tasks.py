"""What Celery can ask of the control worker. A message says "look"; the services find out what there is to do.

What it asks of nodes stands in `compute.node.orders`: no other process needs to know it.
"""

from celery import shared_task

from compute.logs.archive import archive_log
from compute.pools import working
from compute.services import recount
from compute.services.pools import reconcile
from compute.services.sweeping import sweep


@shared_task(name="compute.sweep")
def sweep_round() -> None:
    """On the control queue, every few seconds."""
    sweep()
    working.look()


@shared_task(name="compute.reconcile_pool")
def reconcile_pool(target_id: int) -> None:
    """On the control queue: a pool has new jobs."""
    reconcile(target_id)
    working.look()


@shared_task(name="compute.archive_log")
def archive(attempt_id: int) -> None:
    """On the control queue, after a long log has ended."""
    archive_log(attempt_id)


@shared_task(name="compute.sweep_storage")
def sweep_storage() -> None:
    """On the control queue, every few seconds."""
    recount.ring_recounts()


@shared_task(name=recount.RECOUNT_TASK)
def recount_storage(workspace_id: int) -> None:
    """On the control queue, after files were deleted, and once after an upgrade."""
    recount.recount_when_free(workspace_id)

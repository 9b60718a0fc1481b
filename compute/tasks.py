"""What Celery can ask for. A message says "look"; the services find out what there is to do."""

from typing import Any

from celery import shared_task
from celery.worker.control import control_command

from compute.logs.archive import archive_log
from compute.node import builder, checker
from compute.node import context as node_context
from compute.node.slot import work
from compute.pools import working
from compute.services.pools import reconcile
from compute.services.sweeping import sweep


@shared_task(name="compute.ring")
def ring() -> None:
    """On a node's queue: there may be work."""
    if node_context.current is not None:
        work(node_context.current)


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


@control_command(name="studio_cancel", args=[("job_ids", list)])
def cancel(_state: Any, job_ids: list[int]) -> None:
    """To one node: somebody asked for the end of these jobs."""
    if node_context.current is not None:
        node_context.current.cancel(set(job_ids))


@control_command(name="studio_check")
def check(_state: Any) -> None:
    """To one node: somebody asked whether a datastore can be reached from it. No slot is needed for that."""
    if node_context.current is not None:
        checker.look(node_context.current)


@control_command(name="studio_build")
def build(_state: Any) -> None:
    """To one node: somebody wants an environment ahead of its first step. No slot is needed for that."""
    if node_context.current is not None:
        builder.look(node_context.current)

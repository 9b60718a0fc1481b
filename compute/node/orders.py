"""What Celery can ask of a node: a task that takes a slot, and commands that are heard at once and take none.

Loaded by nodes alone: they are more than half of what a process of the studio has to import.
"""

from typing import Any

from celery import shared_task
from celery.worker.control import control_command

from compute.doorbell import RING
from compute.node import builder, checker
from compute.node import context as node_context
from compute.node.slot import work


@shared_task(name=RING)
def ring() -> None:
    """There may be work."""
    if node_context.current is not None:
        work(node_context.current)


@control_command(name="studio_cancel", args=[("job_ids", list)])
def cancel(_state: Any, job_ids: list[int]) -> None:
    """Somebody asked for the end of these jobs."""
    if node_context.current is not None:
        node_context.current.cancel(set(job_ids))


@control_command(name="studio_check")
def check(_state: Any) -> None:
    """Somebody asked whether a datastore can be reached from here."""
    if node_context.current is not None:
        checker.look(node_context.current)


@control_command(name="studio_build")
def build(_state: Any) -> None:
    """Somebody wants an environment ahead of its first step."""
    if node_context.current is not None:
        builder.look(node_context.current)

"""What Celery can ask for. A message says "look"; the services find out what there is to do."""

import logging
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from datastores import resumable
from datastores.models import DatasetVersion
from datastores.services import profiles, working
from studio.lib.on_commit import enqueue_on_commit

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from datastores.relay.server import Server

RING_EXPIRES_S = 30  # a worker that is busy for an hour must not find an hour of bells

_folders: "Server | None" = None


@shared_task(name="datastores.work")
def work() -> None:
    """On the data queue: there may be a version to list, or a profile to compute."""
    working.look()


@shared_task(name="datastores.sweep")
def sweep() -> None:
    """On the control queue, every few seconds: make good what a lost message or a worker that died left undone."""
    try:
        profiles.lose_silent()
    except Exception:
        logger.exception("the profiles of silent workers could not be taken back; the next sweep tries again")
    if profiles.something_waits() or DatasetVersion.objects.filter(listed_at=None).exists():
        enqueue_on_commit(profiles.WORK, queue=profiles.QUEUE, expires_s=RING_EXPIRES_S)


@shared_task(name="datastores.sweep_uploads")
def sweep_uploads() -> None:
    """On the control queue, every hour: uploads that nobody came back to."""
    resumable.sweep_uploads()


@worker_shutting_down.connect
def _stop(**_more: Any) -> None:
    """A profile may take an hour, and a stop seconds."""
    working.stopping.set()
    if _folders is not None:
        _folders.stop()


@worker_ready.connect
def _serve_folders(sender: Any, **_more: Any) -> None:
    """The data worker is where the studio's own folders are: it serves them to nodes that do not share them."""
    global _folders  # noqa: PLW0603 (one for the whole process)
    if profiles.QUEUE in sender.app.amqp.queues.consume_from:
        from datastores.relay.homes import note_home
        from datastores.relay.server import Server

        _folders = Server(note_home)
        _folders.start()

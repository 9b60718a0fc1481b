"""What the scheduler and the control worker say of themselves."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from studio.installation import health


@shared_task(name="installation.heartbeat")
def heartbeat() -> None:
    health.control_worker_lives()


@worker_ready.connect
def first_heartbeat(sender: Any, **_: Any) -> None:
    """At once, so that a studio that starts need not wait for the scheduler's first beat."""
    from celery.worker import WorkController  # the others need not load what a worker is

    consumer = sender.controller if hasattr(sender, "controller") else sender
    if isinstance(consumer, WorkController) and "control" in consumer.app.amqp.queues.consume_from:
        health.control_worker_lives()

"""The part of the sweep that belongs to runs."""

from celery import shared_task

from pipelines import services


@shared_task(name="pipelines.sweep")
def sweep() -> None:
    """Make good what a process that died left half done."""
    services.finish_cancelling()

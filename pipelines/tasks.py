"""The part of the sweep that belongs to runs, and what a closing job leaves to another process."""

import logging

from celery import shared_task

from pipelines import sample, services

logger = logging.getLogger(__name__)


@shared_task(name="pipelines.sweep")
def sweep() -> None:
    """Make good what a lost message or a process that died left half done. One failure never stops the others."""
    for mend in (
        services.finish_cancelling,
        services.mend_pauses,
        services.look_after_all,
        services.look_after_due_steps,
        services.tend_all,
        services.measure_outputs,
        services.follow_rules,
        services.ring_purges,
        services.forget_submit_keys,
        sample.submit_samples_due,
    ):
        try:
            mend()
        except Exception:
            logger.exception("%s failed; the next sweep tries again", mend.__name__)


@shared_task(name="pipelines.watch_trials")
def watch_trials() -> None:
    services.watch_trials()


@shared_task(name=services.LOOK_TASK)
def look_for_earlier_results(run_id: int) -> None:
    services.look_after(run_id)


@shared_task(name=services.TEND_TASK)
def tend_runs(step_id: int) -> None:
    services.tend(step_id)


@shared_task(name=services.DUE_TASK)
def end_due_steps() -> None:
    services.end_due_steps()


@shared_task(name=services.PURGE_TASK)
def purge_runs() -> None:
    services.purge_when_free()


@shared_task(name="pipelines.submit_sample")
def submit_sample(workspace_id: int) -> None:
    sample.submit_sample(workspace_id)

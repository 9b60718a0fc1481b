"""Cancelling: what waits ends at once, what runs when its process is gone, and asking twice changes nothing."""

from compute.models import Job
from compute.services.leases import Outcome
from compute.states import JobStatus
from pipelines import services
from pipelines.models import Run
from tests.service.pipelines.world import World, assert_no_gap, events


def test_queued_and_waiting_steps_end_at_once(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    assert services.cancel_run(world.access, run) is True
    run.refresh_from_db()
    assert (run.status, run.reason, run.steps_done) == ("cancelled", "Cancelled on request.", 2)
    assert run.cancel_requested_by == world.owner
    assert Job.objects.get().status == "cancelled"
    assert_no_gap(run)


def test_a_running_step_keeps_the_run_open_until_its_process_is_gone(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    lease = world.claim()
    services.cancel_run(world.access, run)
    run.refresh_from_db()
    assert run.status == "running"
    assert world.statuses(run) == {"a": "preparing", "b": "cancelled"}
    assert Job.objects.get().cancel_requested_at is not None
    world.end(lease, Outcome(JobStatus.CANCELLED, exit_code=-15, reason="Cancelled."))
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert_no_gap(run)


def test_a_step_that_completes_all_the_same_leads_to_nothing(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    lease = world.claim()
    services.cancel_run(world.access, run)
    world.complete(lease)
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert world.statuses(run) == {"a": "completed", "b": "cancelled"}
    assert Job.objects.count() == 1


def test_asking_twice_or_too_late_changes_nothing(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    assert services.cancel_run(world.access, run) is True
    assert services.cancel_run(world.access, run) is False
    world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
    before = Run.objects.values().get(pk=run.pk)
    assert services.cancel_run(world.access, run) is False
    assert Run.objects.values().get(pk=run.pk) == before
    assert [event["kind"] for event in events(run)].count("cancel_requested") == 1


def test_the_sweep_asks_again_for_a_job_that_nobody_asked(world: World) -> None:
    """As after a process that died between the run's transaction and the jobs'."""
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    services.cancel_run(world.access, run)
    other = world.submit(world.pipeline(world.step("a"), name="other"))
    world.claim()
    Run.objects.filter(pk=other.pk).update(cancel_requested_at=run.created_at)
    assert services.finish_cancelling() == 1
    assert Job.objects.get(status="preparing").cancel_requested_at is not None
    assert services.finish_cancelling() == 0

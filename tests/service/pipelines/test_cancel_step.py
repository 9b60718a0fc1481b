"""Cancelling one step: it ends, what depends on it is skipped, and the rest of its run goes on."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from compute.models import Job
from compute.services.leases import Outcome
from compute.states import JobStatus
from pipelines import services
from pipelines.models import Run, StepRun
from studio.lib.problems import ConflictError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events


@pytest.fixture
def run(world: World) -> Run:
    """a → b → c, and d beside them."""
    steps = [world.step("a"), world.step("b", "a"), world.step("c", "b"), world.step("d", arguments="d")]
    return world.submit(world.pipeline(*steps))


def test_one_that_waits_ends_at_once(world: World, run: Run) -> None:
    services.cancel_step(world.access, run, "b")
    assert world.statuses(run) == {"a": "queued", "b": "cancelled", "c": "skipped", "d": "queued"}
    assert StepRun.objects.get(run=run, name="c").reason == "“b” was cancelled."
    assert world.drain() == ["a", "d"]
    run.refresh_from_db()
    assert (run.status, run.reason, run.steps_done) == ("cancelled", "“b” was cancelled.", 4)
    assert AuditEvent.objects.get(verb="run.cancel_step").target == f"run {run.pk}, b"
    told = [event for event in events(run) if event["kind"] == "step_cancel_requested"]
    assert told == [{"kind": "step_cancel_requested", "step": "b", "by": "ours-owner"}]
    assert_no_gap(run)


def test_one_that_is_queued_ends_at_once(world: World, run: Run) -> None:
    services.cancel_step(world.access, run, "a")
    assert world.statuses(run) == {"a": "cancelled", "b": "skipped", "c": "skipped", "d": "queued"}
    assert world.drain() == ["d"]
    assert_no_gap(run)


def test_one_that_runs_ends_with_its_process(world: World, run: Run) -> None:
    lease = world.claim()
    services.cancel_step(world.access, run, "a")
    assert Job.objects.get(pk=lease.job_id).cancel_requested_at is not None
    assert world.statuses(run)["a"] == "preparing"
    world.end(lease, Outcome(JobStatus.CANCELLED, exit_code=-15, reason="Cancelled."))
    assert world.drain() == ["d"]
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert_no_gap(run)


def test_a_failure_elsewhere_makes_it_a_failed_run(world: World, run: Run) -> None:
    services.cancel_step(world.access, run, "b")
    world.fail(world.claim())
    world.drain()
    run.refresh_from_db()
    assert run.status == "failed"


def test_its_run_is_continued(world: World, run: Run) -> None:
    services.cancel_step(world.access, run, "b")
    world.drain()
    assert services.continue_run(world.access, run) == 2
    assert world.drain() == ["b", "c"]
    run.refresh_from_db()
    assert run.status == "completed"


def test_too_late_or_twice_is_said(world: World, run: Run) -> None:
    services.cancel_step(world.access, run, "b")
    before = Run.objects.values().get(pk=run.pk)
    for name, words in (("b", "it was cancelled"), ("c", "it was skipped")):
        with pytest.raises(ConflictError, match=words):
            services.cancel_step(world.access, run, name)
    assert Run.objects.values().get(pk=run.pk) == before
    world.drain()
    with pytest.raises(ConflictError, match="it completed"):
        services.cancel_step(world.access, run, "a")


def test_not_while_the_whole_run_is_being_cancelled(world: World, run: Run) -> None:
    world.claim()
    services.cancel_run(world.access, run)
    with pytest.raises(ConflictError, match="is being cancelled, and “a” with it"):
        services.cancel_step(world.access, run, "a")


def test_who_may_over_rest(world: World, run: Run) -> None:
    reader = world.member("reader", Role.READER)
    with pytest.raises(PermissionDenied):
        services.cancel_step(Access(reader, world.workspace, Role.READER), run, "b")
    path = f"runs/{run.pk}/steps/b/cancel/"
    for person, workspace, status in (
        (reader, "ours", 403),
        (World.make("theirs").owner, "theirs", 404),
        (world.owner, "ours", 202),
        (world.owner, "ours", 409),
    ):
        client = Client()
        client.force_login(person)
        assert client.post(f"/api/workspaces/{workspace}/{path}").status_code == status

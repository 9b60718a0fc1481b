"""Pausing: what runs goes on to its end, nothing further begins, and resuming lets go all that is ready."""

import pytest
from django.core.exceptions import PermissionDenied

from compute.models import Job
from compute.services.leases import Outcome, claim
from compute.services.sweeping import ring_again
from compute.states import JobStatus
from pipelines import queries, services
from pipelines.list_queries import RunFilters, RunRow, runs_page
from pipelines.models import Run, StepRun
from studio.lib.problems import ConflictError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def two_chains(world: World) -> Run:
    """a → b and c → d."""
    return world.submit(world.pipeline(world.step("a"), world.step("b", "a"), world.step("c"), world.step("d", "c")))


def test_what_runs_ends_and_nothing_else_begins_until_it_is_resumed(world: World) -> None:
    run = two_chains(world)
    lease = world.claim()
    assert services.pause_run(world.access, run) is True
    assert claim(world.node) is None, "c is queued, and held"
    world.complete(lease)
    assert world.statuses(run) == {"a": "completed", "b": "waiting", "c": "queued", "d": "waiting"}
    assert claim(world.node) is None
    assert services.resume_run(world.access, run) is True
    assert world.statuses(run) == {"a": "completed", "b": "queued", "c": "queued", "d": "waiting"}
    assert sorted(world.drain()) == ["b", "c", "d"]
    run.refresh_from_db()
    assert (run.status, run.paused_at, run.paused_by_id) == ("completed", None, None)
    assert_no_gap(run)


def test_it_says_who_and_since_when(world: World) -> None:
    run = two_chains(world)
    services.pause_run(world.access, run)
    run = queries.run_of(world.workspace, run.pk)
    row = queries.run_row(run)
    assert (row["status"], row["paused_by"]) == ("queued", "ours-owner")
    assert row["paused_at"] is not None
    assert RunRow(run).shown_status == "paused"
    assert queries.step_detail(world.workspace, step_of(run, "a"))["waits_for"] == (
        "The run is paused: it starts once somebody resumes it."
    )
    services.resume_run(world.access, run)
    assert [event for event in events(run) if event["kind"] in {"paused", "resumed"}] == [
        {"kind": "paused", "by": "ours-owner"},
        {"kind": "resumed", "by": "ours-owner"},
    ]
    said = AuditEvent.objects.filter(verb__in=["run.pause", "run.resume"]).order_by("pk")
    assert [(each.verb, each.target) for each in said] == [
        ("run.pause", f"run {run.pk}"),
        ("run.resume", f"run {run.pk}"),
    ]


def test_the_list_can_be_narrowed_to_paused_runs(world: World) -> None:
    run, other = two_chains(world), world.submit(world.pipeline(world.step("a"), name="other"))
    services.pause_run(world.access, run)
    (row,) = runs_page(world.workspace, RunFilters.of({"status": "paused"})).rows
    assert row.run == run
    assert {row.run for row in runs_page(world.workspace, RunFilters.of({"status": "active"})).rows} == {run, other}


def test_asking_twice_changes_nothing(world: World) -> None:
    run = two_chains(world)
    assert services.resume_run(world.access, run) is False
    services.pause_run(world.access, run)
    before = Run.objects.values().get(pk=run.pk)
    assert services.pause_run(world.access, run) is False
    assert Run.objects.values().get(pk=run.pk) == before


def test_a_run_that_is_over_or_being_cancelled_is_not_paused(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    services.cancel_run(world.access, run)
    for call in (services.pause_run, services.resume_run):
        with pytest.raises(ConflictError, match="is being cancelled"):
            call(world.access, run)
    world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
    for call in (services.pause_run, services.resume_run):
        with pytest.raises(ConflictError, match="is over"):
            call(world.access, run)


def test_a_run_whose_last_step_ends_while_it_is_paused_is_over_and_no_longer_paused(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    lease = world.claim()
    services.pause_run(world.access, run)
    world.fail(lease)
    run.refresh_from_db()
    assert (run.status, run.paused_at) == ("failed", None)
    services.continue_run(world.access, run)
    assert world.drain() == ["a", "b"]
    assert_no_gap(run)


def test_cancelling_a_paused_run_ends_it_at_once(world: World) -> None:
    run = two_chains(world)
    services.pause_run(world.access, run)
    services.cancel_run(world.access, run)
    run.refresh_from_db()
    assert (run.status, run.paused_at) == ("cancelled", None)
    assert set(Job.objects.values_list("status", flat=True)) == {"cancelled"}
    assert_no_gap(run)


def test_one_step_of_a_paused_run_is_cancelled(world: World) -> None:
    run = two_chains(world)
    services.pause_run(world.access, run)
    services.cancel_step(world.access, run, "c")
    assert world.statuses(run) == {"a": "queued", "b": "waiting", "c": "cancelled", "d": "skipped"}
    services.resume_run(world.access, run)
    assert world.drain() == ["a", "b"]


def test_what_is_continued_while_it_is_paused_waits_for_the_resume(world: World) -> None:
    run = two_chains(world)
    failing, other = world.claim(), world.claim()
    services.pause_run(world.access, run)
    world.fail(failing)
    assert services.continue_run(world.access, run) == 2
    assert world.statuses(run)["a"] == "waiting"
    assert claim(world.node) is None
    world.complete(other)
    services.resume_run(world.access, run)
    world.drain()
    assert set(world.statuses(run).values()) == {"completed"}


def test_an_edit_while_it_is_paused_is_tried_after_the_resume(world: World) -> None:
    run = two_chains(world)
    failing, other = world.claim(), world.claim()
    services.pause_run(world.access, run)
    world.fail(failing)
    changes = services.StepChanges(put={"main.py": "print(3)\n"})
    assert services.edit_step(world.access, run, "a", changes, base_edit=0).tried == 2
    assert claim(world.node) is None
    world.complete(other)
    services.resume_run(world.access, run)
    assert sorted(world.drain()) == ["a", "b", "d"]


def test_a_further_attempt_is_a_beginning_too(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a", retry={"max_attempts": 2})))
    lease = world.claim()
    services.pause_run(world.access, run)
    world.fail(lease)
    assert (step_of(run, "a").status, Job.objects.get().status) == ("queued", "held")
    assert claim(world.node) is None
    services.resume_run(world.access, run)
    again = world.claim()
    assert (again.attempt, again.failures) == (2, 1), "what was counted of the job stays"
    world.complete(again)
    run.refresh_from_db()
    assert run.status == "completed"


def test_neither_a_look_at_earlier_results_nor_the_sweep_wakes_it(world: World) -> None:
    run = two_chains(world)
    lease = world.claim()
    services.pause_run(world.access, run)
    world.complete(lease)
    assert services.look_after(run.pk) is False
    assert services.look_after_all() == 0
    ring_again()
    assert services.mend_pauses() == 0
    assert world.statuses(run) == {"a": "completed", "b": "waiting", "c": "queued", "d": "waiting"}
    assert claim(world.node) is None


def test_the_sweep_mends_what_was_passed_over(world: World) -> None:
    """As after somebody who was changing the job at that moment, and rolled back."""
    run = two_chains(world)
    services.pause_run(world.access, run)
    Job.objects.update(status="queued")
    assert services.mend_pauses() == 2
    Run.objects.update(paused_at=None)
    assert services.mend_pauses() == 2
    assert services.mend_pauses() == 0
    assert sorted(world.drain()) == ["a", "b", "c", "d"]


def test_nothing_is_reused_while_it_is_paused_but_afterwards(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    world.submit(pipeline)
    world.drain()
    world.save(pipeline, world.step("a", allow_reuse=False), world.step("b", "a"))
    run = world.submit(pipeline)
    lease = world.claim()
    services.pause_run(world.access, run)
    world.complete(lease)
    assert world.statuses(run) == {"a": "completed", "b": "waiting"}
    services.resume_run(world.access, run)
    run.refresh_from_db()
    assert run.status == "completed"


def test_a_reader_may_not_and_another_workspace_finds_nothing(world: World) -> None:
    run = two_chains(world)
    reader = Access(world.member("reader", Role.READER), world.workspace, Role.READER)
    for call in (services.pause_run, services.resume_run):
        with pytest.raises(PermissionDenied):
            call(reader, run)
    run.refresh_from_db()
    assert run.paused_at is None


def test_the_jobs_of_another_run_are_left_alone(world: World) -> None:
    run = two_chains(world)
    other = world.submit(world.pipeline(world.step("x"), name="other"))
    services.pause_run(world.access, run)
    assert world.drain() == ["x"]
    other.refresh_from_db()
    assert other.status == "completed"

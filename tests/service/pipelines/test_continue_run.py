"""Continuing a run: what came to nothing is tried again in the same run, and what completed stays."""

import pytest
from django.core.exceptions import PermissionDenied

from compute.listener import JobChange
from compute.models import Attempt, ComputeTarget, Job, Quota
from compute.services.leases import Outcome, claim
from compute.spec import JobResult, OutputRecord
from compute.states import JobStatus
from pipelines import queries, services
from pipelines.backlog import steps_that_wait
from pipelines.models import Run, StepOutput, StepRun
from pipelines.services.cancelling import cancel_jobs
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.world import World, assert_no_gap, events


def failed_run(world: World, **more: object) -> Run:
    """a → bad → late, and side beside bad: a and side completed, bad failed, late was skipped."""
    bad = world.step("bad", "a", **{"arguments": "${{inputs.from_a}} bad", **more})
    steps = [world.step("a"), bad, world.step("side", "a"), world.step("late", "bad", "side")]
    run = world.submit(world.pipeline(*steps))
    world.complete(world.claim())
    for _ in range(2):
        lease = world.claim()
        world.fail(lease) if lease.title.startswith("bad") else world.complete(lease)
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("failed", 4)
    return run


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def test_the_failed_step_and_those_after_it_run_and_no_other(world: World) -> None:
    run = failed_run(world)
    first_job = step_of(run, "bad").job_id
    before = {name: StepRun.objects.filter(run=run, name=name).values().get() for name in ("a", "side")}
    assert services.continue_run(world.access, run) == 2
    run.refresh_from_db()
    assert (run.status, run.reason, run.finished_at, run.steps_done) == ("queued", "", None, 2)
    assert world.statuses(run) == {"a": "completed", "bad": "queued", "side": "completed", "late": "waiting"}
    assert step_of(run, "late").waiting_for == 1
    began_at = run.started_at
    assert world.drain() == ["bad", "late"]
    run.refresh_from_db()
    assert (run.status, run.steps_done, run.started_at) == ("completed", 4, began_at)
    assert {name: StepRun.objects.filter(run=run, name=name).values().get() for name in before} == before
    assert step_of(run, "bad").job_id != first_job
    assert_no_gap(run)


def test_attempts_are_numbered_on_and_each_keeps_its_log(world: World) -> None:
    run = failed_run(world)
    services.continue_run(world.access, run)
    assert world.claim().attempt == 2
    step = step_of(run, "bad")
    assert step.attempt == 2
    first, second = queries.attempts_of(step)
    assert (first.number, first.exit_code, second.number) == (1, 1, 2)
    assert first.job_id != second.job_id
    assert queries.log_page(step, attempt=1, start=0, count=10)["attempts"] == [1, 2]
    # Where it writes is numbered on as well: what the first attempt left there is not in its way.
    path = Job.objects.get(pk=step.job_id).spec.outputs["out"].path
    assert path == f"runs/{run.pk}/bad/{{attempt}}/out"


def test_it_says_who_and_how_many_in_an_event_and_an_audit_row(world: World) -> None:
    run = failed_run(world)
    services.continue_run(world.access, run)
    told = [event for event in events(run) if event["kind"] == "continued"]
    assert told == [{"kind": "continued", "by": "ours-owner", "steps": 2}]
    said = AuditEvent.objects.get(verb="run.continue")
    assert (said.actor, said.target) == (world.owner, f"run {run.pk}, 2 steps")
    # A watcher that only has the events comes to the same state.
    last = {event["step"]: event for event in events(run) if event["kind"] == "step"}
    assert (last["bad"]["status"], last["late"]["status"], last["late"]["reason"]) == ("queued", "waiting", "")


def test_a_second_click_is_told_that_it_goes_on(world: World) -> None:
    run = failed_run(world)
    services.continue_run(world.access, run)
    with pytest.raises(ConflictError, match="goes on already"):
        services.continue_run(world.access, run)
    assert Job.objects.filter(owner=step_of(run, "bad").job_owner).count() == 2
    assert_no_gap(run)


def test_it_fails_again_and_is_continued_again(world: World) -> None:
    run = failed_run(world)
    for attempt in (2, 3):
        services.continue_run(world.access, run)
        world.fail(world.claim())
        run.refresh_from_db()
        assert (run.status, run.steps_done, step_of(run, "bad").attempt) == ("failed", 4, attempt)
    services.continue_run(world.access, run)
    assert world.drain() == ["bad", "late"]
    run.refresh_from_db()
    assert run.status == "completed"


def test_a_completed_run_has_nothing_to_continue(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    world.drain()
    with pytest.raises(ConflictError, match="there is nothing to continue"):
        services.continue_run(world.access, run)


def test_not_while_it_is_being_cancelled_but_afterwards(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    lease = world.claim()
    services.cancel_run(world.access, run)
    with pytest.raises(ConflictError, match=r"is being cancelled\. Continue it once"):
        services.continue_run(world.access, run)
    world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
    assert services.continue_run(world.access, run) == 2
    run.refresh_from_db()
    assert (run.cancel_requested_at, run.cancel_requested_by_id) == (None, None)
    assert world.drain() == ["a", "b"]
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("completed", 2)


def test_a_run_that_was_cancelled_before_it_began(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    services.cancel_run(world.access, run)
    assert services.continue_run(world.access, run) == 2
    assert world.claim().attempt == 1
    run.refresh_from_db()
    assert run.status == "running"
    assert run.started_at is not None


def test_a_continued_run_can_be_cancelled(world: World) -> None:
    run = failed_run(world)
    services.continue_run(world.access, run)
    assert services.cancel_run(world.access, run) is True
    run.refresh_from_db()
    assert (run.status, run.steps_done, run.reason) == ("cancelled", 4, "Cancelled on request.")
    assert claim(world.node) is None


def test_a_run_goes_on_while_other_steps_of_it_run(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("slow"), world.step("end", "a", "slow")))
    leases = {lease.title.split()[0]: lease for lease in (world.claim(), world.claim())}
    world.fail(leases["a"])
    assert world.statuses(run) == {"a": "failed", "slow": "preparing", "end": "skipped"}
    assert services.continue_run(world.access, run) == 2
    assert step_of(run, "end").waiting_for == 2
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("running", 0)
    world.complete(leases["slow"])
    assert step_of(run, "end").waiting_for == 1
    assert world.drain() == ["a", "end"]
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("completed", 3)


def test_what_a_job_of_before_still_says_changes_nothing(world: World) -> None:
    """Whatever a worker does may happen twice, also long after its step went on to another job."""
    run = failed_run(world)
    old = step_of(run, "bad")
    services.continue_run(world.access, run)
    before = list(StepRun.objects.filter(run=run).order_by("position").values())
    for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.RUNNING, JobStatus.CANCELLED):
        services.follow_jobs([JobChange(old.job_id or 0, old.job_owner, status, run.created_at, 1)])
    assert list(StepRun.objects.filter(run=run).order_by("position").values()) == before
    assert_no_gap(run)


def test_a_result_that_somebody_else_made_meanwhile_is_taken(world: World) -> None:
    run = failed_run(world)
    pipeline = Run.objects.get(pk=run.pk).pipeline
    other = world.submit(pipeline)
    world.drain()
    services.continue_run(world.access, run)
    run.refresh_from_db()
    assert run.status == "completed"
    assert step_of(run, "bad").reused_from == step_of(other, "bad")
    assert [attempt.number for attempt in queries.attempts_of(step_of(run, "bad"))] == [1]


def test_outputs_of_an_attempt_that_could_not_be_registered_are_not_in_the_way(world: World) -> None:
    registers = {"outputs": [{"name": "out", "register_as": {"dataset": "numbers"}}]}
    run = world.submit(world.pipeline(world.step("a", **registers)))
    lease = world.claim()
    record = OutputRecord(datastore_id=world.datastore.pk, path="x", fingerprint="f", file_count=0, size_bytes=0)
    world.end(lease, Outcome(JobStatus.COMPLETED, exit_code=0, result=JobResult(outputs={"out": record})))
    run.refresh_from_db()
    assert run.status == "failed"
    assert StepOutput.objects.filter(step_run__run=run).count() == 1
    services.continue_run(world.access, run)
    assert world.drain() == ["a"]
    run.refresh_from_db()
    assert run.status == "completed"
    assert StepOutput.objects.get(step_run__run=run).dataset_version is not None


def test_a_target_that_is_gone_fails_it_again_with_a_sentence(world: World) -> None:
    run = failed_run(world)
    ComputeTarget.objects.filter(name="local").update(deleted_at=run.created_at)
    services.continue_run(world.access, run)
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("failed", 4)
    assert "compute target" in run.reason
    assert_no_gap(run)


def test_a_quota_holds(world: World) -> None:
    run = failed_run(world)
    Quota.objects.create(workspace=world.workspace, queued_steps=1, set_by=world.owner)
    with pytest.raises(UserError, match="may have 1 step waiting"):
        services.continue_run(world.access, run)
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("failed", 4)
    Quota.objects.update(queued_steps=2)
    services.continue_run(world.access, run)
    assert steps_that_wait(world.workspace.pk) == {world.owner.pk: 2}


def test_a_reader_is_refused(world: World) -> None:
    run = failed_run(world)
    reader = world.member("reader", Role.READER)
    with pytest.raises(PermissionDenied):
        services.continue_run(Access(reader, world.workspace, Role.READER), run)
    run.refresh_from_db()
    assert run.status == "failed"
    assert Attempt.objects.count() == 3


def test_who_asked_for_the_end_and_was_slow_does_not_end_what_was_continued_since(world: World) -> None:
    """The jobs are asked in a transaction of their own: the run may have ended, and gone on, before that."""
    run = world.submit(world.pipeline(world.step("a")))
    lease = world.claim()
    services.cancel_run(world.access, run)
    world.end(lease, Outcome(JobStatus.CANCELLED, reason="Cancelled."))
    services.continue_run(world.access, run)
    assert cancel_jobs(run.pk) == 0
    assert world.statuses(run) == {"a": "queued"}


def test_how_many_attempts_are_left_is_said_with_the_numbers_that_attempts_have(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a", retry={"max_attempts": 2})))
    world.fail(world.claim())
    world.fail(world.claim())
    services.continue_run(world.access, run)
    lease = world.claim()
    world.fail(lease)
    step = StepRun.objects.get(run=run)
    assert (lease.attempt, step.status) == (3, "queued")
    assert step.reason.endswith("It is tried again at once: attempt 4 of 4.")

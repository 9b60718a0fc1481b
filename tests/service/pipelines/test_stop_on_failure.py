"""A run that stops at its first failed step: what runs ends as it would, and the rest is skipped, naming that step."""

import pytest

from compute.models import ComputeTarget, Job
from compute.services.leases import claim
from pipelines import services
from pipelines.models import Pipeline, Run, StepRun
from pipelines.validation import parse_definition
from tests.service.pipelines.world import World, assert_no_gap

WHY = "“a” failed, and this run stops at the first failed step."


def step_of(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def wide(world: World) -> Pipeline:
    """a → late, and three beside it, of which `side` has a successor."""
    steps = ("a", "side", "third", "fourth")
    return world.pipeline(*map(world.step, steps), world.step("late", "a"), world.step("after", "side"))


def stopping(world: World) -> Run:
    return world.submit(wide(world), continue_on_step_failure=False)


def test_as_usual_what_does_not_depend_on_it_goes_on(world: World) -> None:
    run = world.submit(wide(world))
    assert run.continue_on_step_failure is True
    world.fail(world.claim())
    assert sorted(world.drain()) == ["after", "fourth", "side", "third"]


def test_nothing_further_starts_and_what_runs_ends(world: World) -> None:
    run = stopping(world)
    failing, other = world.claim(), world.claim()
    world.fail(failing)
    assert claim(world.node) is None
    assert world.statuses(run) == {
        "a": "failed",
        "side": "preparing",
        "third": "skipped",
        "fourth": "skipped",
        "late": "skipped",
        "after": "skipped",
    }
    assert {step_of(run, name).reason for name in ("third", "fourth", "after")} == {WHY}
    assert step_of(run, "late").reason == "“a” failed."
    run.refresh_from_db()
    assert run.status == "running"
    world.complete(other)
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("failed", 6)
    assert claim(world.node) is None
    assert set(Job.objects.filter(status="cancelled").values_list("reason", flat=True)) == {WHY}
    assert_no_gap(run)


def test_what_has_begun_ends_as_it_would_with_its_further_attempts(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("tough", retry={"max_attempts": 2}))
    run = world.submit(pipeline, continue_on_step_failure=False)
    failing, tough = world.claim(), world.claim()
    world.fail(tough)
    world.fail(failing)
    assert world.statuses(run) == {"a": "failed", "tough": "queued"}
    assert world.drain() == ["tough"]
    run.refresh_from_db()
    assert run.status == "failed"


def test_a_step_of_which_no_attempt_is_left_stops_it_and_an_attempt_before_does_not(world: World) -> None:
    pipeline = world.pipeline(world.step("a", retry={"max_attempts": 2}), world.step("side"))
    run = world.submit(pipeline, continue_on_step_failure=False)
    world.fail(world.claim())
    assert world.statuses(run) == {"a": "queued", "side": "queued"}


def test_it_is_continued_and_stops_again(world: World) -> None:
    run = stopping(world)
    world.fail(world.claim())
    assert services.continue_run(world.access, run) == 6
    world.fail(world.claim())
    run.refresh_from_db()
    assert (run.status, run.continue_on_step_failure) == ("failed", False)
    services.continue_run(world.access, run)
    assert len(world.drain()) == 6
    run.refresh_from_db()
    assert run.status == "completed"
    assert_no_gap(run)


def test_a_paused_run_stops_too(world: World) -> None:
    run = stopping(world)
    failing = world.claim()
    services.pause_run(world.access, run)
    world.fail(failing)
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("failed", 6)
    assert not Job.objects.filter(status__in=["queued", "held"]).exists()


def test_a_cancelled_step_is_no_failed_one(world: World) -> None:
    run = stopping(world)
    services.cancel_step(world.access, run, "a")
    assert sorted(world.drain()) == ["after", "fourth", "side", "third"]


def test_a_step_that_fails_before_it_is_queued_stops_what_was_to_be_queued_with_it(world: World) -> None:
    gone = ComputeTarget.objects.create(workspace=world.workspace, name="other", kind="local")
    steps = [world.step("root"), world.step("a", "root", compute="other"), world.step("side", "root")]
    run = world.submit(world.pipeline(*steps), continue_on_step_failure=False)
    lease = world.claim()
    ComputeTarget.objects.filter(pk=gone.pk).update(deleted_at=run.created_at)
    world.complete(lease)
    assert world.statuses(run) == {"root": "completed", "a": "failed", "side": "skipped"}
    run.refresh_from_db()
    assert run.status == "failed"
    assert_no_gap(run)


@pytest.mark.parametrize("given", [None, True, False])
def test_the_pipeline_says_it_and_a_submission_may_say_otherwise(world: World, given: bool | None) -> None:
    pipeline = services.create_pipeline(world.access, name="stops")
    definition = parse_definition({"steps": [world.step("a")], "continue_on_step_failure": False})
    services.save_version(world.access, pipeline, definition=definition, base_version=0)
    pipeline.refresh_from_db()
    run = world.submit(pipeline, continue_on_step_failure=given)
    assert run.continue_on_step_failure is bool(given)


def test_it_is_kept_by_what_is_made_of_a_run(world: World) -> None:
    run = stopping(world)
    world.fail(world.claim())
    run.refresh_from_db()
    assert services.resubmit_run(world.access, run).continue_on_step_failure is False
    assert services.resubmit_run(world.access, run, continue_on_step_failure=True).continue_on_step_failure is True
    assert services.rerun_from(world.access, run, "a").continue_on_step_failure is False
    clone = services.clone_run(world.access, run)
    assert clone.versions.get().definition.continue_on_step_failure is False

"""Runs of very many steps are submitted, queued, reused and cancelled in few statements and small transactions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.models import Job
from pipelines import services
from pipelines.models import Run, StepRun
from pipelines.services import advancing, cancelling
from pipelines.validation import MAX_STEPS, parse_definition
from studio.lib import statements
from studio.lib.problems import UserError
from tests.service.pipelines.world import World, assert_no_gap

AT_ONCE = 20
WIDE = 70


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advancing, "_AT_ONCE", AT_ONCE)
    monkeypatch.setattr(cancelling, "_AT_ONCE", AT_ONCE)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]) -> list[int]:
    """The runs that somebody is asked to look after, in order; nobody does by himself."""
    runs: list[int] = []
    monkeypatch.setattr(advancing, "enqueue_on_commit", lambda task, run_id: runs.append(run_id))
    return runs


def wide(world: World, count: int = WIDE, name: str = "wide") -> Any:
    middle = [f"m{number}" for number in range(count)]
    return world.pipeline(
        world.step("head"),
        *[world.step(each, "head") for each in middle],
        world.step("tail", run_after=middle),
        name=name,
    )


def counts(run: Run) -> dict[str, int]:
    statuses = list(StepRun.objects.filter(run=run).values_list("status", flat=True))
    return {each: statuses.count(each) for each in sorted(set(statuses))}


def test_submitting_takes_no_statement_for_each_step(world: World) -> None:
    taken = []
    for count in (10, 10, 200):  # a process learns once where things lie
        pipeline = wide(world, count, name=f"{len(taken)} of {count}")
        with CaptureQueriesContext(connection) as queries:
            world.submit(pipeline)
        taken.append(len(queries))
    assert taken[2] == taken[1]


def test_what_becomes_ready_together_is_queued_slice_by_slice(world: World, asked: list[int]) -> None:
    run = world.submit(wide(world))
    with CaptureQueriesContext(connection) as queries:
        world.complete(world.claim())
    assert counts(run) == {"completed": 1, "queued": AT_ONCE, "waiting": WIDE - AT_ONCE + 1}
    assert len(queries) < 60
    assert asked == [run.pk]
    assert services.look_after(run.pk)
    assert counts(run) == {"completed": 1, "queued": WIDE, "waiting": 1}
    ran = world.drain()
    assert (ran[:3], ran[-1], len(ran)) == (["m0", "m1", "m2"], "tail", WIDE + 1)
    run.refresh_from_db()
    assert run.status == "completed"
    assert_no_gap(run)


def test_a_slice_is_a_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the database waits for one of them."""
    run = world.submit(wide(world))
    world.complete(world.claim())
    journals: list[int] = []
    written = advancing.Journal.write

    def write(journal: advancing.Journal) -> None:
        journals.append(len(journal._events))
        written(journal)

    monkeypatch.setattr(advancing.Journal, "write", write)
    assert services.look_after(run.pk)
    assert journals == [AT_ONCE, AT_ONCE, WIDE - 3 * AT_ONCE]


def test_thousands_of_first_steps_are_queued_and_reused_in_slices_too(world: World) -> None:
    pipeline = world.pipeline(*[world.step(f"r{number}") for number in range(WIDE)])
    run = world.submit(pipeline)
    assert counts(run) == {"queued": AT_ONCE, "waiting": WIDE - AT_ONCE}
    assert len(world.drain()) == WIDE
    again = world.submit(pipeline)
    assert counts(again) == {"completed": AT_ONCE, "waiting": WIDE - AT_ONCE}
    assert services.look_after(again.pk)
    again.refresh_from_db()
    assert (again.status, again.steps_done) == ("completed", WIDE)
    assert StepRun.objects.filter(run=again, reused_from=None).count() == 0
    assert_no_gap(again)


def test_steps_at_rest_hold_back_nobody_behind_them(world: World) -> None:
    """More than a slice of them waits for equal steps of an earlier run."""
    pipeline = world.pipeline(*[world.step(f"r{number}") for number in range(WIDE)])
    first = world.submit(pipeline)
    services.look_after(first.pk)
    others = [world.step(f"n{number}") for number in range(5)]
    world.save(pipeline, *[world.step(f"r{number}") for number in range(WIDE)], *others)
    second = world.submit(pipeline)
    services.look_after(second.pk)
    assert counts(second) == {"queued": 5, "waiting": WIDE}
    assert set(StepRun.objects.filter(run=second, status="queued").values_list("name", flat=True)) == {
        each["name"] for each in others
    }


def test_a_pause_between_two_slices_holds(world: World) -> None:
    run = world.submit(wide(world))
    world.complete(world.claim())
    services.pause_run(world.access, run)
    assert not services.look_after(run.pk)
    before = StepRun.objects.filter(run=run, job=None, status="waiting").count()
    assert before == WIDE - AT_ONCE + 1
    services.resume_run(world.access, run)
    services.look_after(run.pk)
    assert counts(run) == {"completed": 1, "queued": WIDE, "waiting": 1}


def test_a_failure_that_stops_the_run_skips_what_had_no_turn_yet(world: World) -> None:
    run = world.submit(wide(world), continue_on_step_failure=False)
    world.complete(world.claim())
    world.fail(world.claim())
    run.refresh_from_db()
    assert run.status == "failed"
    assert counts(run) == {"completed": 1, "failed": 1, "skipped": WIDE}
    assert not services.look_after(run.pk)


def test_cancelling_takes_no_statement_for_each_job(world: World) -> None:
    taken = []
    for count in (AT_ONCE // 2, AT_ONCE // 2, AT_ONCE):
        run = world.submit(wide(world, count, name=f"{len(taken)} of {count}"), regenerate_outputs=True)
        world.complete(world.claim())
        with CaptureQueriesContext(connection) as queries:
            assert services.cancel_run(world.access, run)
        taken.append(sum("pipelines_steprun" not in query["sql"] for query in queries))
        run.refresh_from_db()
        assert run.status == "cancelled"
        assert counts(run) == {"cancelled": count + 1, "completed": 1}
        assert_no_gap(run)
    assert taken[1] == taken[2]
    assert not Job.objects.filter(status="queued").exists()


def test_a_cancelled_step_looks_for_nothing_behind_it_where_the_run_is_cancelled(world: World) -> None:
    run = world.submit(wide(world))
    world.complete(world.claim())
    with CaptureQueriesContext(connection) as queries:
        services.cancel_run(world.access, run)
    assert not any("RECURSIVE" in query["sql"] for query in queries)


def test_new_rows_get_their_keys_in_order_and_what_they_share(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several statements, as for thousands."""
    monkeypatch.setattr(statements, "_MOST_PARAMETERS", 100)
    run = world.submit(wide(world))
    rows = list(StepRun.objects.filter(run=run).order_by("pk"))
    assert [row.position for row in rows] == list(range(WIDE + 2))
    assert [row.name for row in rows[:3]] == ["head", "m0", "m1"]
    assert {(row.asks, row.makes_runs, row.attempt, row.reuse_note) for row in rows[1:]} == {("", False, 0, "")}
    world.complete(world.claim())
    jobs = list(Job.objects.filter(status="queued").order_by("pk"))
    assert [job.title.split()[0] for job in jobs] == [f"m{number}" for number in range(AT_ONCE)]
    assert all(job.created_at and job.lease_token is None for job in jobs)


def test_more_than_ten_thousand_steps_are_refused(world: World) -> None:
    steps = [{"kind": "command", "name": f"s{number}", "command": "true"} for number in range(MAX_STEPS + 1)]
    pipeline = services.create_pipeline(world.access, name="large")
    services.save_version(world.access, pipeline, definition=parse_definition({"steps": steps}), base_version=0)
    pipeline.refresh_from_db()
    with pytest.raises(UserError, match="more than 10,000 steps"):
        world.submit(pipeline)


def test_steps_of_one_run_are_rows_of_their_own(world: World) -> None:
    """They are made by copying one: no change of one, and nothing that one has read, may be seen in another."""
    run = world.submit(wide(world, 3))
    steps = list(run.steps.order_by("position"))
    assert [each.name for each in steps] == ["head", "m0", "m1", "m2", "tail"]
    assert len({each.pk for each in steps}) == len(steps)
    like = StepRun(run=run)
    one, other = statements.copy_of(like, name="one"), statements.copy_of(like, name="other")
    one.run = Run(pk=run.pk + 1)
    assert (one.name, other.name, like.name) == ("one", "other", "")
    assert other.run is run
    assert other.run_id == run.pk
    assert one._state is not other._state
    assert other._state.adding

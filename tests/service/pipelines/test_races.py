"""Two at once: siblings that finish together close the run once, and the loser of every race is told."""

import io
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.models import Sum
from django.utils import timezone

from compute.listener import JobRecords
from compute.metrics.said import Label
from compute.models import Job, KeptFile, Quota, StorageUse
from compute.services.leases import Outcome, claim
from compute.services.quotas import storage_used
from compute.states import JobStatus
from datastores import snapshots
from datastores.services import Upload, upload_files
from pipelines import sample, services
from pipelines.models import Pipeline, PipelineVersion, Run, RunEvent, StepRun, Tag
from pipelines.services.journal import held_run
from pipelines.validation import parse_definition
from studio.lib.problems import ConflictError
from studio.workspaces.models import Role, User
from tests.service.pipelines.world import World, assert_no_gap, events
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db: None) -> World:
    return World.make()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Each call in a thread and a connection of its own, let go at once. Gives results or exceptions."""
    gate = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            results[index] = call()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_siblings_that_finish_together_close_the_run_once(world: World) -> None:
    pipeline = world.pipeline(*[world.step(f"s{n}", allow_reuse=False) for n in range(4)])
    for _ in range(5):
        run = world.submit(pipeline)
        leases = [world.claim() for _ in range(4)]
        results = together(*[lambda lease=lease: world.complete(lease) for lease in leases])
        assert results == [True] * 4
        run.refresh_from_db()
        assert (run.status, run.steps_done) == ("completed", 4)
        assert [event["status"] for event in events(run) if event["kind"] == "run"].count("completed") == 1
        assert_no_gap(run)


def test_parents_that_finish_together_release_their_child_once(world: World) -> None:
    pipeline = world.pipeline(
        *[world.step(f"s{n}", allow_reuse=False) for n in range(3)], world.step("child", "s0", "s1", "s2")
    )
    for _ in range(5):
        run = world.submit(pipeline)
        leases = [world.claim() for _ in range(3)]
        together(*[lambda lease=lease: world.complete(lease) for lease in leases])
        child = StepRun.objects.get(run=run, name="child")
        assert child.status in {"queued", "completed"}  # completed: reused from the round before
        assert Job.objects.filter(owner=f"step:{child.pk}").count() == (0 if child.reused_from_id else 1)
        if child.status == "queued":
            world.drain()
        run.refresh_from_db()
        assert run.status == "completed"
        assert_no_gap(run)


def test_one_fails_while_another_completes(world: World) -> None:
    pipeline = world.pipeline(
        world.step("good", allow_reuse=False), world.step("bad", allow_reuse=False), world.step("child", "good", "bad")
    )
    for _ in range(5):
        run = world.submit(pipeline)
        good, bad = world.claim(), world.claim()
        together(lambda lease=good: world.complete(lease), lambda lease=bad: world.fail(lease))
        run.refresh_from_db()
        assert run.status == "failed"
        assert world.statuses(run) == {"good": "completed", "bad": "failed", "child": "skipped"}
        assert_no_gap(run)


def test_cancelling_while_a_step_completes_ends_the_run(world: World) -> None:
    pipeline = world.pipeline(world.step("a", allow_reuse=False), world.step("b", "a", allow_reuse=False))
    for _ in range(5):
        run = world.submit(pipeline)
        lease = world.claim()
        results = together(
            lambda lease=lease: world.complete(lease), lambda run=run: services.cancel_run(world.access, run)
        )
        assert not [result for result in results if isinstance(result, OperationalError)], "no deadlock"
        run.refresh_from_db()
        assert run.status == "cancelled"
        assert set(world.statuses(run).values()) <= {"completed", "cancelled"}
        assert not Job.objects.filter(status__in=["queued", "preparing", "running"]).exists()
        assert_no_gap(run)


def test_two_cancels_write_one_request(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    results = together(*[lambda: services.cancel_run(world.access, run)] * 3)
    assert sorted(results) == [False, False, True]
    assert RunEvent.objects.filter(run=run, data__kind="cancel_requested").count() == 1


def test_of_two_saves_the_second_is_told_who_was_first(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))

    def save(name: str) -> Any:
        definition = parse_definition({"steps": [world.step(name)]})
        return services.save_version(world.access, pipeline, definition=definition, base_version=1)

    results = together(lambda: save("b"), lambda: save("c"))
    (lost,) = [result for result in results if isinstance(result, ConflictError)]
    assert lost.current["number"] == 2
    assert lost.current["created_by"] == "ours-owner"
    assert PipelineVersion.objects.filter(pipeline=pipeline).count() == 2
    assert Pipeline.objects.get(pk=pipeline.pk).latest_version == 2


def test_the_sample_is_submitted_once(world: World) -> None:
    pipeline = sample.create_sample(world.workspace, world.owner)
    Job.objects.update(status="completed", finished_at=timezone.now())
    results = together(*[lambda: sample.submit_sample(world.workspace.pk)] * 3)
    assert not [result for result in results if isinstance(result, Exception)]
    assert Run.objects.filter(pipeline=pipeline).count() == 1


def test_whoever_brings_files_at_once_has_each_of_them_counted_once(world: World) -> None:
    people = [world.member(f"p{number}", Role.CONTRIBUTOR) for number in range(4)]

    def bring(person: User) -> None:
        for size in range(1, 6):
            files = [Upload(name, io.BytesIO(b"x" * size)) for name in ("shared.bin", f"{person}.bin")]
            upload_files(world.datastore, folder="", files=files, actor=person)

    before = sum(storage_used(world.workspace.pk).values())
    results = together(
        *[lambda person=person: bring(person) for person in people],
        *[lambda: snapshots.edit(world.workspace, None, put={"a.py": "print()"}, actor=people[0])] * 2,
    )
    assert not [result for result in results if isinstance(result, Exception)]
    kept = KeptFile.objects.filter(workspace=world.workspace)
    assert {use.person: use.brought_bytes for use in StorageUse.objects.filter(brought_bytes__gt=0)} == dict(
        kept.values_list("person").annotate(Sum("size_bytes")).order_by()
    )
    assert sum(storage_used(world.workspace.pk).values()) - before == 5 * 5 + len("print()")


def test_of_two_who_continue_a_run_at_once_one_does(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    for _ in range(3):
        run = world.submit(pipeline)
        world.fail(world.claim())
        results = together(*[partial(services.continue_run, world.access, run)] * 2)
        assert min(map(str, results)) == "2"
        (refused,) = (each for each in results if isinstance(each, Exception))
        assert isinstance(refused, ConflictError)
        assert "goes on already" in str(refused)
        assert [event["kind"] for event in events(run)].count("continued") == 1
        assert_no_gap(run)
        world.fail(world.claim())


def test_of_two_who_edit_a_step_at_once_one_does(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))

    def edit(text: str) -> Any:
        changes = services.StepChanges(put={"main.py": text})
        return services.edit_step(world.access, run, "a", changes, base_edit=0, go_on=go_on)

    for go_on in (True, False):
        run = world.submit(pipeline)
        world.fail(world.claim())
        results = together(*[lambda text=text: edit(text) for text in ("print(2)\n", "print(3)\n")])
        (refused,) = (each for each in results if isinstance(each, Exception))
        assert isinstance(refused, ConflictError)
        (won,) = (each for each in results if not isinstance(each, Exception))
        step = StepRun.objects.get(run=run)
        assert step.edits.get() == won.edit
        assert_no_gap(run)
        if go_on:
            world.fail(world.claim())


def test_continuing_and_cancelling_at_once_end_in_one_of_the_two(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b"), world.step("c", "a"))
    for _ in range(3):
        run = world.submit(pipeline)
        leases = {lease.title.split()[0]: lease for lease in (world.claim(), world.claim())}
        world.fail(leases["a"])
        results = together(
            partial(services.continue_run, world.access, run), partial(services.cancel_run, world.access, run)
        )
        assert results[1] is True
        assert results[0] == 2 or isinstance(results[0], ConflictError)
        world.end(leases["b"], Outcome(JobStatus.CANCELLED, reason="Cancelled."))
        run.refresh_from_db()
        assert (run.status, run.steps_done) == ("cancelled", 3)
        assert_no_gap(run)


def test_pausing_and_resuming_at_once_end_in_one_of_the_two(world: World) -> None:
    pipeline = world.pipeline(world.step("a", allow_reuse=False), world.step("b", "a"), world.step("c"))
    for _ in range(4):
        run = world.submit(pipeline)
        services.pause_run(world.access, run)
        results = together(
            partial(services.resume_run, world.access, run),
            partial(services.pause_run, world.access, run),
            partial(services.pause_run, world.access, run),
        )
        assert results[0] is True
        run.refresh_from_db()
        jobs = set(Job.objects.filter(owner__in=owners(run)).values_list("status", flat=True))
        assert jobs == ({"held"} if run.paused_at else {"queued"})
        assert_no_gap(run)
        services.cancel_run(world.access, run)


def test_pausing_while_nodes_claim_and_steps_end(world: World) -> None:
    pipeline = world.pipeline(*[world.step(f"s{n}", allow_reuse=False) for n in range(3)], world.step("end", "s0"))
    for _ in range(4):
        run = world.submit(pipeline)
        lease = world.claim()
        results = together(
            lambda lease=lease: world.complete(lease),
            lambda: claim(world.node),
            lambda run=run: services.pause_run(world.access, run),
        )
        assert not [each for each in results if isinstance(each, Exception)], "no deadlock"
        assert claim(world.node) is None
        assert not Job.objects.filter(owner__in=owners(run), status="queued").exists()
        services.resume_run(world.access, run)
        for each in [results[1]] if results[1] else []:
            world.complete(each)
        world.drain()
        run.refresh_from_db()
        assert run.status == "completed"
        assert_no_gap(run)


def test_two_fail_at_once_in_a_run_that_stops_while_another_is_claimed(world: World) -> None:
    pipeline = world.pipeline(*[world.step(f"s{n}", allow_reuse=False) for n in range(5)], world.step("end", "s4"))
    for _ in range(4):
        run = world.submit(pipeline, continue_on_step_failure=False)
        first, second = world.claim(), world.claim()
        results = together(
            lambda lease=first: world.fail(lease),
            lambda lease=second: world.fail(lease),
            lambda: claim(world.node),
        )
        assert not [each for each in results if isinstance(each, Exception)], "no deadlock"
        if results[2]:  # it was quicker
            world.complete(results[2])
        assert claim(world.node) is None
        run.refresh_from_db()
        assert (run.status, run.steps_done) == ("failed", 6)
        assert_no_gap(run)


def owners(run: Run) -> list[str]:
    return [step.job_owner for step in StepRun.objects.filter(run=run).only("pk")]


def test_an_approval_takes_one_answer_of_those_that_come_at_once(world: World) -> None:
    """Yes, no, the time-out and the end of its run: one of them wins, and the others hear it."""
    question = {"kind": "approval", "name": "ask", "message": "Go?", "answer_within": "1 h"}
    pipeline = world.pipeline(question, world.step("after", run_after=["ask"], allow_reuse=False))
    for _ in range(4):
        run = world.submit(pipeline)
        yes, no, cancelled = together(
            partial(services.answer_step, world.access, run, "ask", approve=True),
            partial(services.answer_step, world.access, run, "ask", approve=False),
            partial(services.cancel_run, world.access, run),
        )
        status = StepRun.objects.get(run=run, name="ask").status
        assert [answer is None for answer in (yes, no)] == [status == "completed", status == "failed"]
        assert all(isinstance(answer, ConflictError) for answer in (yes, no) if answer is not None)
        assert cancelled in {True, False}
        answers = [event for event in events(run) if event["kind"] == "step_answered"]
        assert len(answers) == (status in {"completed", "failed"})
        assert_no_gap(run)


def test_a_wait_that_is_due_ends_once(world: World) -> None:
    wait = {"kind": "wait", "name": "wait", "duration": "1 h"}
    run = world.submit(world.pipeline(wait, world.step("after", run_after=["wait"])))
    StepRun.objects.filter(run=run, name="wait").update(due_at=timezone.now())
    assert sorted(together(*[services.end_due_steps] * 3)) == [0, 0, 1]
    assert world.statuses(run) == {"wait": "completed", "after": "queued"}
    assert_no_gap(run)


def test_a_condition_is_evaluated_once(world: World) -> None:
    reads = [{"name": "a", "binding": {"kind": "output", "step": "a", "output": "out"}}]
    check = {"kind": "condition", "name": "check", "inputs": reads, "expression": "${{inputs.a}} == 'hello'"}
    run = world.submit(
        world.pipeline(
            world.step("a"), check, world.step("b", allow_reuse=False, only_if={"step": "check", "answer": True})
        )
    )
    world.complete(world.claim())
    together(*[partial(services.look_after, run.pk)] * 3)
    assert world.statuses(run) == {"a": "completed", "check": "completed", "b": "queued"}
    assert Job.objects.count() == 2
    assert_no_gap(run)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's transactions hold the whole database")
def test_continuing_while_a_node_claims_within_quotas_is_no_deadlock(world: World) -> None:
    run = world.submit(world.pipeline(world.step("bad", allow_reuse=False), world.step("other", allow_reuse=False)))
    world.fail(world.claim())
    Quota.objects.create(workspace=world.workspace, running_steps=4, queued_steps=100)
    continuing = threading.Thread(target=together, args=[lambda: services.continue_run(world.access, run)])
    with transaction.atomic():
        # As a claim does: first the quotas, then the run.
        list(Quota.objects.select_for_update())
        continuing.start()
        wait_for(_somebody_waits_for_a_lock, what="that it waits for the quotas")
        held_run(run.pk)
    continuing.join(20)
    assert world.statuses(run) == {"bad": "queued", "other": "queued"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's transactions hold the whole database")
def test_a_step_that_says_what_a_person_says_at_that_moment_does_not_fail(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    step = StepRun.objects.get(run=run)
    labels = [Label(name, "theirs", is_property=False) for name in ("stage", "owner")]
    assert step.job_id is not None
    records = JobRecords(step.job_id, step.job_owner, 1, labels)
    said: list[Any] = []

    def say() -> None:
        with transaction.atomic():
            services.follow_records(records)

    saying = threading.Thread(target=lambda: said.extend(together(say)))
    with transaction.atomic():
        services.set_tags(world.access, run, step, {"stage": "ours"})
        saying.start()
        wait_for(_somebody_waits_for_a_lock, what="that it waits for the run")
    saying.join(20)
    assert said == [None]
    assert dict(Tag.objects.values_list("name", "value")) == {"stage": "ours", "owner": "theirs"}


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])

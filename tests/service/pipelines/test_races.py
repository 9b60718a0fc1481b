"""Two at once: siblings that finish together close the run once, and the loser of every race is told."""

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.db.models import Sum
from django.utils import timezone

from compute.models import Job, KeptFile, StorageUse
from compute.services.quotas import storage_used
from datastores import snapshots
from datastores.services import Upload, upload_files
from pipelines import sample, services
from pipelines.models import Pipeline, PipelineVersion, Run, RunEvent, StepRun
from pipelines.validation import parse_definition
from studio.lib.problems import ConflictError
from studio.workspaces.models import Role, User
from tests.service.pipelines.world import World, assert_no_gap, events

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

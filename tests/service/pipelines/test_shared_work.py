"""Two equal steps that run at once share one execution, and neither depends on the other for its life."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from compute.models import Job
from pipelines import services
from pipelines.models import Pipeline, Run, StepRun
from pipelines.services import sharing
from studio.workspaces.access import Access
from studio.workspaces.models import Role
from tests.service.pipelines.test_races import together
from tests.service.pipelines.world import World, assert_no_gap, events


def _step(run: Run, name: str = "a") -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def _jobs(*runs: Run) -> int:
    return Job.objects.filter(owner__in=[f"step:{pk}" for pk in _keys(*runs)]).count()


def _keys(*runs: Run) -> list[int]:
    return list(StepRun.objects.filter(run__in=runs).values_list("pk", flat=True))


@pytest.fixture
def pipeline(world: World) -> Pipeline:
    return world.pipeline(world.step("a"), world.step("b", "a"))


def test_the_second_waits_for_the_first_and_takes_its_result(world: World, pipeline: Pipeline) -> None:
    first, second = world.submit(pipeline), world.submit(pipeline)
    step = _step(second)
    assert (step.status, step.shares_with) == ("waiting", _step(first))
    assert step.reuse_note == f"Waits for “a” of run {first.pk}, which is doing the same work, to take its result."
    assert [event["reuse_note"] for event in events(second) if event["kind"] == "step"] == [step.reuse_note]
    assert world.drain() == ["a", "b"]
    step.refresh_from_db()
    assert (step.status, step.reused_from, step.shares_with) == ("completed", _step(first), None)
    assert step.reuse_note.startswith(f"Run {first.pk} was doing the same work at that time")
    for run in (first, second):
        run.refresh_from_db()
        assert run.status == "completed"
        assert_no_gap(run)
    assert _jobs(second) == 0


def test_two_equal_steps_of_one_run_share_too(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", arguments="--a"), world.step("c", "a", "b")))
    assert _step(run, "b").reuse_note == "Waits for “a” of this run, which is doing the same work, to take its result."
    assert world.drain() == ["a", "c"]
    run.refresh_from_db()
    assert (run.status, run.steps_done) == ("completed", 3)
    assert _step(run, "b").reuse_note == (
        "“a” was doing the same work at that time: it was waited for, and its result taken."
    )


@pytest.mark.parametrize("how", ["failed", "cancelled", "its run cancelled", "its step cancelled"])
def test_where_the_first_comes_to_nothing_the_second_does_the_work(world: World, pipeline: Pipeline, how: str) -> None:
    first, second, third = (world.submit(pipeline) for _ in range(3))
    lease = world.claim()
    if how == "failed":
        world.fail(lease)
    elif how == "its step cancelled":
        services.cancel_step(world.access, first, "a")
        world.end(lease, _cancelled())
    else:
        services.cancel_run(world.access, first)
        world.end(lease, _cancelled())
    services.look_after_all()
    assert _step(second).status == "queued"
    assert _step(third).shares_with == _step(second)
    assert world.drain() == ["a", "b"]
    for run in (second, third):
        run.refresh_from_db()
        assert run.status == "completed"
    assert _jobs(third) == 0


def _cancelled() -> Any:
    from compute.services.leases import Outcome
    from compute.states import JobStatus

    return Outcome(JobStatus.CANCELLED, reason="Cancelled.")


def test_cancelling_the_second_leaves_the_first_alone(world: World, pipeline: Pipeline) -> None:
    first, second, third = (world.submit(pipeline) for _ in range(3))
    services.cancel_run(world.access, second)
    services.cancel_step(world.access, third, "a")
    second.refresh_from_db()
    assert second.status == "cancelled"
    assert world.statuses(third) == {"a": "cancelled", "b": "skipped"}
    assert world.drain() == ["a", "b"]
    first.refresh_from_db()
    assert first.status == "completed"


def test_what_runs_anew_or_may_not_be_reused_waits_for_nobody(world: World, pipeline: Pipeline) -> None:
    first = world.submit(pipeline)
    again = world.submit(pipeline, regenerate_outputs=True)
    assert _step(again).status == "queued"
    world.save(pipeline, world.step("a", allow_reuse=False))
    assert _step(world.submit(pipeline)).status == "queued"
    assert _jobs(first, again) == 2
    follower = world.submit(world.pipeline(world.step("a"), name="other"))
    assert _step(follower).shares_with == _step(first)


def test_one_without_a_slot_is_waited_for_only_where_it_goes_first(world: World, pipeline: Pipeline) -> None:
    ada = Access(world.member("ada", Role.CONTRIBUTOR), world.workspace, Role.CONTRIBUTOR)
    first = world.submit(pipeline)
    urgent = world.submit(pipeline, priority=5)
    assert _step(urgent).status == "queued", "its turn comes before"
    StepRun.objects.filter(run__in=[first, urgent], name="a").update(queued_at=timezone.now() - timedelta(minutes=2))
    hers = services.submit_run(ada, pipeline)
    assert _step(hers).status == "queued", "nobody knows when somebody else's has a slot"
    lease = world.claim()
    assert lease.title == f"a of run {urgent.pk}"
    from compute.services.leases import start

    start(lease, timezone.now())
    assert _step(services.submit_run(ada, pipeline)).shares_with == _step(urgent)


def test_another_workspaces_work_is_not_shared(world: World, pipeline: Pipeline) -> None:
    theirs = World.make("theirs")
    world.submit(pipeline)
    assert _step(theirs.submit(theirs.pipeline(theirs.step("a")))).status == "queued"


def test_an_excluded_result_is_not_waited_for(world: World, pipeline: Pipeline) -> None:
    first, second = world.submit(pipeline), world.submit(pipeline)
    services.end_reuse(world.access, first)
    assert _step(world.submit(pipeline)).status == "queued", "it is one of its own"
    world.complete(world.claim())
    services.look_after_all()
    assert _step(second).shares_with_id not in {None, _step(first).pk}


def test_those_that_wait_for_one_that_runs_are_left_alone(world: World, pipeline: Pipeline) -> None:
    world.submit(pipeline)
    second = world.submit(pipeline)
    assert services.look_after_all() == 1, "what is queued may be overtaken"
    seen = len(events(second))
    from compute.services.leases import start

    start(world.claim(), timezone.now())
    assert services.look_after_all() == 0
    assert services.look_after(second.pk)
    assert len(events(second)) == seen, "nothing is new"


def test_a_wide_run_of_equal_steps_asks_little(world: World, django_assert_max_num_queries: Any) -> None:
    same = [world.step(f"s{number}", arguments="--same") for number in range(60)]
    pipeline = world.pipeline(*same)
    with django_assert_max_num_queries(45):
        run = world.submit(pipeline)
    assert _jobs(run) == 1
    assert world.drain() == ["s0"]
    run.refresh_from_db()
    assert run.status == "completed"


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """With real commits, and messages that are carried out where they are sent."""

    @pytest.fixture
    def world(self, transactional_db: None) -> World:
        return World.make()

    @pytest.fixture(autouse=True)
    def _messages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each in a thread of its own, as a worker would: the sender does not wait for it."""
        self.rung: list[threading.Thread] = []

        def ring(run_id: int) -> None:
            from django.db import connections

            try:
                services.look_after(run_id)
            finally:
                connections.close_all()

        def send(task: str, run_id: int) -> None:
            assert task == services.LOOK_TASK
            thread = threading.Thread(target=ring, args=[run_id])
            self.rung.append(thread)
            thread.start()

        def enqueue(task: str, *args: Any, **_more: Any) -> None:
            transaction.on_commit(lambda: send(task, *args), robust=True)

        monkeypatch.setattr(sharing, "enqueue_on_commit", enqueue)
        monkeypatch.setattr("pipelines.services.advancing.enqueue_on_commit", enqueue)

    def _settle(self) -> None:
        while self.rung:
            self.rung.pop(0).join(30)

    def test_two_that_are_submitted_at_once_come_to_one_job(self, world: World, pipeline: Pipeline) -> None:
        for _ in range(4):
            runs = together(*[lambda: world.submit(pipeline)] * 3)
            self._settle()
            assert [type(run) for run in runs] == [Run] * 3, runs
            assert _jobs(*runs) == 1
            self._run_all(world)
            assert {run.status for run in Run.objects.filter(pk__in=[run.pk for run in runs])} == {"completed"}
            assert _jobs(*runs) == 2
            for run in runs:
                assert_no_gap(run)
            self._forget(world, *runs)

    def test_one_that_ends_while_another_begins_to_wait_is_not_waited_for_in_vain(
        self, world: World, pipeline: Pipeline
    ) -> None:
        for how in (world.complete, world.fail, world.complete, world.fail):
            first = world.submit(pipeline)
            lease = world.claim()
            _done, second = together(lambda how=how, lease=lease: how(lease), lambda: world.submit(pipeline))
            self._run_all(world)
            second.refresh_from_db()
            assert second.status == "completed"
            assert _jobs(first, second) <= 3
            self._forget(world, first, second)

    def test_both_cancelled_at_once(self, world: World, pipeline: Pipeline) -> None:
        for _ in range(3):
            runs = [world.submit(pipeline), world.submit(pipeline)]
            lease = world.claim()
            results = together(
                *[lambda run=run: services.cancel_run(world.access, run) for run in runs],
                lambda lease=lease: world.fail(lease),
            )
            self._run_all(world)
            assert not [result for result in results if isinstance(result, Exception)], results
            for run in runs:
                run.refresh_from_db()
                assert run.status in {"cancelled", "failed"}
                assert_no_gap(run)
            assert not Job.objects.filter(status__in=["queued", "preparing", "running"]).exists()

    def _forget(self, world: World, *runs: Run) -> None:
        """So that the next round has nothing to reuse."""
        for run in runs:
            if StepRun.objects.filter(run=run, reused_from=None).exists():
                services.end_reuse(world.access, run)

    def _run_all(self, world: World) -> None:
        """As a node would, with nothing but messages to move what waits."""
        from compute.services.leases import claim

        self._settle()
        while (lease := claim(world.node)) is not None:
            world.complete(lease)
            self._settle()

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's transactions hold the whole database")
    def test_where_another_decides_a_step_waits_undecided_and_no_longer(self, world: World, pipeline: Pipeline) -> None:
        decided, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic():
                # Whatever the step's fingerprint is.
                with connection.cursor() as cursor:
                    for bucket in range(128):
                        key = world.workspace.pk * 128 + bucket
                        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x7368, key])
                decided.set()
                assert let_go.wait(20)
            connection.close()

        holder = threading.Thread(target=hold)
        holder.start()
        assert decided.wait(20)
        run = world.submit(pipeline)
        assert _step(run).status == "waiting"
        let_go.set()
        holder.join(20)
        self._settle()
        assert _step(run).status == "queued"

"""A process dies at a commit: before it, or after it with its messages unsent. Whatever it was doing ends right.

Each scenario is played once for each of its commits and each way to die there. Who died is started again: a
submission is asked for again where it left nothing, a node's lease runs out, the sweep goes round.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

import pytest
from django.db import connection

from compute.models import Attempt, Job
from compute.services import sweeping
from compute.services.leases import Lease, Outcome, claim
from compute.states import ACTIVE, JobStatus
from pipelines import services, tasks
from pipelines.models import Pipeline, Run, StepRun
from pipelines.states import RUN_TERMINAL
from tests.service.pipelines.world import World, assert_no_gap

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
ROUNDS = 60
LONG_AGO = "2020-01-01T00:00Z"


class Died(BaseException):
    """As if by SIGKILL: nobody who catches exceptions hears of it."""


class Death:
    """Comes to whoever makes the commit number `at`."""

    def __init__(self, *, at: int, before: bool) -> None:
        self.at, self.before, self.commits = at, before, 0
        self._is_away = False
        self._commit = connection.commit

    @contextmanager
    def waiting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as patched, connection.execute_wrapper(self._statement):
            patched.setattr(connection, "commit", self._transaction)
            yield

    @property
    def came(self) -> bool:
        return self.commits >= self.at

    def survived(self, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except Died:
            return None

    @contextmanager
    def away(self) -> Iterator[None]:
        """For what time alone does."""
        self._is_away = True
        yield
        self._is_away = False

    def _transaction(self) -> None:
        if self._comes_now() and self.before:
            connection.rollback()
            raise Died
        self._commit()
        if self.commits == self.at:
            connection.run_on_commit.clear()
            raise Died

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """One outside of any transaction is a commit of its own."""
        if (
            self._is_away
            or connection.in_atomic_block
            or not sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        ):
            return execute(sql, params, many, context)
        if self._comes_now() and self.before:
            raise Died
        done = execute(sql, params, many, context)
        if self.commits == self.at:
            raise Died
        return done

    def _comes_now(self) -> bool:
        self.commits += 1
        return self.commits == self.at


class Play:
    """One run of a scenario, by processes of which one may die."""

    def __init__(self, world: World, death: Death, pipeline: Pipeline) -> None:
        self.world, self.death, self.pipeline = world, death, pipeline

    def submit(self) -> Run:
        run = self.death.survived(lambda: self.world.submit(self.pipeline))
        found = list(Run.objects.filter(pipeline=self.pipeline))
        assert len(found) <= 1, "one submission makes one run at most"
        return run or (found[0] if found else self.world.submit(self.pipeline))

    def ask(self, act: Callable[[], object], is_done: Callable[[], bool]) -> None:
        """What somebody asks for again where it came to nothing."""
        self.death.survived(act)
        if not is_done():
            act()

    def sweep(self) -> None:
        self.death.survived(tasks.sweep)
        self.death.survived(sweeping.sweep)

    def claim(self) -> Lease | None:
        lease = self.death.survived(lambda: claim(self.world.node))
        if lease is None:  # or it died with one
            self._time_passes()
        return lease

    def end(self, lease: Lease, how: Callable[[Lease], bool]) -> None:
        if self.death.survived(lambda: how(lease)) is None:
            self._time_passes()

    def _time_passes(self) -> None:
        """Leases that nobody renews run out, and what is due comes due."""
        with self.death.away():
            Job.objects.filter(status__in=ACTIVE).update(lease_expires_at=LONG_AGO)
            StepRun.objects.filter(due_at__isnull=False).update(due_at=LONG_AGO)

    def until_over(self, run: Run, how: Callable[[Lease], bool]) -> None:
        for _ in range(ROUNDS):
            run.refresh_from_db()
            if run.status in RUN_TERMINAL:
                return
            self.sweep()
            if lease := self.claim():
                self.end(lease, how)
        raise AssertionError(f"run {run.pk} does not end: {self.world.statuses(run)}")


def _completes(play: Play) -> None:
    run = play.submit()
    play.until_over(run, play.world.complete)
    _assert_whole(run, "completed", {"a": "completed", "b": "completed"})


def _is_cancelled(play: Play) -> None:
    run = play.submit()
    lease = play.claim()
    play.ask(lambda: services.cancel_run(play.world.access, run), lambda: _fresh(run).cancel_requested_at is not None)

    def as_wished(held: Lease) -> bool:
        return play.world.end(held, Outcome(JobStatus.CANCELLED, reason="Cancelled."))

    if lease:
        play.end(lease, as_wished)
    play.until_over(run, as_wished)
    _assert_whole(run, "cancelled", {"b": "cancelled"})


def _fails_once_and_is_continued(play: Play, step: str) -> Run:
    """A run of which the first attempt at this step fails, until it completed all the same."""
    run = play.submit()
    failed: list[str] = []

    def first_time_it_fails(lease: Lease) -> bool:
        if lease.title.startswith(f"{step} ") and not failed:
            held = play.world.fail(lease)
            failed.append(step)
            return held
        return play.world.complete(lease)

    play.until_over(run, first_time_it_fails)
    if _fresh(run).status == "failed":
        play.ask(lambda: services.continue_run(play.world.access, run), lambda: _fresh(run).status != "failed")
        play.until_over(run, play.world.complete)
    return run


def _fails_and_is_continued(play: Play) -> None:
    run = _fails_once_and_is_continued(play, "b")
    _assert_whole(run, "completed", {"a": "completed", "b": "completed"})


def _is_paused_and_resumed(play: Play) -> None:
    run, access = play.submit(), play.world.access
    play.ask(lambda: services.pause_run(access, run), lambda: _fresh(run).paused_at is not None)
    play.sweep()
    assert play.claim() is None, "nothing of a paused run begins"
    play.ask(lambda: services.resume_run(access, run), lambda: _fresh(run).paused_at is None)
    play.until_over(run, play.world.complete)
    _assert_whole(run, "completed", {"a": "completed", "b": "completed"})


def _decides_and_waits(play: Play) -> None:
    run = play.submit()
    play.until_over(run, play.world.complete)
    _assert_whole(run, "completed", {"yes": "completed", "no": "not_taken", "moment": "completed", "last": "completed"})


def _fails_in_another_and_is_continued(play: Play) -> None:
    run = _fails_once_and_is_continued(play, "inner")
    _assert_whole(run, "completed", {"each": "completed"})
    children = list(Run.objects.filter(parent_step__run=run).order_by("child_number"))
    assert [child.child_label for child in children] == ["one"], "none was made twice"
    for child in children:
        _assert_whole(child, "completed", {"inner": "completed"})


def _is_cancelled_with_another(play: Play) -> None:
    run = play.submit()
    play.sweep()
    lease = play.claim()
    play.ask(lambda: services.cancel_run(play.world.access, run), lambda: _fresh(run).cancel_requested_at is not None)

    def as_wished(held: Lease) -> bool:
        return play.world.end(held, Outcome(JobStatus.CANCELLED, reason="Cancelled."))

    if lease:
        play.end(lease, as_wished)
    play.until_over(run, as_wished)
    _assert_whole(run, "cancelled", {"nest": "cancelled"})
    assert not Run.objects.filter(parent_step__run=run).exclude(status="cancelled").exists()


def _fresh(run: Run) -> Run:
    run.refresh_from_db()
    return run


def _assert_whole(run: Run, status: str, steps: dict[str, str]) -> None:
    run = Run.objects.get(pk=run.pk)
    rows = {row.name: row for row in StepRun.objects.filter(run=run)}
    said = {name: row.status for name, row in rows.items()}
    assert (run.status, {**said, **steps}) == (status, said)
    assert run.steps_done == run.steps_total == len(rows)
    assert_no_gap(run)
    owners = [row.job_owner for row in rows.values()]
    assert not Job.objects.filter(owner__in=owners).exclude(status__in=["completed", "failed", "cancelled"]).exists()
    attempts = Attempt.objects.filter(job__owner__in=owners)
    assert not attempts.filter(finished_at=None).exists()
    for name in owners:
        ended_well = attempts.filter(job__owner=name, job__status="completed", exit_code=0).count()
        assert ended_well <= 1, f"{name} was completed and ran again"


def _plain(world: World, name: str) -> Pipeline:
    own = {"allow_reuse": False}
    return world.pipeline(world.step("a", **own), world.step("b", "a", **own), name=name)


def _branching(world: World, name: str) -> Pipeline:
    own = {"allow_reuse": False}
    return world.pipeline(
        {"kind": "condition", "name": "if", "expression": "1 < 2"},
        {"kind": "wait", "name": "moment", "duration": "1 h", "run_after": ["if"]},
        world.step("yes", only_if={"step": "if", "answer": True}, **own),
        world.step("no", only_if={"step": "if", "answer": False}, **own),
        world.step("last", run_after=["yes", "no", "moment"], **own),
        name=name,
    )


def _inner(world: World, name: str) -> str:
    inner = {**world.step("inner", allow_reuse=False), "arguments": "${{parameters.item}}"}
    return world.pipeline(inner, name=f"inner of {name}", parameters=[{"name": "item", "default": "x"}]).name


def _mapping(world: World, name: str) -> Pipeline:
    about = {"items": '["one"]', "item_parameters": "item", "outputs": [{"name": "out"}]}
    return world.pipeline({"kind": "map", "name": "each", "pipeline": _inner(world, name), **about}, name=name)


def _nesting(world: World, name: str) -> Pipeline:
    return world.pipeline({"kind": "pipeline", "name": "nest", "pipeline": _inner(world, name)}, name=name)


@pytest.mark.parametrize(
    ("scenario", "made"),
    [
        (_completes, _plain),
        (_is_cancelled, _plain),
        (_fails_and_is_continued, _plain),
        (_is_paused_and_resumed, _plain),
        (_decides_and_waits, _branching),
        (_fails_in_another_and_is_continued, _mapping),
        (_is_cancelled_with_another, _nesting),
    ],
)
def test_whoever_dies_at_a_commit_the_run_ends_right(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Play], None],
    made: Callable[[World, str], Pipeline],
) -> None:
    for at in count(1):
        deaths = [Death(at=at, before=before) for before in (True, False)]
        for death in deaths:
            pipeline = made(world, f"{at} {death.before}")
            with death.waiting(monkeypatch):
                scenario(Play(world, death, pipeline))
        if not any(death.came for death in deaths):
            assert at > 5, "there are as many commits"
            return

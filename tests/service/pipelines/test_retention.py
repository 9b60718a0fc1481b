"""A workspace's rules put runs in the trash: by age, by number, by what they hold. What is pinned stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from pipelines import services
from pipelines.models import Pipeline, Retention, Run, TrashedRun
from pipelines.retention import Rules, leaving, preview
from pipelines.services import retaining
from studio.lib.problems import UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.trash import over, step
from tests.service.pipelines.world import World


@pytest.fixture
def pipeline(world: World) -> Pipeline:
    return world.pipeline(world.step("a", allow_reuse=False))


@pytest.fixture
def runs(world: World, pipeline: Pipeline) -> list[Run]:
    """Five, the oldest first, that ended so many days ago and hold 5 bytes each."""
    made = [over(world, pipeline) for _ in range(5)]
    assert services.measure_outputs() == 5
    for age, run in zip((40, 30, 20, 10, 0), made, strict=True):
        Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=age, hours=1))
    return made


def numbers(found: Any, runs: list[Run]) -> list[int]:
    """As places in the list."""
    return [runs.index(Run.everything.get(pk=pk)) for pk in sorted(found)]


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (Rules(), []),
        (Rules(keep_days=20), [0, 1, 2]),
        (Rules(keep_days=400), []),
        (Rules(keep_runs=2), [0, 1, 2]),
        (Rules(keep_runs=5), []),
        (Rules(keep_bytes=12), [0, 1, 2]),
        (Rules(keep_bytes=25), []),
        (Rules(keep_days=35, keep_runs=4, keep_bytes=15), [0, 1]),
    ],
)
def test_each_rule_is_enough(world: World, runs: list[Run], rules: Rules, gone: list[int]) -> None:
    assert numbers(leaving(world.workspace, rules, limit=100), runs) == gone
    assert preview(world.workspace, rules).runs == len(gone)


def test_what_is_pinned_or_not_over_stays_and_takes_its_room(world: World, pipeline: Pipeline, runs: list[Run]) -> None:
    services.pin(world.access, runs[0])
    services.pin(world.access, runs[4], step(runs[4], "a"))
    world.submit(pipeline)
    everything = {1, 2, 3}
    for rules in (Rules(keep_days=1), Rules(keep_runs=1), Rules(keep_bytes=1)):
        found = set(numbers(leaving(world.workspace, rules, limit=100), runs))
        assert found == everything, rules


def test_the_newest_of_each_pipeline_stay(world: World, runs: list[Run]) -> None:
    other = world.pipeline(world.step("b", allow_reuse=False), name="other")
    newer = over(world, other)
    found = leaving(world.workspace, Rules(keep_runs=1), limit=100)
    assert numbers(found, runs) == [0, 1, 2, 3]
    assert newer.pk not in found
    assert set(found.values()) == {"It is none of the 1 newest runs of its pipeline."}


def test_other_workspaces_have_rules_of_their_own(world: World, runs: list[Run]) -> None:
    theirs = World.make("theirs")
    assert not leaving(theirs.workspace, Rules(keep_days=1, keep_runs=1, keep_bytes=1), limit=100)
    services.set_retention(theirs.access, trash_days=30, rules=Rules(keep_days=1))
    assert services.follow_rules() == 0


def test_a_preview_says_how_many_and_how_much(world: World, pipeline: Pipeline, runs: list[Run]) -> None:
    Run.objects.filter(pk=runs[0].pk).update(output_bytes=4_250_000_000)
    assert preview(world.workspace, Rules(keep_runs=3)).words == "This would put 2 runs, 4.25 GB, in the trash."
    assert preview(world.workspace, Rules(keep_runs=9)).words == "This would put no run in the trash now."
    Run.objects.filter(pk=runs[1].pk).update(output_bytes=None)
    assert "at least 4.25 GB" in preview(world.workspace, Rules(keep_runs=3)).words


def test_the_sweep_follows_the_rules_some_at_a_time(
    world: World, runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert services.follow_rules() == 0
    services.set_retention(world.access, trash_days=3, rules=Rules(keep_days=5))
    monkeypatch.setattr(retaining, "TRASHED_AT_ONCE", 3)
    assert services.follow_rules() == 3
    assert services.follow_rules() == 1, "it goes on at once"
    assert services.follow_rules() == 0
    trash = TrashedRun.objects.get(run=runs[0])
    assert (trash.trashed_by, trash.why) == (None, "It ended more than 5 days before.")
    assert trash.due_at - trash.trashed_at == timedelta(days=3)
    told = AuditEvent.objects.filter(verb="retention.trash").order_by("pk").values_list("target", "actor")
    assert list(told) == [("3 runs", None), ("1 run", None)]
    services.restore_run(world.access, runs[0])
    assert services.follow_rules() == 0, "rules are asked again after a while"
    Retention.objects.update(looked_at=timezone.now() - retaining.LOOKED_AFTER * 2)
    assert services.follow_rules() == 1


def test_one_that_somebody_keeps_using_is_measured_anew_when_it_was_continued(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a", retry={"max_attempts": 1})))
    world.complete(world.claim())
    world.fail(world.claim())
    services.measure_outputs()
    run.refresh_from_db()
    assert run.output_bytes == 5
    services.continue_run(world.access, run)
    run.refresh_from_db()
    assert run.output_bytes is None
    assert services.measure_outputs() == 0, "it is not over"
    world.drain()
    assert services.measure_outputs() == 1
    run.refresh_from_db()
    assert run.output_bytes == 10


def test_what_it_took_from_others_and_destinations_are_not_counted(world: World) -> None:
    outputs = [{"name": "out"}, {"name": "model", "path": "models/{run-id}"}]
    pipeline = world.pipeline(world.step("a", outputs=outputs))
    over(world, pipeline)
    over(world, world.pipeline(world.step("a", outputs=[{"name": "out"}]), world.step("c", "a"), name="second"))
    over(world, world.pipeline(world.step("a", outputs=[{"name": "out"}]), world.step("c", "a"), name="third"))
    services.measure_outputs()
    assert list(Run.objects.order_by("pk").values_list("output_bytes", flat=True)) == [5, 10, 0]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"trash_days": 0}, "trash_days"),
        ({"rules": Rules(keep_days=0)}, "keep_days"),
        ({"rules": Rules(keep_runs=0)}, "keep_runs"),
        ({"rules": Rules(keep_bytes=0)}, "keep_bytes"),
    ],
)
def test_rules_that_make_no_sense_are_refused_at_their_field(world: World, change: Any, where: str) -> None:
    with pytest.raises(UserError) as refused:
        services.set_retention(world.access, **{"trash_days": 30, "rules": Rules(), **change})
    assert [problem.loc for problem in refused.value.problems] == [(where,)]
    assert not Retention.objects.exists()


def test_only_owners_say_how_long_runs_are_kept(world: World) -> None:
    cora = Access(world.member("cora", Role.CONTRIBUTOR), world.workspace, Role.CONTRIBUTOR)
    with pytest.raises(PermissionDenied):
        services.set_retention(cora, trash_days=1, rules=Rules())

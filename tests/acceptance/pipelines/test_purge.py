"""With the real scheduler and control worker: rules fill the trash, and what was long enough in it is deleted."""

from collections.abc import Callable

import pytest

from datastores.backends import get_backend
from pipelines import services
from pipelines.models import Run, TrashedRun
from pipelines.retention import Rules
from tests.service.pipelines.trash import its_days_are_over, over, records
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_sweep_puts_runs_in_the_trash_and_deletes_those_whose_days_are_over(
    world: World, worker_stack: Callable[..., Stack]
) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    maker, taker = over(world, pipeline), over(world, pipeline)
    alone, last = (over(world, world.pipeline(world.step("c", allow_reuse=False), name=name)) for name in "xy")
    place = get_backend(world.datastore).local_path(records(maker, "a")["out"])
    other = get_backend(world.datastore).local_path(f"runs/{alone.pk}")
    assert place is not None
    assert other is not None
    assert other.is_dir()
    for run in (maker, alone):
        services.trash_run(world.access, run)
        its_days_are_over(run)
    stack = worker_stack()
    stack.control()
    stack.scheduler()
    gone = Run.everything.filter(pk__in=[maker.pk, alone.pk])
    wait_for(lambda: not gone.exists(), what="both are deleted", timeout_s=90)
    assert place.is_dir(), "another run took it"
    assert not other.exists()

    newer = over(world, pipeline)
    services.set_retention(world.access, trash_days=30, rules=Rules(keep_runs=1))
    wait_for(lambda: TrashedRun.objects.filter(run=taker).exists(), what="the rule is followed", timeout_s=90)
    assert set(Run.objects.values_list("pk", flat=True)) == {newer.pk, last.pk}

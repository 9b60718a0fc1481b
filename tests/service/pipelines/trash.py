"""What tests of the trash begin with: runs that are over, and a clock that is put forward."""

from datetime import timedelta

from django.utils import timezone

from pipelines import services
from pipelines.models import Pipeline, Run, StepRun, TrashedRun
from tests.service.pipelines.world import World


def over(world: World, pipeline: Pipeline) -> Run:
    """A run of it that completed."""
    run = world.submit(pipeline)
    world.drain()
    run.refresh_from_db()
    assert run.status == "completed"
    return run


def its_days_are_over(run: Run) -> None:
    """As if it had been in the trash for long enough."""
    TrashedRun.objects.filter(pk=run.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def purge(world: World, *runs: Run) -> None:
    for run in runs:
        services.trash_run(world.access, run)
        its_days_are_over(run)
    assert services.purge_due() == len(runs)
    assert not Run.everything.filter(pk__in=[run.pk for run in runs]).exists()


def step(run: Run, name: str) -> StepRun:
    return StepRun.objects.get(run=run, name=name)


def records(run: Run, name: str) -> dict[str, str]:
    """Paths of its outputs, by name."""
    found = step(run, name).outputs
    return {output: record.path for output, record in found.outputs.items()} if found else {}

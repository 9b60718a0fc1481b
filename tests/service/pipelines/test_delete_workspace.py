"""A workspace goes with all that is in it; what a run stands on can't be taken from under it alone."""

import pytest
from django.db.models import RestrictedError

from compute.models import Attempt, Job
from pipelines.models import Experiment, Pipeline, PipelineVersion, Run, StepRun
from studio.workspaces.models import Workspace
from tests.service.pipelines.world import World


def test_a_workspace_goes_with_its_runs_done_and_active(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    world.submit(pipeline)
    world.complete(world.claim())
    world.claim()  # its second step runs on
    world.workspace.delete()
    assert not Workspace.objects.exists()
    left = [model for model in (Run, StepRun, Job, Attempt, Pipeline, PipelineVersion) if model.objects.exists()]
    assert not left


def test_nothing_that_a_run_stands_on_goes_alone(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    run = world.submit(pipeline)
    for row in (pipeline, run.version, Experiment.objects.get()):
        with pytest.raises(RestrictedError):
            row.delete()
    assert Run.objects.filter(pk=run.pk).exists()

"""The sample from nothing to its report, on a real node with its real environment."""

from collections.abc import Callable

import pytest

from datastores.backends import get_backend
from pipelines import queries, sample
from pipelines.models import Run, StepRun
from tests.service.pipelines.world import World
from tests.support.stack import Stack
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]


def test_the_sample_reads_real_images_and_writes_a_report(world: World, worker_stack: Callable[..., Stack]) -> None:
    stack = worker_stack()
    stack.control()
    stack.node(world.node.target_id)
    pipeline = sample.create_sample(world.workspace, world.owner)
    # Building the environment may fetch some hundred megabytes.
    run = wait_for(lambda: Run.objects.filter(pipeline=pipeline).first(), what="its run is submitted", timeout_s=240)
    images = list(get_backend(world.datastore).glob("train-images/**/*.png"))
    assert len(images) == 1797
    wait_for(
        lambda: Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists(), what="its run ends", timeout_s=120
    )
    run.refresh_from_db()
    assert (run.status, run.reason) == ("completed", "")
    folder = queries.OutputFolder(world.workspace, StepRun.objects.get(run=run, name="compare"), "report")
    assert [entry.name for entry in folder.list("").entries] == ["confusion.png", "metrics.json", "report.md"]
    _entry, stream = folder.open("report.md")
    with stream:
        assert "is the better one" in stream.read().decode()

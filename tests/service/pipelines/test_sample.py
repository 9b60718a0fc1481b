"""The sample is made once, however often it is asked for and wherever a restart comes in between."""

from django.utils import timezone

from compute.models import Job
from datastores.models import Dataset, DatasetVersion
from pipelines import queries, sample
from pipelines.catalogue import catalogue_for
from pipelines.models import Pipeline, Run
from pipelines.tasks import sweep
from pipelines.validation import problems_of
from tests.service.pipelines.world import World


def _written() -> None:
    Job.objects.filter(owner__startswith="sample:").update(status="completed", finished_at=timezone.now())


def test_asked_for_twice_it_is_there_once(world: World) -> None:
    first = sample.create_sample(world.workspace, world.owner)
    assert sample.create_sample(world.workspace, world.owner).pk == first.pk
    assert Pipeline.objects.count() == Dataset.objects.count() == Job.objects.count() == 1
    assert first.runs.count() == 0, "its images are not written yet"


def test_its_definition_has_no_problem(world: World) -> None:
    pipeline = sample.create_sample(world.workspace, world.owner)
    version = queries.version_of(pipeline)
    assert version is not None
    assert problems_of(version.definition, catalogue_for(world.workspace, version.definition)) == []


def test_its_run_follows_when_its_images_are_written(world: World) -> None:
    sample.create_sample(world.workspace, world.owner)
    assert sample.submit_sample(world.workspace.pk) is None
    lease = world.claim()
    assert lease.spec.outputs["images"].path == "train-images"
    world.complete(lease)
    run = sample.submit_sample(world.workspace.pk)
    assert run is not None
    assert run.submitted_by == world.owner
    assert sample.submit_sample(world.workspace.pk) is None


def test_its_run_reads_a_version_that_knows_the_images(world: World) -> None:
    sample.create_sample(world.workspace, world.owner)
    world.complete(world.claim())
    sample.submit_sample(world.workspace.pk)
    assert list(DatasetVersion.objects.order_by("number").values_list("number", "file_count")) == [(1, 0), (2, 1)]
    sample.submit_sample(world.workspace.pk)
    assert DatasetVersion.objects.count() == 2


def test_a_lost_message_is_made_good_by_the_sweep(world: World) -> None:
    pipeline = sample.create_sample(world.workspace, world.owner)
    sweep()
    assert not Run.objects.exists()
    _written()
    sweep()
    sweep()
    assert Run.objects.filter(pipeline=pipeline).count() == 1


def test_a_job_that_failed_is_asked_for_again(world: World) -> None:
    sample.create_sample(world.workspace, world.owner)
    Job.objects.update(status="failed", finished_at=timezone.now())
    sample.create_sample(world.workspace, world.owner)
    assert sorted(Job.objects.values_list("status", flat=True)) == ["failed", "queued"]


def test_whoever_deleted_the_sample_gets_no_run_of_it(world: World) -> None:
    pipeline = sample.create_sample(world.workspace, world.owner)
    Pipeline.objects.filter(pk=pipeline.pk).update(deleted_at=timezone.now())
    _written()
    sweep()
    assert not Run.objects.exists()

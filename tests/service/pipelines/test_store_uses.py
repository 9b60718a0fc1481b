"""Before a datastore goes, its runs are named: those that read from it, wrote to it, or are about to."""

import io

import pytest

from datastores.backends import get_backend
from datastores.models import DataPath, Datastore
from datastores.services import create_dataset, register_datastore, remove_datastore
from datastores.uses import uses_of
from studio.lib.problems import ConflictError
from tests.service.pipelines.world import World


@pytest.fixture
def archive(world: World) -> Datastore:
    return register_datastore(world.workspace, kind="local", name="archive", config={}, actor=world.owner)


def test_runs_that_read_it_write_it_or_will_write_it(world: World, archive: Datastore) -> None:
    assert not uses_of(archive)
    get_backend(archive).write("raw/a.csv", io.BytesIO(b"x\n1\n"))
    create_dataset(
        world.workspace, name="raw", paths=[DataPath(datastore_id=archive.pk, path="raw")], actor=world.owner
    )
    reads = world.step("r", inputs=[{"name": "data", "binding": {"kind": "dataset", "dataset": "raw"}}])
    writes = world.step("w", outputs=[{"name": "out", "datastore": "archive", "path": "kept/{run-id}"}])
    elsewhere = world.submit(world.pipeline(world.step("a"), name="elsewhere"))
    reader = world.submit(world.pipeline(reads, name="reader"))
    writer = world.submit(world.pipeline(writes, name="writer"))
    world.drain()
    coming = world.submit(world.pipeline({**writes, "allow_reuse": False}, name="coming"))

    uses = uses_of(archive)
    assert uses.words == "1 dataset and 3 runs"
    runs = {run.pk: run.pipeline.name for run in (reader, writer, coming)}
    assert {use.name for use in uses.named if use.kind == "run"} == {f"{name}, run {pk}" for pk, name in runs.items()}
    assert str(elsewhere.pk) not in {use.url.rstrip("/").rpartition("/")[2] for use in uses.named if use.kind == "run"}
    with pytest.raises(ConflictError, match="1 dataset and 3 runs"):
        remove_datastore(archive, actor=world.owner)


def test_runs_that_read_a_path_of_it(world: World, archive: Datastore) -> None:
    get_backend(archive).write("raw/a.csv", io.BytesIO(b"x\n1\n"))
    reads = world.step("r", inputs=[{"name": "data", "binding": {"kind": "parameter", "parameter": "place"}}])
    pipeline = world.pipeline(reads, parameters=[{"name": "place", "type": "data_path"}])
    run = world.submit(pipeline, parameters={"place": "archive/raw"})
    world.drain()
    (use,) = uses_of(archive).named
    assert use.name == f"digits, run {run.pk}"

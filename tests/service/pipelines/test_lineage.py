"""Where data came from and what was made of it: from any version, output or file, in both directions."""

import io
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datastores.backends import get_backend
from datastores.models import DataPath, Dataset, DatasetVersion
from datastores.services import create_dataset
from datastores.sources import Column, DelimitedFormat, FilesSource, TabularDefinition, Take
from pipelines.lineage import Place, Step, Version, key_from, more_of, walk
from pipelines.lineage.graph import FAN
from pipelines.models import Run, StepInput, StepOutput, StepRun
from tests.service.pipelines.world import World

INPUT = ("step_run_id", "name", "dataset_version_id", "dataset", "upstream_id", "upstream_output")
OUTPUT = ("step_run_id", "name", "datastore_id", "path", "fingerprint", "dataset_version_id")


def dataset(world: World, name: str, path: str) -> DatasetVersion:
    return create_dataset(
        world.workspace, name=name, paths=[DataPath(datastore_id=world.datastore.pk, path=path)], actor=world.owner
    )


def reads_dataset(name: str, of: str) -> list[dict[str, Any]]:
    return [{"name": name, "binding": {"kind": "dataset", "dataset": of}}]


def registered(name: str, dataset_name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "register_as": {"dataset": dataset_name}, **more}


def told(graph: dict[str, Any]) -> dict[str, int]:
    """The nodes by title, with their hops from the centre."""
    return {node["title"]: node["hops"] for node in graph["nodes"] if node["kind"] != "more"}


def edges(graph: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    titles = {node["id"]: node["title"] for node in graph["nodes"]}
    return {(titles[e["from"]], e["output"], titles[e["to"]], e["input"]) for e in graph["edges"]}


@pytest.fixture
def raw(world: World) -> DatasetVersion:
    get_backend(world.datastore).write("raw/a.csv", io.BytesIO(b"x\n1\n"))
    return dataset(world, "raw", "raw")


@pytest.fixture
def run(world: World, raw: DatasetVersion) -> Run:
    """raw → prepare → (registered) features → train → model."""
    assert raw.pk
    prepare = world.step("prepare", inputs=reads_dataset("data", "raw"), outputs=[registered("out", "features")])
    pipeline = world.pipeline(prepare, world.step("train", "prepare", outputs=[registered("out", "model")]))
    run = world.submit(pipeline)
    assert world.drain() == ["prepare", "train"]
    return run


def test_from_a_registered_version_back_to_the_step_and_its_data(world: World, run: Run, raw: DatasetVersion) -> None:
    model = DatasetVersion.objects.get(dataset__name="model")
    graph = walk(world.workspace, Version(model.pk)).as_json()
    assert told(graph) == {"model:1": 0, "train": -1, "prepare": -2}
    assert ("train", "out", "model:1", "") in edges(graph)
    assert ("prepare", "out", "train", "from_prepare") in edges(graph)
    (more,) = [node for node in graph["nodes"] if node["kind"] == "more"]
    further = more_of(world.workspace, Step(StepRun.objects.get(name="prepare").pk), "up", 0).as_json()
    assert more["expand"].startswith(f"step={StepRun.objects.get(name='prepare').pk}&direction=up")
    assert told(further) == {"prepare": 0, "raw:1": -1}
    assert ("raw:1", "", "prepare", "data") in edges(further)
    facts = {
        fact["label"]: fact["text"] for node in graph["nodes"] if node["title"] == "train" for fact in node["facts"]
    }
    assert facts["Run"] == f"{run.pk} of digits, version 1"
    assert facts["Code"] == f"main.py of {world.source[:12]}"
    assert facts["Environment"] == "python:1"
    assert raw.pk


def test_who_reads_the_output_reads_what_it_was_registered_as(world: World, run: Run) -> None:
    features = DatasetVersion.objects.get(dataset__name="features")
    graph = walk(world.workspace, Version(features.pk)).as_json()
    assert told(graph) == {"features:1": 0, "prepare": -1, "raw:1": -2, "train": 1, "model:1": 2}
    assert ("prepare", "out", "train", "from_prepare") in edges(graph)
    assert run.pk


def test_from_a_version_forward_to_all_that_was_made_of_it(world: World, run: Run, raw: DatasetVersion) -> None:
    assert run.pk
    graph = walk(world.workspace, Version(raw.pk)).as_json()
    assert told(graph) == {"raw:1": 0, "raw": -1, "prepare": 1, "train": 2, "features:1": 2}
    by_id = {node["id"]: node for node in graph["nodes"]}
    assert by_id[f"file:{world.datastore.pk}:raw"]["subtitle"] == world.datastore.name


def test_a_path_that_a_parameter_gave_is_walked_both_ways(world: World, run: Run) -> None:
    """A step that reads what another one had left, a file within it, or a pattern above it, by its path alone."""
    folder = f"runs/{run.pk}/prepare/1/out"
    reads = world.step("reads", inputs=[{"name": "data", "binding": {"kind": "parameter", "parameter": "place"}}])
    pipeline = world.pipeline(reads, name="reader", parameters=[{"name": "place", "type": "data_path"}])
    get_backend(world.datastore).write("else/b.csv", io.BytesIO(b"x"))
    for place in (folder, f"{folder}/data.txt", f"runs/{run.pk}/**", "else"):
        world.submit(pipeline, parameters={"place": f"workspaceblobstore/{place}"})
    world.drain()
    readers = list(StepRun.objects.filter(name="reads").order_by("pk"))
    prepare = StepRun.objects.get(name="prepare")
    graph = walk(world.workspace, Step(prepare.pk)).as_json()
    above = {node["id"] for node in graph["nodes"] if node["hops"] == 1}
    assert {f"step:{reader.pk}" for reader in readers[:3]} <= above
    assert f"step:{readers[3].pk}" not in above
    assert told(walk(world.workspace, Step(readers[0].pk)).as_json()) == {"reads": 0, "prepare": -1, "raw:1": -2}
    graph = walk(world.workspace, Step(readers[3].pk)).as_json()
    assert told(graph) == {"reads": 0, "else": -1}
    assert ("else", "", "reads", "data") in edges(graph)
    file = walk(world.workspace, Place(world.datastore.pk, "else/b.csv")).as_json()
    assert told(file) == {"b.csv": 0, "reads": 1}


def test_a_file_of_an_output_leads_to_the_step_that_wrote_it(world: World, run: Run) -> None:
    file = Place(world.datastore.pk, f"runs/{run.pk}/prepare/1/out/deep/data.txt")
    graph = walk(world.workspace, file).as_json()
    assert told(graph) == {"data.txt": 0, "prepare": -1, "raw:1": -2, "train": 1, "features:1": 1, "model:1": 2}
    nothing = walk(world.workspace, Place(world.datastore.pk, f"runs/{run.pk}/prep")).as_json()
    assert told(nothing) == {"prep": 0}, "a path that only begins alike is another"


def test_a_file_that_nobody_in_the_studio_wrote_leads_to_what_reads_it(world: World, run: Run) -> None:
    assert run.pk
    dataset(world, "pattern", "raw/*.csv")
    dataset(world, "other", "raw/*.parquet")
    graph = walk(world.workspace, Place(world.datastore.pk, "raw/a.csv")).as_json()
    assert told(graph) == {"a.csv": 0, "raw:1": 1, "pattern:1": 1, "prepare": 2}


def test_a_dataset_that_somebody_made_of_an_output_comes_from_its_step(world: World, run: Run) -> None:
    made = dataset(world, "by-hand", f"runs/{run.pk}/train/1/out/data.txt")
    assert told(walk(world.workspace, Version(made.pk)).as_json())["train"] == -1
    train = StepRun.objects.get(run=run, name="train")
    forward = walk(world.workspace, Step(train.pk)).as_json()
    assert told(forward)["by-hand:1"] == 1
    whole = dataset(world, "whole", "runs")
    assert {"train": -1, "prepare": -1}.items() <= told(walk(world.workspace, Version(whole.pk)).as_json()).items()


def test_only_what_came_of_the_output_that_is_meant(world: World) -> None:
    two = world.step("two", outputs=[{"name": "left"}, {"name": "right"}])

    def reader(name: str, output: str) -> dict[str, Any]:
        given = {"name": "x", "binding": {"kind": "output", "step": "two", "output": output}}
        return world.step(name, inputs=[given])

    world.submit(world.pipeline(two, reader("a", "left"), reader("b", "right")))
    world.drain()
    step = StepRun.objects.get(name="two")
    assert told(walk(world.workspace, Step(step.pk, "left")).as_json()) == {"two": 0, "a": 1}
    assert told(walk(world.workspace, Step(step.pk)).as_json()) == {"two": 0, "a": 1, "b": 1}


def test_derived_datasets_are_made_from_the_one_they_derive_from(world: World, raw: DatasetVersion) -> None:
    source = FilesSource(paths=raw.definition.paths, format=DelimitedFormat())
    columns = [Column(name="x", type="integer")]
    table = Dataset.objects.create(workspace=world.workspace, name="table")
    whole = DatasetVersion.objects.create(
        dataset=table, number=1, definition=TabularDefinition(source=source, columns=columns), listed_at=raw.created_at
    )
    head = DatasetVersion.objects.create(
        dataset=Dataset.objects.create(workspace=world.workspace, name="head"),
        number=1,
        definition=TabularDefinition(
            source=source, columns=columns, transformations=[Take(count=5)], derived_from=whole.pk
        ),
        listed_at=raw.created_at,
    )
    assert told(walk(world.workspace, Version(head.pk)).as_json()) == {"head:1": 0, "table:1": -1, "raw": -2}
    assert told(walk(world.workspace, Version(whole.pk)).as_json()) == {"table:1": 0, "raw": -1, "head:1": 1}


def test_a_result_that_was_taken_again_is_the_step_that_made_it(world: World, run: Run) -> None:
    pipeline = run.pipeline
    again = world.submit(pipeline)
    assert world.drain() == []
    made = StepRun.objects.get(run=run, name="prepare")
    took = StepRun.objects.get(run=again, name="prepare")
    assert key_from(world.workspace, {"output": f"{took.pk}:out"}) == Step(made.pk, "out")
    # A later run that reads the result that was taken again is made from the same.
    world.save(pipeline, *_steps_with(world, "evaluate"))
    world.submit(pipeline)
    assert world.drain() == ["evaluate"]
    graph = walk(world.workspace, Step(made.pk)).as_json()
    assert told(graph)["evaluate"] == 1
    assert sum(node["title"] == "prepare" for node in graph["nodes"]) == 1


def _steps_with(world: World, name: str) -> list[dict[str, Any]]:
    prepare = world.step("prepare", inputs=reads_dataset("data", "raw"), outputs=[registered("out", "features")])
    train = world.step("train", "prepare", outputs=[registered("out", "model")])
    return [prepare, train, world.step(name, "prepare", arguments="--more ${{inputs.from_prepare}}")]


def test_a_version_that_was_deleted_stays_by_its_name(world: World, run: Run, raw: DatasetVersion) -> None:
    raw.dataset.delete()
    graph = walk(world.workspace, Step(StepRun.objects.get(run=run, name="prepare").pk)).as_json()
    assert told(graph)["raw:1"] == -1
    (gone,) = [node for node in graph["nodes"] if node["title"] == "raw:1"]
    assert (gone["url"], gone["subtitle"]) == ("", "deleted")


def test_a_wide_walk_is_bounded_and_goes_on_where_it_stopped(world: World, raw: DatasetVersion) -> None:
    count = 2 * FAN + 3
    inputs = reads_dataset("data", "raw")
    world.submit(world.pipeline(*[world.step(f"s{n}", inputs=inputs) for n in range(count)]))
    graph = walk(world.workspace, Version(raw.pk)).as_json()
    seen = {title for title, hops in told(graph).items() if hops == 1}
    assert len(seen) == FAN
    rest = [node for node in graph["nodes"] if node["kind"] == "more"]
    while rest:
        after = int(rest[0]["expand"].rpartition("after=")[2])
        found = more_of(world.workspace, Version(raw.pk), "down", after).as_json()
        new = {title for title, hops in told(found).items() if hops == 1}
        assert not new & seen
        seen |= new
        rest = [node for node in found["nodes"] if node["kind"] == "more"]
    assert len(seen) == count
    assert len(walk(world.workspace, Version(raw.pk), max_nodes=5).hops) == 5


def test_the_number_of_statements_does_not_grow(world: World, raw: DatasetVersion) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            walk(world.workspace, Version(raw.pk)).as_json()
        return len(queries)

    inputs = reads_dataset("data", "raw")
    steps = [world.step("head", inputs=inputs), world.step("tail", "head", outputs=[registered("out", "made")])]
    pipeline = world.pipeline(*steps)
    world.submit(pipeline)
    world.drain()
    few = statements()
    for number in range(6):
        world.save(pipeline, world.step(f"head{number}", inputs=inputs, arguments=str(number)), *steps)
        world.submit(pipeline)
        world.drain()
    assert statements() <= few
    assert few < 45


def test_another_workspaces_ids_do_not_exist(world: World, run: Run, raw: DatasetVersion) -> None:
    theirs = World.make("theirs")
    step = StepRun.objects.filter(run=run).first()
    assert step
    for given in (
        {"version": str(raw.pk)},
        {"output": f"{step.pk}:out"},
        {"step": str(step.pk)},
        {"file": f"{world.datastore.pk}:raw"},
        {"version": "x"},
        {"version": "9" * 30},
        {"output": f"{step.pk}:nothing"},
        {"file": "../x"},
        {},
    ):
        assert key_from(theirs.workspace, given) is None, given
    client = Client()
    client.force_login(theirs.owner)
    mine = reverse("lineage:page", args=[theirs.workspace.slug])
    assert client.get(f"{mine}?version={raw.pk}").status_code == 404
    assert client.get(reverse("lineage:of_version", args=[theirs.workspace.slug, raw.pk])).status_code == 404
    assert client.get(f"/api/workspaces/{theirs.workspace.slug}/lineage/?version={raw.pk}").status_code == 404


def test_the_page_and_its_parts(world: World, run: Run) -> None:
    client = Client()
    client.force_login(world.owner)
    page = reverse("lineage:page", args=[world.workspace.slug])
    model = DatasetVersion.objects.get(dataset__name="model")
    assert "model:1" in client.get(page).content.decode()
    whole = client.get(f"{page}?version={model.pk}").content.decode()
    assert "Made from" in whole
    assert f"{page}?step=" in whole, "the list leads on without a script"
    part = client.get(reverse("lineage:of_version", args=[world.workspace.slug, model.pk])).content.decode()
    assert f"/w/ours/runs/{run.pk}/?step=train" in part
    answer = client.get(f"/api/workspaces/ours/lineage/?version={model.pk}&direction=sideways")
    assert answer.status_code == 400


def test_what_a_step_reads_and_writes_is_noted_once(world: World, run: Run) -> None:
    train = StepRun.objects.get(run=run, name="train")
    given = StepInput.objects.get(step_run=train)
    assert (given.upstream.name if given.upstream else None, given.upstream_output) == ("prepare", "out")
    left = StepOutput.objects.get(step_run=train)
    assert (left.path, str(left.dataset_version)) == (f"runs/{run.pk}/train/1/out", "model:1")


def test_earlier_runs_are_filled_in_from_what_was_frozen_with_them(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the migration does it, in batches, and twice."""
    migration = import_module("pipelines.migrations.0003_lineage_of_earlier_runs")
    monkeypatch.setattr(migration, "BATCH", 2)
    world.submit(run.pipeline)  # reused: it wrote nothing by itself
    world.submit(world.pipeline(world.step("a", inputs=reads_dataset("data", "raw")), name="other"))
    # Registration is newer than what is filled in.
    StepOutput.objects.filter(step_run__reused_from__isnull=False).delete()
    StepOutput.objects.update(dataset_version=None)
    inputs = list(StepInput.objects.order_by("step_run_id", "name").values(*INPUT))
    outputs = list(StepOutput.objects.order_by("step_run_id", "name").values(*OUTPUT))
    assert len(inputs) == 5
    assert len(outputs) == 2
    StepInput.objects.all().delete()
    StepOutput.objects.all().delete()
    then = MigrationLoader(connection).project_state([("pipelines", "0003_lineage_of_earlier_runs")]).apps
    for _time in range(2):
        migration.fill(then, None)
    assert list(StepInput.objects.order_by("step_run_id", "name").values(*INPUT)) == inputs
    assert list(StepOutput.objects.order_by("step_run_id", "name").values(*OUTPUT)) == outputs

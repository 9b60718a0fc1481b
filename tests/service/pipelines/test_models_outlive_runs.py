"""A run goes, and what models hold of it stays; the lineage, the trash and the datastore say so."""

import pytest

from datastores.backends import get_backend
from datastores.models import DataPath
from datastores.services import create_dataset, register_datastore, remove_datastore
from datastores.uses import uses_of
from pipelines import services
from pipelines.lineage import Model, key_from, walk
from pipelines.model_files import condition_of
from pipelines.model_queries import datasets_read, run_that_made, runs_that_read
from pipelines.models import StepRun
from pipelines.registered import ModelVersion
from pipelines.services import Left
from pipelines.trash_queries import staying
from studio.lib.problems import ConflictError
from tests.service.pipelines.models import reads_model, register, trained
from tests.service.pipelines.trash import over, purge
from tests.service.pipelines.world import World


def exists(world: World, path: str) -> bool:
    found = get_backend(world.datastore).local_path(path)
    return found is not None and found.exists()


def test_the_files_of_a_model_stay_and_the_rest_goes(world: World) -> None:
    step = trained(world, artifacts={"outputs/model.pkl": b"abc", "outputs/other.bin": b"d"})
    output = register(world, step)
    file = register(world, step, "picked", left=Left(artifact="outputs/model.pkl"))
    step.run.refresh_from_db()
    assert staying(step.run) == [
        "1 output stays, for model digits:1 reads it.",
        "Files stay, for model picked:1 reads them.",
    ]
    purge(world, step.run)
    assert exists(world, f"{output.path}/data.txt")
    assert exists(world, file.path)
    assert not exists(world, file.path.replace("model.pkl", "other.bin"))
    for version in ModelVersion.objects.filter(pk__in=[output.pk, file.pk]):
        assert (version.step_run, version.run_number, version.step_name) == (None, step.run_id, "train")
        assert condition_of(version)[0] == "there"
        assert run_that_made(version) is None
    reader = world.submit(world.pipeline(reads_model(world), name="user"))
    world.drain()
    assert world.statuses(reader) == {"use": "completed"}


def test_files_that_a_run_took_over_from_a_deleted_one_stay_as_well(world: World) -> None:
    pipeline = world.pipeline(world.step("train"))
    maker, heir = over(world, pipeline), over(world, pipeline)
    version = register(world, StepRun.objects.get(run=heir))
    purge(world, maker)
    assert exists(world, f"{version.path}/data.txt")
    purge(world, heir)
    assert exists(world, f"{version.path}/data.txt")


def test_the_run_that_got_its_result_is_the_models_maker_from_then_on(world: World) -> None:
    pipeline = world.pipeline(world.step("train"))
    maker, heir = over(world, pipeline), over(world, pipeline)
    version = register(world, StepRun.objects.get(run=maker))
    purge(world, maker)
    version.refresh_from_db()
    assert (version.step_run, version.run_number) == (StepRun.objects.get(run=heir), heir.pk)
    assert run_that_made(version) == heir


def test_without_its_model_a_run_takes_all_with_it(world: World) -> None:
    step = trained(world)
    version = register(world, step)
    services.delete_model_version(world.access, version)
    step.run.refresh_from_db()
    assert staying(step.run) == []
    purge(world, step.run)
    assert not exists(world, version.path)


def test_a_datastore_says_which_models_lie_in_it(world: World) -> None:
    archive = register_datastore(world.workspace, kind="local", name="archive", config={}, actor=world.owner)
    step = trained(world, outputs=[{"name": "out", "datastore": "archive", "path": "kept/{run-id}"}])
    version = register(world, step)
    uses = uses_of(archive)
    assert uses.words == "1 model and 1 run"
    assert (uses.named[0].kind, uses.named[0].name) == ("model", "digits")
    with pytest.raises(ConflictError, match="1 model and 1 run"):
        remove_datastore(archive, actor=world.owner)
    remove_datastore(archive, actor=world.owner, dangling=True)
    version = ModelVersion.objects.select_related("datastore").get()
    condition, words = condition_of(version)
    assert condition == "gone"
    assert "“archive”" in words


def test_from_the_data_to_the_model_and_on_to_who_reads_it(world: World) -> None:
    get_backend(world.datastore).make_folder("raw")
    create_dataset(
        world.workspace, name="raw", paths=[DataPath(datastore_id=world.datastore.pk, path="raw")], actor=world.owner
    )
    inputs = [{"name": "data", "binding": {"kind": "dataset", "dataset": "raw"}}]
    step = trained(world, inputs=inputs, arguments="${{inputs.data}}")
    version = register(world, step)
    reader = world.submit(world.pipeline(reads_model(world), name="user"))
    world.drain()
    assert key_from(world.workspace, {"model": str(version.pk)}) == Model(version.pk)
    graph = walk(world.workspace, Model(version.pk)).as_json()
    assert {node["title"]: node["hops"] for node in graph["nodes"] if node["kind"] != "more"} == {
        "digits:1": 0,
        "train": -1,
        "raw:1": -2,
        "use": 1,
    }
    titles = {node["id"]: node["title"] for node in graph["nodes"]}
    edges = {(titles[each["from"]], each["output"], titles[each["to"]], each["input"]) for each in graph["edges"]}
    assert edges >= {
        ("raw:1", "", "train", "data"),
        ("train", "out", "digits:1", ""),
        ("digits:1", "", "use", "model"),
    }
    run = run_that_made(version)
    assert run is not None
    assert [(each["kind"], each["name"]) for each in datasets_read(run)] == [("dataset", "raw:1")]
    assert [each.run_id for each in runs_that_read(version)] == [reader.pk]
    services.delete_model_version(world.access, version)
    (use,) = StepRun.objects.filter(run=reader)
    gone = walk(world.workspace, key_from(world.workspace, {"step": str(use.pk)})).as_json()
    assert "Model that was deleted" in {node.get("what") for node in gone["nodes"]}


def test_another_workspace_finds_nothing(world: World) -> None:
    version = register(world, trained(world))
    other = World.make("theirs")
    assert key_from(other.workspace, {"model": str(version.pk)}) is None
    assert walk(other.workspace, Model(version.pk)).as_json()["nodes"] == []

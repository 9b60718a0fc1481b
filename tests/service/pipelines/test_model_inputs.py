"""Inputs fed by models: which version is meant is settled at submission, and what counts for reuse is its content."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datastores.models import DataPath
from pipelines import services
from pipelines.catalogue import catalogue_for
from pipelines.model_names import ModelThere, missing_model
from pipelines.models import StepInput, StepRun
from pipelines.parts import ModelBinding
from pipelines.queries import step_detail
from pipelines.registered import ModelVersion
from pipelines.services import submitting
from pipelines.validation import parse_definition, problems_of
from studio.lib.problems import UserError
from tests.service.pipelines.models import reads_model, register, trained
from tests.service.pipelines.world import World


def given(run: Any, name: str = "use") -> Any:
    return StepRun.objects.get(run=run, name=name).frozen.inputs["model"]


@pytest.mark.parametrize(
    ("which", "number", "written"),
    [({}, 3, "digits"), ({"version": 2}, 2, "digits:2"), ({"stage": "production"}, 1, "digits@production")],
)
def test_the_version_is_settled_at_submission(world: World, which: Any, number: int, written: str) -> None:
    step = trained(world)
    versions = [register(world, step, stage=stage) for stage in ("production", "staging", "none")]
    assert ModelBinding(model="digits", **which).name == written
    run = world.submit(world.pipeline(reads_model(world, **which), name="user"))
    read = given(run)
    meant = versions[number - 1]
    assert (read.model, read.registered_id) == (f"digits:{number}", meant.pk)
    assert read.data.paths == [DataPath(datastore_id=world.datastore.pk, path=meant.path)]
    row = StepInput.objects.get(step_run__run=run)
    assert (row.model_version, row.model, row.datastore, row.dataset) == (meant, f"digits:{number}", None, "")
    services.set_stage(world.access, versions[2], "production")
    lease = world.claim()
    assert lease.spec.inputs["model"].paths == read.data.paths, "whatever happens to stages later"


def test_of_several_in_a_stage_the_newest(world: World) -> None:
    step = trained(world)
    for _ in range(3):
        register(world, step, stage="staging")
    run = world.submit(world.pipeline(reads_model(world, stage="staging"), name="user"))
    assert given(run).model == "digits:3"


def problems(world: World, **which: Any) -> list[tuple[Any, str]]:
    definition = parse_definition({"steps": [reads_model(world, **which)]})
    found = problems_of(definition, catalogue_for(world.workspace, definition))
    return [(problem.loc, problem.message) for problem in found]


def test_what_is_not_there_is_told_at_the_input(world: World) -> None:
    other = World.make("theirs")
    register(other, trained(other), "secret")
    step = trained(world)
    version = register(world, step)
    at = ("steps", 0, "inputs", 0, "binding")
    assert problems(world) == []
    assert problems(world, model="digit") == [(at, "There is no model “digit”. Did you mean “digits”?")]
    assert problems(world, model="secret") == [(at, "There is no model “secret”.")]
    assert problems(world, version=7) == [(at, "Model “digits” has no version 7.")]
    ((_, sentence),) = problems(world, stage="production")
    assert sentence.startswith("No version of model “digits” is in production.")
    ((_, sentence),) = problems(world, version=1, stage="staging")
    assert sentence == "Name a version of the model or a stage, not both."
    services.delete_model_version(world.access, version)
    ((_, sentence),) = problems(world)
    assert sentence.startswith("Every version of model “digits” was deleted.")
    with pytest.raises(UserError, match="Every version"):
        world.submit(world.pipeline(reads_model(world), name="user"))
    assert missing_model(ModelBinding(model="a"), {"a": ModelThere({1: "none"})}) is None


def test_a_version_that_goes_between_looking_and_submitting(world: World, monkeypatch: Any) -> None:
    version = register(world, trained(world))
    pipeline = world.pipeline(reads_model(world), name="user")
    prepare = submitting.prepare_run

    def and_then_it_goes(*args: Any, **more: Any) -> Any:
        ready = prepare(*args, **more)
        services.delete_model_version(world.access, version)
        return ready

    monkeypatch.setattr(submitting, "prepare_run", and_then_it_goes)
    with pytest.raises(UserError, match="Version 1 of model “digits” was just deleted"):
        world.submit(pipeline)


def test_a_rerun_reads_what_the_run_read_though_its_version_is_deleted(world: World) -> None:
    version = register(world, trained(world))
    run = world.submit(world.pipeline(reads_model(world), name="user"))
    world.drain()
    services.delete_model_version(world.access, version)
    run.refresh_from_db()
    again = services.rerun_from(world.access, run, "use")
    row = StepInput.objects.get(step_run__run=again)
    assert (row.model_version, row.model) == (None, "digits:1")
    assert world.drain() == ["use"]


def test_reuse_goes_by_content(world: World) -> None:
    left = {"outputs/model.pkl": b"abc"}
    what = services.Left(artifact="outputs")
    register(world, trained(world, "one", pipeline="p1", artifacts=left), left=what)
    pipeline = world.pipeline(reads_model(world), name="user")
    world.submit(pipeline)
    assert world.drain() == ["use"]
    register(world, trained(world, "two", pipeline="p2", artifacts=left), left=what)
    same = world.submit(pipeline)
    assert world.drain() == [], "another version of the same bytes"
    assert given(same).model == "digits:2"
    register(world, trained(world, "three", pipeline="p3", artifacts={"outputs/model.pkl": b"other"}), left=what)
    world.submit(pipeline)
    assert world.drain() == ["use"]


def test_files_that_were_written_again_are_another_input(world: World) -> None:
    import io

    from datastores.backends import get_backend

    version = register(world, trained(world))
    pipeline = world.pipeline(reads_model(world), name="user")
    world.submit(pipeline)
    assert world.drain() == ["use"]
    get_backend(world.datastore).write(f"{version.path}/data.txt", io.BytesIO(b"something else"))
    world.submit(pipeline)
    assert world.drain() == ["use"]


def test_the_step_says_what_it_read_and_what_became_of_its_outputs(world: World) -> None:
    step = trained(world)
    version = register(world, step)
    run = world.submit(world.pipeline(reads_model(world), name="user"))
    (read,) = step_detail(world.workspace, StepRun.objects.get(run=run))["inputs"]
    assert (read["kind"], read["source"], read["version"]["name"]) == ("model", "model digits:1", "digits:1")
    assert read["version"]["url"].endswith(f"/models/{version.model_id}/?version=1")
    (output,) = step_detail(world.workspace, StepRun.objects.select_related("run").get(pk=step.pk))["outputs"]
    assert [model["name"] for model in output["models"]] == ["digits:1"]


def test_no_query_where_no_input_asks_for_a_model(world: World) -> None:
    definition = parse_definition({"steps": [world.step("train")]})
    with CaptureQueriesContext(connection) as queries:
        catalogue_for(world.workspace, definition)
    assert not [query for query in queries if "pipelines_registeredmodel" in query["sql"]]
    assert ModelVersion.objects.count() == 0

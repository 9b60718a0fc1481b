"""Destinations and registration: where outputs go, the versions they become, and what reuse does about both."""

import hashlib
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from compute.listener import JobChange
from compute.models import Job
from compute.spec import EnvironmentSpec, JobResult, OutputRecord
from compute.states import JobStatus
from datastores.backends import get_backend
from datastores.backends.registry import STORES
from datastores.models import DataPath, Dataset, DatasetVersion, Datastore
from datastores.services import create_dataset, register_datastore
from datastores.sources import Column, QuerySource, TabularDefinition
from pipelines import services
from pipelines.fingerprints import ingredients_of
from pipelines.models import FrozenStep, Run, StepOutput, StepRun
from pipelines.services.looking import is_on_this_machine
from studio.lib.problems import UserError
from tests.service.pipelines.world import World


def registered(dataset: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "out", "register_as": {"dataset": dataset, "tags": {"stage": "trial"}}, **more}]


def versions(name: str) -> list[DatasetVersion]:
    return list(DatasetVersion.objects.filter(dataset__name=name).order_by("number"))


@pytest.fixture
def shelf(world: World) -> Datastore:
    return register_datastore(world.workspace, kind="local", name="shelf", config={}, actor=world.owner)


def test_an_output_becomes_a_version_when_its_step_completes(world: World) -> None:
    run = world.submit(world.pipeline(world.step("train", outputs=registered("model"))))
    assert not versions("model")
    world.complete(world.claim())
    (version,) = versions("model")
    assert version.definition.paths == [DataPath(datastore_id=world.datastore.pk, path=f"runs/{run.pk}/train/1/out")]
    assert (version.origin, version.tags.tags) == (f"run {run.pk}, step train", {"stage": "trial"})
    assert version.created_by == world.owner
    assert StepOutput.objects.get().dataset_version == version


def test_a_finish_that_happens_twice_registers_once(world: World) -> None:
    world.submit(world.pipeline(world.step("train", outputs=registered("model"))))
    lease = world.claim()
    world.complete(lease)
    world.complete(lease)
    job = Job.objects.get()
    record = OutputRecord(
        datastore_id=world.datastore.pk, path="runs/9/train/1/out", fingerprint="f", file_count=1, size_bytes=1
    )
    late = JobChange(
        job.pk, job.owner, JobStatus.COMPLETED, timezone.now(), 1, result=JobResult(outputs={"out": record})
    )
    services.follow_jobs([late])
    assert len(versions("model")) == 1
    assert StepOutput.objects.count() == 1


def test_what_cant_be_registered_fails_the_step_and_keeps_its_data(world: World) -> None:
    pipeline = world.pipeline(world.step("train", outputs=registered("model")), world.step("use", "train"))
    run = world.submit(pipeline)
    # The name was free at submission; meanwhile somebody gave it to a table.
    DatasetVersion.objects.create(
        dataset=Dataset.objects.create(workspace=world.workspace, name="model"),
        number=1,
        definition=TabularDefinition(
            source=QuerySource(datastore_id=world.datastore.pk, query="SELECT 1"),
            columns=[Column(name="x", type="integer")],
        ),
    )
    world.complete(world.claim())
    step = StepRun.objects.get(run=run, name="train")
    assert step.status == "failed"
    assert step.reason.startswith("Its output “out” can't become a version of “model”: ")
    assert world.statuses(run)["use"] == "skipped"
    assert step.outputs is not None
    assert step.outputs.outputs["out"].file_count == 1
    assert StepOutput.objects.get().path == f"runs/{run.pk}/train/1/out"
    run.refresh_from_db()
    assert run.status == "failed"


def test_an_empty_output_is_no_version(world: World) -> None:
    run = world.submit(world.pipeline(world.step("train", outputs=registered("model"))))
    job = Job.objects.get()
    world.claim()
    record = OutputRecord(datastore_id=world.datastore.pk, path="x", fingerprint="f", file_count=0, size_bytes=0)
    done = JobChange(
        job.pk, job.owner, JobStatus.COMPLETED, timezone.now(), 1, result=JobResult(outputs={"out": record})
    )
    services.follow_jobs([done])
    assert "There is no file in it." in StepRun.objects.get(run=run).reason
    assert not Dataset.objects.filter(name="model").exists()


def test_a_destination_is_frozen_with_the_runs_number_in_it(world: World, shelf: Datastore) -> None:
    output = {"name": "out", "datastore": "shelf", "path": "models//{run-id}/{output-name}/"}
    run = world.submit(world.pipeline(world.step("train", outputs=[output, {"name": "log", "datastore": "shelf"}])))
    frozen = StepRun.objects.get(run=run).frozen
    assert (frozen.outputs["out"].datastore_id, frozen.outputs["out"].path) == (shelf.pk, f"models/{run.pk}/out")
    spec = world.claim().spec
    assert (spec.outputs["out"].datastore_id, spec.outputs["out"].path) == (shelf.pk, f"models/{run.pk}/out")
    assert spec.outputs["log"].path == f"runs/{run.pk}/train/{{attempt}}/log"
    assert spec.outputs["log"].datastore_id == shelf.pk


def test_inputs_arrive_as_they_were_asked_for(world: World) -> None:
    get_backend(world.datastore).write("raw/a.csv", io.BytesIO(b"1"))
    path = DataPath(datastore_id=world.datastore.pk, path="raw")
    version = create_dataset(world.workspace, name="raw", paths=[path], actor=world.owner)
    inputs = [{"name": "x", "mode": "mount", "binding": {"kind": "dataset", "dataset": "raw"}}]
    after = world.step("b", "a")
    after["inputs"][0]["mode"] = "direct"
    run = world.submit(world.pipeline(world.step("a", inputs=inputs), after))
    frozen = StepRun.objects.get(run=run, name="a").frozen
    assert (frozen.inputs["x"].version_id, frozen.inputs["x"].dataset) == (version.pk, "raw:1")
    first = world.claim()
    assert (first.spec.inputs["x"].mode, first.spec.inputs["x"].paths) == ("mount", [path])
    world.complete(first)
    assert world.claim().spec.inputs["from_a"].mode == "direct"


def test_a_table_arrives_as_its_definition_and_a_query_is_never_reused(world: World) -> None:
    database = Datastore.objects.create(workspace=world.workspace, name="sales-db", kind="local", config={})
    definition = TabularDefinition(
        source=QuerySource(datastore_id=database.pk, query="SELECT 1"), columns=[Column(name="x", type="integer")]
    )
    DatasetVersion.objects.create(
        dataset=Dataset.objects.create(workspace=world.workspace, name="sales"), number=1, definition=definition
    )
    step = world.step("a", inputs=[{"name": "rows", "binding": {"kind": "dataset", "dataset": "sales"}}])
    pipeline = world.pipeline(step)
    world.submit(pipeline)
    lease = world.claim()
    assert (lease.spec.inputs["rows"].table, lease.spec.inputs["rows"].paths) == (definition, [])
    world.complete(lease)
    run = world.submit(pipeline)
    assert world.drain() == ["a"]
    note = StepRun.objects.get(run=run).reuse_note
    assert note == "Ran: nobody can tell whether the data of input “rows” is still the same."


# Reuse


def test_a_reused_step_keeps_its_version_while_that_is_the_newest(world: World) -> None:
    pipeline = world.pipeline(world.step("train", outputs=registered("model")))
    world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    assert world.drain() == []
    assert [version.number for version in versions("model")] == [1]
    step = StepRun.objects.get(run=run)
    assert step.reuse_note.endswith("Its output is model:1.")
    assert StepOutput.objects.get(step_run=step).dataset_version == versions("model")[0]


def test_a_reused_step_becomes_the_newest_version_again_where_others_came_between(world: World) -> None:
    parameters = [{"name": "c", "type": "integer", "default": 1}]
    step = world.step("train", outputs=registered("model"), arguments="${{parameters.c}}")
    pipeline = world.pipeline(step, parameters=parameters)
    first = world.submit(pipeline)
    world.drain()
    world.submit(pipeline, parameters={"c": 2})
    world.complete(world.claim(), content="another model")
    third = world.submit(pipeline)
    assert world.drain() == []
    assert [version.number for version in versions("model")] == [1, 2, 3]
    newest = versions("model")[-1]
    assert newest.definition.paths[0].path == f"runs/{first.pk}/train/1/out"
    assert newest.origin == f"run {third.pk}, step train"
    fourth = world.submit(pipeline)
    assert len(versions("model")) == 3, "the third is the newest, and of the same result"
    assert StepRun.objects.get(run=fourth).reuse_note.endswith("Its output is model:3.")


def test_a_reused_step_registers_anew_where_its_dataset_was_deleted(world: World) -> None:
    pipeline = world.pipeline(world.step("train", outputs=registered("model")))
    world.submit(pipeline)
    world.drain()
    Dataset.objects.get(name="model").delete()
    world.submit(pipeline)
    assert world.drain() == []
    assert [version.number for version in versions("model")] == [1]


def test_registering_what_an_earlier_run_did_not_register_needs_no_new_result(world: World) -> None:
    pipeline = world.pipeline(world.step("train"))
    world.submit(pipeline)
    world.drain()
    world.save(pipeline, world.step("train", outputs=registered("model")))
    world.submit(pipeline)
    assert world.drain() == []
    assert len(versions("model")) == 1


def _fixed(world: World, content: str, path: str = "models/latest") -> dict[str, Any]:
    output = {"name": "out", "datastore": "shelf", "path": path}
    return world.step("train", outputs=[output], arguments=content)


def _look(run: Run) -> None:
    """What the control worker does when the doorbell rings."""
    assert services.look_after(run.pk)


def test_a_destination_is_looked_at_outside_of_the_submission(world: World, shelf: Datastore) -> None:
    assert shelf.pk
    pipeline = world.pipeline(_fixed(world, "a"))
    first = world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    assert world.statuses(run) == {"train": "waiting"}, "somebody has to look first"
    _look(run)
    run.refresh_from_db()
    assert run.status == "completed"
    assert StepRun.objects.get(run=run).reused_from == StepRun.objects.get(run=first)
    assert services.look_after(run.pk) is False, "rung twice"


def test_what_another_run_wrote_to_the_same_destination_is_not_taken_for_ones_own(
    world: World, shelf: Datastore
) -> None:
    assert shelf.pk
    pipeline = world.pipeline(_fixed(world, "a"))
    world.submit(pipeline)
    world.drain()
    other = world.pipeline(_fixed(world, "b"), name="other")
    world.submit(other)
    world.complete(world.claim(), content="b's")
    run = world.submit(pipeline)
    _look(run)
    assert world.statuses(run) == {"train": "queued"}, "its place holds the result of another now"
    assert "no longer there" in StepRun.objects.get(run=run).reuse_note


def test_a_destination_that_people_changed_is_written_again(world: World, shelf: Datastore) -> None:
    pipeline = world.pipeline(_fixed(world, "a"))
    world.submit(pipeline)
    world.drain()
    get_backend(shelf).write("models/latest/more.txt", io.BytesIO(b"more"))
    run = world.submit(pipeline)
    services.look_after_all()  # the bell was lost; the sweep looks
    assert world.statuses(run) == {"train": "queued"}


def test_only_a_disk_is_looked_at_while_the_database_is_held() -> None:
    kinds = {kind for kind in STORES if is_on_this_machine(Datastore(kind=kind))}
    assert kinds == {"local"}


def test_a_run_that_breaks_keeps_no_other_from_going_on(
    world: World, shelf: Datastore, caplog: pytest.LogCaptureFixture
) -> None:
    assert shelf.pk
    pipeline = world.pipeline(_fixed(world, "a"))
    world.submit(pipeline)
    world.drain()
    broken, run = world.submit(pipeline), world.submit(pipeline)
    step = StepRun.objects.get(run=broken)
    frozen = {**step.frozen.model_dump(mode="json"), "compute_id": None}
    with connection.cursor() as cursor:  # what no version of the studio writes
        cursor.execute("UPDATE pipelines_steprun SET frozen = %s WHERE id = %s", [json.dumps(frozen), step.pk])
    assert services.look_after_all() == 1
    assert world.statuses(run) == {"train": "completed"}
    assert f"run {broken.pk} could not be looked after" in caplog.text


def test_a_destination_that_names_the_run_can_be_reused(world: World, shelf: Datastore) -> None:
    assert shelf.pk
    pipeline = world.pipeline(_fixed(world, "a", "models/{run-id}"))
    first = world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    _look(run)
    outputs = StepRun.objects.get(run=run).outputs
    assert outputs is not None
    assert outputs.outputs["out"].path == f"models/{first.pk}"


def test_another_destination_is_another_result(world: World, shelf: Datastore) -> None:
    assert shelf.pk
    pipeline = world.pipeline(_fixed(world, "a"))
    world.submit(pipeline)
    world.drain()
    world.save(pipeline, _fixed(world, "a", "models/best"))
    run = world.submit(pipeline)
    assert world.drain() == ["train"]
    assert "the list of outputs or where they go changed" in StepRun.objects.get(run=run).reuse_note


def test_a_run_that_is_cancelled_while_somebody_looks_stays_cancelled(world: World, shelf: Datastore) -> None:
    assert shelf.pk
    pipeline = world.pipeline(_fixed(world, "a"))
    world.submit(pipeline)
    world.drain()
    run = world.submit(pipeline)
    services.cancel_run(world.access, run)
    assert services.look_after(run.pk) is False
    run.refresh_from_db()
    assert run.status == "cancelled"


# What was stored before


def test_a_step_that_was_frozen_before_there_were_destinations_is_read(world: World) -> None:
    stored = {
        "schema_version": 1,
        "step": {
            "kind": "python_script",
            "name": "a",
            "description": "",
            "source": "d" * 64,
            "entry": "main.py",
            "arguments": "",
            "inputs": [{"name": "x", "binding": {"kind": "dataset", "dataset": "raw", "version": None}}],
            "outputs": [{"name": "out"}],
            "environment": "python",
            "compute": "local",
            "allow_reuse": True,
            "retries": 0,
            "timeout_s": None,
        },
        "snapshot": "d" * 64,
        "command": ["python", "main.py"],
        "environment_name": "python:1",
        "environment": EnvironmentSpec().model_dump(mode="json"),
        "compute_id": 1,
        "datastore_id": 1,
        "inputs": {
            "x": {
                "dataset": "raw:1",
                "data": {"paths": [{"datastore_id": 1, "path": "raw"}]},
                "fingerprint": "f",
                "step": None,
                "output": None,
            }
        },
    }
    frozen = FrozenStep.model_validate(stored)
    assert (frozen.inputs["x"].mode, frozen.outputs) == ("download", {})
    # Results from before are still found: what makes them has the digest that it had.
    digests = ingredients_of(frozen, {"x": "f"}).digests
    assert digests["outputs"] == hashlib.sha256(b'["out"]').hexdigest()
    assert digests["arguments"] == hashlib.sha256(b'["python", "main.py"]').hexdigest()


def test_submitting_to_what_is_not_there_names_the_field(world: World) -> None:
    pipeline = world.pipeline(world.step("a", outputs=[{"name": "out", "datastore": "nowhere", "path": "../x"}]))
    with pytest.raises(UserError) as caught:
        world.submit(pipeline)
    assert {problem.loc for problem in caught.value.problems} == {
        ("steps", 0, "outputs", 0, "datastore"),
        ("steps", 0, "outputs", 0, "path"),
    }

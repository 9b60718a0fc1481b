"""Steps that the node does itself, from their definition to what the node is told: and to nobody else."""

import uuid
from pathlib import Path
from typing import Any, cast

import pytest

from compute.data.desk import Desk
from compute.execution.handle import Handle
from compute.execution.reasons import StepFailure
from compute.models import Job
from compute.services.leases import Lease
from compute.work.running import OwnWork
from datastores.backends import store_class
from datastores.models import Datastore
from datastores.uses import uses_of
from pipelines.models import Run, StepRun
from pipelines.reproduction.archive import archive_of
from pipelines.services.editing_steps import StepChanges, edit_step
from pipelines.services.reusing import REUSE_IS_OFF
from studio.lib.problems import UserError
from studio.lib.secrets import Sealed
from studio.workspaces.models import Workspace
from tests.service.pipelines.world import World

pytestmark = pytest.mark.django_db

SECRET = "never to be seen"


def database(workspace: Workspace, name: str, *, allow_writes: bool = False) -> Datastore:
    config = {"host": "db.example.com", "database": "shop", "user": "u", "allow_writes": allow_writes}
    checked = store_class("postgresql").Config.model_validate(config).model_dump(mode="json")
    sealed = Sealed.seal({"password": SECRET})
    return Datastore.objects.create(
        workspace=workspace, name=name, kind="postgresql", config=checked, credentials=sealed
    )


def ask(**more: Any) -> dict[str, Any]:
    statements = "SELECT * FROM sales WHERE id = ${{parameters.id}}"
    return {
        "kind": "sql",
        "name": "ask",
        "datastore": "shop",
        "statements": statements,
        "outputs": [{"name": "out"}],
        **more,
    }


def to_table(world: World) -> list[dict[str, Any]]:
    given = [{"name": "data", "binding": {"kind": "output", "step": "make", "output": "out"}}]
    move = {
        "kind": "transfer",
        "name": "move",
        "inputs": given,
        "datastore": "shop",
        "table": "t",
        "existing": "replace",
    }
    return [world.step("make"), move]


IDS = [{"name": "id", "type": "integer", "default": 7}]


def job_of(run: Run, name: str) -> Job:
    step = StepRun.objects.get(run=run, name=name)
    return Job.objects.get(pk=step.job_id)


def test_a_step_of_sql_becomes_work_of_the_node(world: World) -> None:
    shop = database(world.workspace, "shop")
    run = world.submit(world.pipeline(ask(), parameters=IDS), parameters={"id": 0})
    spec = job_of(run, "ask").spec
    assert spec.work is not None
    assert (spec.command, spec.snapshot) == ([], None)
    assert spec.work.settings["values"] == {"id": 0}
    assert {name: each.datastore_id for name, each in spec.work.datastores.items()} == {"database": shop.pk}
    step = StepRun.objects.get(run=run)
    assert "nobody can tell whether “shop” still answers the same" in step.reuse_note
    assert (step.frozen.environment_name, step.fingerprint) == ("", "")
    assert SECRET not in step.frozen.model_dump_json() + spec.model_dump_json()
    assert [use.kind for use in uses_of(shop).named] == ["run"]
    with pytest.raises(UserError, match="there is nothing to run elsewhere"):
        archive_of(world.workspace, step, with_inputs=False, studio="")


def test_what_the_author_answers_for_may_be_reused(world: World) -> None:
    database(world.workspace, "shop")
    pipeline = world.pipeline(ask(may_be_reused=True), parameters=IDS)
    run = world.submit(pipeline)
    world.complete(world.claim())
    again, other = world.submit(pipeline), world.submit(pipeline, parameters={"id": 8})
    assert StepRun.objects.get(run=again).reused_from_id == StepRun.objects.get(run=run).pk
    assert StepRun.objects.get(run=other).reuse_note == f"Ran: the arguments changed since run {again.pk}."
    world.save(pipeline, ask(allow_reuse=False), parameters=IDS)
    assert StepRun.objects.get(run=world.submit(pipeline)).reuse_note == REUSE_IS_OFF


def test_what_goes_to_a_table_is_never_reused(world: World) -> None:
    database(world.workspace, "shop", allow_writes=True)
    pipeline = world.pipeline(*to_table(world))
    for _ in range(2):
        run = world.submit(pipeline)
        while world.statuses(run)["move"] != "completed":
            world.complete(world.claim())
        step = StepRun.objects.get(run=run, name="move")
        assert step.reuse_note.startswith("Ran: it writes to a table")
        work = job_of(run, "move").spec.work
        assert work is not None
        assert work.notes == f"runs/{run.pk}/move/notes"


def test_only_what_is_there_and_may_be_written(world: World) -> None:
    elsewhere = Workspace.objects.create(slug="theirs", name="Theirs")
    database(elsewhere, "shop", allow_writes=True)
    with pytest.raises(UserError, match="There is no datastore “shop”"):
        world.submit(world.pipeline(ask(), parameters=IDS))
    database(world.workspace, "shop")
    with pytest.raises(UserError, match="does not allow steps to write"):
        world.submit(world.pipeline(*to_table(world), name="other"))


def test_a_node_opens_no_datastore_of_another_workspace(world: World, tmp_path: Path) -> None:
    database(world.workspace, "shop")
    elsewhere = Workspace.objects.create(slug="theirs", name="Theirs")
    theirs = database(elsewhere, "theirs")
    world.submit(world.pipeline(ask(), parameters=IDS))
    lease = world.claim()
    assert lease.spec.work is not None
    desk = Desk(Handle("m"), cast("Any", None))

    def own(lease: Lease) -> OwnWork:
        assert lease.spec.work is not None
        return OwnWork(lease, lease.spec.work, tmp_path / uuid.uuid4().hex, desk.handle, desk)

    order = own(lease).order()
    assert SECRET not in repr(order)
    assert order.stores[next(iter(order.datastores.values()))].secrets == {"password": SECRET}
    store = lease.spec.work.datastores["database"].model_copy(update={"datastore_id": theirs.pk})
    work = lease.spec.work.model_copy(update={"datastores": {"database": store}})
    foreign = OwnWork(lease, work, tmp_path / "x", desk.handle, desk)
    with pytest.raises(StepFailure, match="has been removed"):
        foreign.order()
    unknown = OwnWork(lease, work.model_copy(update={"program": "nothing"}), tmp_path / "x", desk.handle, desk)
    with pytest.raises(StepFailure, match="has no program “nothing”"):
        unknown.order()


def test_an_edited_step_is_other_work(world: World) -> None:
    database(world.workspace, "shop")
    archive = database(world.workspace, "archive")
    run = world.submit(world.pipeline(ask(), parameters=IDS))
    world.fail(world.claim())
    changes = StepChanges(settings={"statements": "SELECT 1", "datastore": "archive"})
    edit_step(world.access, run, "ask", changes, base_edit=0)
    work = job_of(run, "ask").spec.work
    assert work is not None
    assert work.settings["statements"] == "SELECT 1"
    assert work.datastores["database"].datastore_id == archive.pk

"""Runs go into the trash and come back whole; while they are there nobody meets them or takes their results."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pipelines import services
from pipelines.lineage import key_from
from pipelines.list_queries import RunFilters, filter_choices, pipeline_rows, recent_runs, runs_page
from pipelines.models import Pin, Retention, Run, StepRun, TrashedRun
from pipelines.queries import run_of, runs_of
from pipelines.retention import Rules
from pipelines.store_uses import runs_on
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.access import Access
from studio.workspaces.models import AuditEvent, Role
from tests.service.pipelines.trash import its_days_are_over, over, step
from tests.service.pipelines.world import World


def seen(world: World, pipeline: Any) -> list[bool]:
    """Where a run can be met: lists, choices, charts, search, what uses a datastore, lineage."""
    row = pipeline_rows(world.workspace).object_list[0]
    return [
        bool(runs_page(world.workspace, RunFilters()).rows),
        bool(runs_page(world.workspace, RunFilters(q="digits")).rows),
        bool(runs_page(world.workspace, RunFilters(status="completed")).rows),
        bool(recent_runs(pipeline)),
        row.last_run is not None,
        bool(filter_choices(world.workspace)["pipelines"]),
        runs_of(world.workspace).exists(),
        bool(runs_on(world.datastore).count),
        key_from(world.workspace, {"step": str(StepRun.objects.order_by("pk").first().pk)}) is not None,
    ]


def test_a_run_leaves_all_lists_and_comes_back_to_all(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    run = over(world, pipeline)
    assert all(seen(world, pipeline))
    services.trash_run(world.access, run)
    assert not any(seen(world, pipeline))
    trash = run_of(world.workspace, run.pk).trash
    assert (trash.trashed_by, trash.due_at - trash.trashed_at) == (world.owner, timedelta(days=30))
    services.restore_run(world.access, run)
    assert all(seen(world, pipeline))
    verbs = AuditEvent.objects.filter(workspace=world.workspace, target__contains=f"run {run.pk}")
    assert {"run.trash", "run.restore"} <= set(verbs.values_list("verb", flat=True))


def test_its_results_are_not_taken_while_it_is_there(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    first = over(world, pipeline)
    services.trash_run(world.access, first)
    second = over(world, pipeline)
    assert step(second, "a").reused_from is None
    services.trash_run(world.access, second)
    services.restore_run(world.access, first)
    assert step(over(world, pipeline), "a").reused_from == step(first, "a")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's planner chooses without statistics")
def test_a_look_for_results_still_begins_with_the_fingerprint(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    over(world, pipeline)
    with CaptureQueriesContext(connection) as asked:
        world.submit(pipeline)
    (statement,) = [query["sql"] for query in asked if "trashed_at IS NULL" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}".replace("%", "%%"))
        plan = [detail for *_place, detail in cursor.fetchall()]
    assert "step_by_fingerprint" in plan[0]
    assert not [line for line in plan if line.startswith("SCAN ")], plan


def test_what_is_not_over_stays(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a")))
    with pytest.raises(ConflictError, match=r"is not over\. Cancel it"):
        services.trash_run(world.access, run)
    assert not TrashedRun.objects.exists()


def test_what_is_pinned_stays_until_the_pin_is_off(world: World) -> None:
    run = over(world, world.pipeline(world.step("a")))
    services.pin(world.access, run, note=" the good one ")
    assert Pin.objects.get().note == "the good one"
    with pytest.raises(ConflictError, match=r"was pinned by ours-owner\. Take the pin off first"):
        services.trash_run(world.access, run)
    assert services.unpin(world.access, run)
    services.pin(world.access, run, step(run, "a"))
    with pytest.raises(ConflictError, match="“a” of run"):
        services.trash_run(world.access, run)
    assert not services.unpin(world.access, run), "the run itself carries none"
    services.unpin(world.access, run, step(run, "a"))
    services.trash_run(world.access, run)
    with pytest.raises(ConflictError, match=r"is in the trash\. Restore it first"):
        services.pin(world.access, run)


def test_nothing_is_done_with_a_run_in_the_trash(world: World) -> None:
    run = world.submit(world.pipeline(world.step("a"), world.step("b", "a")))
    world.complete(world.claim())
    world.fail(world.claim())
    run.refresh_from_db()
    services.trash_run(world.access, run)
    for what in (
        lambda: services.continue_run(world.access, run),
        lambda: services.rerun_from(world.access, run, "b"),
        lambda: services.set_tags(world.access, run, None, {"x": "y"}),
        lambda: services.trash_run(world.access, run),
        lambda: services.edit_step(
            world.access, run, "b", services.StepChanges(settings={"arguments": "--other"}), base_edit=0, go_on=False
        ),
    ):
        with pytest.raises(ConflictError, match=r"is in the trash\. Restore it first"):
            what()
    services.restore_run(world.access, run)
    assert services.continue_run(world.access, run) == 1


def test_several_at_once_and_each_that_could_not_says_why(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a", allow_reuse=False))
    first, second = over(world, pipeline), over(world, pipeline)
    theirs = World.make("theirs")
    other = over(theirs, theirs.pipeline(theirs.step("a")))
    going = world.submit(pipeline)
    said = services.trash_runs(world.access, [first.pk, second.pk, going.pk, other.pk])
    assert [said[first.pk], said[second.pk]] == ["", ""]
    assert "is not over" in said[going.pk]
    assert said[other.pk] == f"There is no run {other.pk} in this workspace."
    assert set(TrashedRun.objects.values_list("run", flat=True)) == {first.pk, second.pk}
    for runs in ([], list(range(1, 202))):
        with pytest.raises(UserError, match="Choose at"):
            services.trash_runs(world.access, runs)


def test_only_an_owner_deletes_at_once_and_it_goes_when_all_has_settled(world: World) -> None:
    run = over(world, world.pipeline(world.step("a")))
    services.trash_run(world.access, run)
    contributor = Access(world.member("cora", Role.CONTRIBUTOR), world.workspace, Role.CONTRIBUTOR)
    with pytest.raises(PermissionDenied, match="does not allow this"):
        services.purge_now(contributor, run)
    services.purge_now(world.access, run)
    trash = TrashedRun.objects.get()
    assert trash.asked_by == world.owner
    assert trash.due_at == trash.trashed_at + timedelta(seconds=60), "a step that just took its result is seen then"
    assert services.purge_due() == 0
    its_days_are_over(run)
    assert services.purge_due() == 1


def test_what_is_being_deleted_is_not_restored_and_has_no_page(world: World) -> None:
    run = over(world, world.pipeline(world.step("a")))
    services.trash_run(world.access, run)
    TrashedRun.objects.update(status="purging")
    Run.everything.update(is_being_purged=True)
    for what in (services.restore_run, services.purge_now):
        with pytest.raises(ConflictError, match="is being deleted: nothing brings it back"):
            what(world.access, run)
    client = Client()
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"/w/ours/runs/{run.pk}/").status_code == 404


def test_days_in_the_trash_are_the_workspaces_own(world: World) -> None:
    pipeline = world.pipeline(world.step("a", allow_reuse=False))
    there, asked = over(world, pipeline), over(world, pipeline)
    services.trash_runs(world.access, [there.pk, asked.pk])
    services.purge_now(world.access, asked)
    services.set_retention(world.access, trash_days=7, rules=Rules())
    later = over(world, pipeline)
    services.trash_run(world.access, later)
    stays = {trash.run_id: trash.due_at - trash.trashed_at for trash in TrashedRun.objects.all()}
    assert stays == {
        there.pk: timedelta(days=7),
        later.pk: timedelta(days=7),
        asked.pk: timedelta(seconds=60),
    }
    assert Retention.objects.get().set_by == world.owner


def test_a_deleted_pipeline_comes_back_under_a_free_name(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    services.delete_pipeline(world.access, pipeline)
    pipeline.refresh_from_db()
    assert pipeline.deleted_by == world.owner
    world.pipeline(world.step("b"))
    with pytest.raises(UserError, match="There is a pipeline “digits” already"):
        services.restore_pipeline(world.access, pipeline)
    restored = services.restore_pipeline(world.access, pipeline, name="digits of old")
    assert (restored.name, restored.deleted_at, restored.deleted_by) == ("digits of old", None, None)
    with pytest.raises(ConflictError, match="is not deleted"):
        services.restore_pipeline(world.access, pipeline)

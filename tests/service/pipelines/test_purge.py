"""What was long enough in the trash goes with everything that belongs to it, and with nothing that others need."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from compute.logs.archive import archive_log
from compute.models import Attempt, Job, KeptFile, LogChunk, Metric, MetricChunk
from compute.services.leases import start
from compute.services.quotas import storage_used
from compute.services.recount import recount_storage
from compute.services.use import is_ours
from datastores.backends import get_backend
from datastores.models import DataPath, DatasetVersion
from datastores.services import create_dataset, register_datastore, remove_datastore
from pipelines import services
from pipelines.models import EditChanges, Pin, ReuseEnd, Run, StepEdit, StepOutput, StepRun, Tag, TrashedRun
from pipelines.services import purging
from pipelines.trash_queries import staying
from studio.lib.problems import ConflictError
from tests.service.pipelines.trash import its_days_are_over, over, purge, records, step
from tests.service.pipelines.world import World
from tests.support.metrics import measure as say

# What is said of what was, whoever is gone: who did what, and what was used.
OF_THE_PAST = {"workspaces.AuditEvent", "compute.CpuUse", "compute.StorageUse", "compute.StorageCount", "compute.Turn"}


def rows() -> dict[str, int]:
    models = [model for label in ("workspaces", "datastores", "compute", "pipelines") for model in _models(label)]
    counts = {model._meta.label: model._base_manager.count() for model in models}
    return {label: count for label, count in counts.items() if label not in OF_THE_PAST}


def _models(label: str) -> Any:
    return apps.get_app_config(label).get_models()


def file(world: World, path: str) -> Path:
    found = get_backend(world.datastore).local_path(path)
    assert found is not None
    return found


def log(attempt: Attempt, home: Path) -> Path:
    """With a log that was moved out of the database."""
    line = b"\x1f\x8b" + b"packed"
    LogChunk.objects.create(
        attempt=attempt, seq=0, byte_start=0, byte_count=6, line_start=0, newline_count=1, streams=[[6, "o"]], data=line
    )
    assert archive_log(attempt.pk)
    attempt.refresh_from_db()
    return home / attempt.log_archive


def measure(attempt: Attempt) -> None:
    metric = Metric.objects.create(attempt=attempt, name="accuracy", kind="list", position=0, count=1, last="0.5")
    MetricChunk.objects.create(metric=metric, seq=0, start=0, count=1, data=b"[0.5]")


def test_all_that_belongs_to_a_run_goes(world: World, settings: Settings) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"), world.step("c", "a", "b"))
    world.submit(pipeline, experiment="digits")
    world.drain()
    before = rows()
    kept = {path for path in settings.STUDIO_HOME.rglob("*") if path.is_file()}
    run = world.submit(pipeline, experiment="digits", regenerate_outputs=True)
    world.drain()
    run.refresh_from_db()
    for each in StepRun.objects.filter(run=run):
        now = timezone.now()
        Tag.objects.create(run=run, step_run=each, name="stage", set_at=now)
        ReuseEnd.objects.create(step_run=each, ends_at=now, decided_at=now)
        changes = EditChanges(changes=["main.py"])
        StepEdit.objects.create(
            step_run=each, number=1, before=each.frozen, last_attempt=0, changes=changes, edited_at=now
        )
        attempt = Attempt.objects.get(job=each.job)
        assert log(attempt, settings.STUDIO_HOME).is_file()
        measure(attempt)
    services.set_tags(world.access, run, None, {"stage": "trial"})
    assert Metric.objects.exists()
    purge(world, run)
    assert rows() == before
    assert {path for path in settings.STUDIO_HOME.rglob("*") if path.is_file()} == kept
    assert not file(world, f"runs/{run.pk}").exists()


def test_what_others_took_goes_over_to_the_oldest_of_them(world: World) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    maker, heir, later = (over(world, pipeline) for _ in range(3))
    made, path = step(maker, "a"), records(maker, "a")["out"]
    services.end_reuse(world.access, maker, "b")
    attempt = Attempt.objects.get(job=made.job)
    assert staying(maker) == [
        f"Run {heir.pk} reused “a”: its result, log and metrics go over to that run.",
        f"Run {heir.pk} reused “b”: its result, log and metrics go over to that run.",
    ]
    purge(world, maker)

    took = step(heir, "a")
    assert (took.reused_from, took.job_id, took.attempt) == (None, made.job_id, made.attempt)
    assert took.reuse_note.startswith(f"Made by run {maker.pk}, which was deleted since")
    assert step(later, "a").reused_from == took
    assert Attempt.objects.get(job__owner=took.job_owner) == attempt
    assert StepOutput.objects.get(step_run=took).path == path
    assert file(world, path).joinpath("data.txt").is_file()
    assert ReuseEnd.objects.get().step_run == step(heir, "b"), "what nobody was to take is still not taken"
    fourth = over(world, pipeline)
    assert step(fourth, "a").reused_from == took
    assert step(fourth, "b").reused_from is None

    purge(world, heir, later)
    assert step(fourth, "a").reused_from is None
    assert file(world, path).joinpath("data.txt").is_file()
    purge(world, fourth)
    assert not file(world, f"runs/{maker.pk}").exists()
    assert not Job.objects.exists()


def test_one_that_was_tried_before_numbers_the_attempts_on(world: World) -> None:
    """It failed, and took the result of another run when its own was continued."""
    pipeline = world.pipeline(world.step("a", retry={"max_attempts": 1}))
    tried = world.submit(pipeline)
    world.fail(world.claim())
    maker = over(world, pipeline)
    services.continue_run(world.access, tried)
    assert step(tried, "a").reused_from == step(maker, "a")
    purge(world, maker)
    took = step(tried, "a")
    attempts = Attempt.objects.filter(job__owner=took.job_owner).order_by("number")
    assert [(each.number, each.exit_code) for each in attempts] == [(1, 1), (2, 0)]
    assert (took.attempt, took.job.attempt_number) == (2, 2)


def test_one_in_the_trash_inherits_only_where_nobody_else_can(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    maker, trashed, stays = (over(world, pipeline) for _ in range(3))
    services.trash_run(world.access, trashed)
    purge(world, maker)
    assert step(stays, "a").reused_from is None
    assert step(trashed, "a").reused_from == step(stays, "a")
    purge(world, stays)
    assert step(trashed, "a").reused_from is None
    services.restore_run(world.access, trashed)
    assert step(over(world, pipeline), "a").reused_from == step(trashed, "a")


def test_files_that_a_dataset_reads_stay_and_count_on(world: World) -> None:
    is_ours.cache_clear()
    outputs = [{"name": "out", "register_as": {"dataset": "orders"}}, {"name": "other"}]
    run = over(world, world.pipeline(world.step("a", outputs=outputs)))
    paths = records(run, "a")
    version = DatasetVersion.objects.get()
    assert staying(run) == ["1 output stays, for dataset orders:1 reads it."]
    used = storage_used(world.workspace.pk)
    purge(world, run)
    assert file(world, paths["out"]).joinpath("data.txt").read_bytes() == b"hello"
    assert not file(world, paths["other"]).exists()
    assert DatasetVersion.objects.get() == version
    assert KeptFile.objects.get(person=world.owner.pk).size_bytes == 5
    recount_storage(world.workspace.pk)
    assert (used[world.owner.pk], storage_used(world.workspace.pk)[world.owner.pk]) == (10, 5)


@pytest.mark.parametrize("pattern", ["runs/{run}/a/*/out/*.txt", "runs/{run}", "runs/*/a/**/*.txt", "**/data.txt"])
def test_what_somebody_pointed_a_dataset_at_stays(world: World, pattern: str) -> None:
    run = over(world, world.pipeline(world.step("a"), world.step("b", "a")))
    path = DataPath(datastore_id=world.datastore.pk, path=pattern.format(run=run.pk))
    create_dataset(world.workspace, name="mine", paths=[path], actor=world.owner)
    other = register_datastore(world.workspace, kind="local", name="other", config={}, actor=world.owner)
    elsewhere = DataPath(datastore_id=other.pk, path=f"runs/{run.pk}/b")
    create_dataset(world.workspace, name="elsewhere", paths=[elsewhere], actor=world.owner)
    places = [file(world, records(run, name)["out"]) for name in "ab"]
    assert "for dataset mine:1 reads" in " ".join(staying(run))
    purge(world, run)
    only_a = pattern.startswith("runs/{run}/a")
    assert [place.exists() for place in places] == [True, not only_a]


def test_a_destination_of_its_own_stays(world: World) -> None:
    outputs = [{"name": "model", "path": "models/{run-id}"}]
    run = over(world, world.pipeline(world.step("a", outputs=outputs)))
    assert staying(run) == ["1 output went to a destination of its own: what is there stays."]
    purge(world, run)
    assert file(world, f"models/{run.pk}/data.txt").is_file()


@pytest.mark.parametrize("breath", range(1, 6))
def test_a_worker_that_dies_leaves_the_rest_to_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, breath: int
) -> None:
    pipeline = world.pipeline(world.step("a"), world.step("b", "a"))
    run = over(world, pipeline)
    heir = over(world, world.pipeline(world.step("a"), name="other"))
    world.pipeline(world.step("c"), name="third")
    services.trash_run(world.access, run)
    its_days_are_over(run)
    breaths = 0

    def dies(self: purging.Purge) -> None:
        nonlocal breaths
        breaths += 1
        if breaths == breath:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(purging.Purge, "breathe", dies)
        with pytest.raises(KeyboardInterrupt):
            services.purge_due()
    assert services.purge_due() == 0, "for all anybody knows it is still at it"
    with pytest.raises(ConflictError, match="is being deleted"):
        services.restore_run(world.access, run)
    its_days_are_over(run)
    assert services.purge_due() == 1
    assert not Run.everything.filter(pk=run.pk).exists()
    assert not StepRun.objects.exclude(run=heir).exists()
    assert file(world, records(heir, "a")["out"]).is_dir()
    assert not file(world, f"runs/{run.pk}/b").exists()
    assert Job.objects.get().owner == step(heir, "a").job_owner


def test_a_slice_that_is_over_goes_on_at_once_with_the_next(world: World) -> None:
    run = over(world, world.pipeline(world.step("a")))
    services.trash_run(world.access, run)
    its_days_are_over(run)
    rounds = 0
    while not services.purge_due(slice_s=0):
        rounds += 1
        assert rounds < 20, "each slice does something"
        assert TrashedRun.objects.get().due_at <= timezone.now(), "nobody waits for the end of a lease"
    assert rounds > 3
    assert not Run.everything.exists()


def test_no_transaction_deletes_more_than_a_few_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "STEPS_AT_ONCE", 2)
    run = over(world, world.pipeline(*(world.step(f"s{number}") for number in range(5))))
    services.trash_run(world.access, run)
    its_days_are_over(run)
    with CaptureQueriesContext(connection) as asked:
        services.purge_due()
    deleted = [query["sql"] for query in asked if query["sql"].startswith('DELETE FROM "pipelines_steprun"')]
    assert [sql.count(",") + 1 for sql in deleted] == [2, 2, 1]


def test_a_datastore_that_is_away_puts_it_off(
    world: World, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("far")
    settings.LOCAL_DATASTORE_ROOTS = [folder.parent]
    unplugged = folder.with_name(f"{folder.name}-unplugged")
    register_datastore(world.workspace, kind="local", name="far", config={"path": str(folder)}, actor=world.owner)
    outputs = [{"name": "out", "datastore": "far"}]
    run = over(world, world.pipeline(world.step("a", outputs=outputs)))
    place = folder / records(run, "a")["out"]
    assert place.is_dir()
    folder.rename(unplugged)
    services.trash_run(world.access, run)
    its_days_are_over(run)
    assert services.purge_due() == 0
    trash = TrashedRun.objects.get()
    assert trash.problem.startswith("Files in datastore “far” could not be deleted: ")
    assert (trash.failures, trash.status) == (1, "purging")
    assert trash.due_at > timezone.now()
    assert step(run, "a").outputs, "which say where the files are"
    its_days_are_over(run)
    assert services.purge_due() == 0
    unplugged.rename(folder)
    its_days_are_over(run)
    assert services.purge_due() == 1
    assert not place.exists()


def test_what_lies_in_a_datastore_that_was_removed_is_left_alone(
    world: World, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("far")
    settings.LOCAL_DATASTORE_ROOTS = [folder.parent]
    far = register_datastore(world.workspace, kind="local", name="far", config={"path": str(folder)}, actor=world.owner)
    run = over(world, world.pipeline(world.step("a", outputs=[{"name": "out", "datastore": "far"}])))
    place = folder / records(run, "a")["out"]
    remove_datastore(far, dangling=True, actor=world.owner)
    purge(world, run)
    assert place.is_dir()


def test_pages_of_what_stays_open_as_before(world: World) -> None:
    """Of the run that took results from it, of one made of it, and of a dataset that it registered."""
    outputs = [{"name": "out", "register_as": {"dataset": "orders"}}]
    pipeline = world.pipeline(world.step("a", outputs=outputs), world.step("b", "a"))
    first = world.submit(pipeline)
    lease = world.claim()
    start(lease, timezone.now())
    say(lease, ["s", "accuracy", 0.5, None])
    world.complete(lease)
    world.drain()
    first.refresh_from_db()
    taker = over(world, pipeline)
    again = services.rerun_from(world.access, first, "b")
    world.drain()
    world.save(pipeline, world.step("a", outputs=outputs, arguments="--other"), world.step("b", "a"))
    changed = over(world, pipeline)
    versions = list(DatasetVersion.objects.all())
    purge(world, first)
    client = Client(raise_request_exception=True)
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    for run in (taker, again, changed):
        page, api = f"/w/ours/runs/{run.pk}/", f"/api/workspaces/ours/runs/{run.pk}/"
        answers = [
            *(client.get(f"{page}{part}") for part in ("", "timeline/", "metrics/", "failure/")),
            *(client.get(f"{api}{part}") for part in ("", "events/", "metrics/", "tags/")),
        ]
        for name in ("a", "b"):
            answers += [client.get(f"{page}steps/{name}/{part}/") for part in ("usage", "reuse")]
            of_step = ("", "log/", "code/", "reuse/", "usage/", "metrics/", "reproduce/", "outputs/out/")
            answers += [client.get(f"{api}steps/{name}/{part}") for part in of_step]
            answers.append(client.get("/w/ours/lineage/", {"step": step(run, name).pk}))
        assert [answer.status_code for answer in answers] == [200] * len(answers), [
            answer.request["PATH_INFO"] for answer in answers if answer.status_code != 200
        ]
    for version in versions:
        assert client.get("/w/ours/lineage/", {"version": version.pk}).status_code == 200
    assert client.get("/w/ours/runs/").status_code == 200
    assert client.get(f"/w/ours/runs/{first.pk}/").status_code == 404
    # What the heir got, it shows as its own.
    heir = client.get(f"/api/workspaces/ours/runs/{taker.pk}/steps/a/").json()
    assert (heir["reused_from"], len(heir["attempts"])) == (None, 1)
    metrics = client.get(f"/api/workspaces/ours/runs/{taker.pk}/metrics/").json()
    assert "accuracy" in str(metrics)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_of_a_restore_and_a_purge_at_once_one_wins(transactional_db: None, _round: int) -> None:
    world = World.make()
    run = over(world, world.pipeline(world.step("a")))
    services.trash_run(world.access, run)
    its_days_are_over(run)
    gate = threading.Barrier(2)
    results: dict[str, Any] = {}

    def at_once(name: str, call: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            results[name] = call()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[name] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=at_once, args=("restored", lambda: services.restore_run(world.access, run))),
        threading.Thread(target=at_once, args=("purged", services.purge_due)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if results["restored"] is None:
        assert results["purged"] == 0
        assert step(run, "a").outputs
        assert file(world, records(run, "a")["out"]).is_dir()
        assert not TrashedRun.objects.exists()
    else:
        assert isinstance(results["restored"], ConflictError)
        assert results["purged"] == 1
        assert not Run.everything.exists()


def test_pins_of_a_run_say_nothing_about_what_is_handed_over(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    maker, taker = over(world, pipeline), over(world, pipeline)
    services.pin(world.access, taker, step(taker, "a"))
    purge(world, maker)
    assert Pin.objects.get().step_run == step(taker, "a")
    assert file(world, records(taker, "a")["out"]).is_dir()


def test_what_a_result_that_went_over_left_beside_its_outputs_stays_with_it(world: World) -> None:
    pipeline = world.pipeline(world.step("a"))
    maker = world.submit(pipeline)
    world.complete(world.claim(), artifacts={"outputs/plot.txt": b"plot"})
    taker = over(world, pipeline)
    path = step(taker, "a").outputs.artifacts.path
    assert path.startswith(f"runs/{maker.pk}/")
    purge(world, maker)
    assert file(world, f"{path}/outputs/plot.txt").exists()
    purge(world, taker)
    assert not file(world, path).exists()

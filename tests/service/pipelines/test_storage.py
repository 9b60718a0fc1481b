"""Whatever people keep on the studio's own disks counts for them, and what goes beyond a quota is not kept."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from compute.models import KeptFile, Quota, StorageCount, StorageUse
from compute.queueing import NOBODY
from compute.services import NewJob, create_jobs, recount
from compute.services.kept import note_arrivals
from compute.services.leases import Outcome, start
from compute.services.quotas import storage_used
from compute.services.recount import ask_recount, recount_storage
from compute.spec import EnvironmentSpec, JobOutput, JobResult, JobSpec, OutputRecord
from compute.states import JobStatus, QuotaScope
from datastores import resumable, snapshots
from datastores.arrivals import Arrival, NoRoom
from datastores.backends import get_backend
from datastores.content import ContentStore
from datastores.models import Datastore, ResumableUpload, Snapshot
from datastores.services import Upload, Uploaded, delete_path, register_datastore, remove_datastore, upload_files
from studio.lib.problems import UserError
from studio.workspaces.models import Role, User
from tests.service.pipelines.world import World

pytestmark = pytest.mark.django_db
OWN = 9  # bytes of the world's source, which nobody brought


@pytest.fixture
def ada(world: World) -> User:
    return world.member("ada", Role.CONTRIBUTOR)


@pytest.fixture
def client(ada: User) -> Client:
    return signed_in(ada)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def put(
    world: World, size: int, path: str = "data/a.bin", *, actor: User | None = None, to: Datastore | None = None
) -> Uploaded:
    file = Upload(path, io.BytesIO(b"x" * size))
    return upload_files(to or world.datastore, folder="", files=[file], actor=actor or world.owner)


def put_large(world: World, size: int, path: str = "data/a.bin", *, actor: User | None = None) -> ResumableUpload:
    upload = resumable.begin(world.datastore, path=path, size_bytes=size, actor=actor or world.owner)
    resumable.receive(upload, offset=0, body=io.BytesIO(b"y" * size))
    return upload


def bring(world: World, text: str, path: str = "new.py", *, actor: User | None, base: str | None = None) -> Snapshot:
    return snapshots.add_files(world.workspace, base, [(path, io.BytesIO(text.encode()))], actor=actor)


def used(world: World) -> dict[int, int]:
    """By person, without the world's own source. The sums are those of the files."""
    for use in StorageUse.objects.filter(workspace=world.workspace):
        files = KeptFile.objects.filter(workspace=world.workspace, person=use.person)
        assert use.brought_bytes == sum(files.values_list("size_bytes", flat=True))
    by_person = storage_used(world.workspace.pk)
    by_person[NOBODY] -= OWN
    return {person: size_bytes for person, size_bytes in by_person.items() if size_bytes}


def files(world: World) -> dict[str, int | None]:
    return {entry.path: entry.size_bytes for entry in get_backend(world.datastore).glob("**")}


def count_again(world: World) -> None:
    ask_recount(world.workspace.pk)
    assert recount_storage(world.workspace.pk)


@contextmanager
def no_more(world: World, storage_bytes: int, **more: Any) -> Iterator[Quota]:
    """While it lasts, so many bytes beside the world's own source."""
    quota = Quota.objects.create(workspace=world.workspace, storage_bytes=storage_bytes + OWN, **more)
    yield quota
    quota.delete()


class TestUploads:
    @pytest.mark.parametrize("send", [put, put_large])
    def test_one_counts_for_whoever_sent_it_and_in_place_of_another_the_difference(
        self, world: World, ada: User, send: Any
    ) -> None:
        send(world, 100)
        assert used(world) == {world.owner.pk: 100}
        send(world, 70)
        assert used(world) == {world.owner.pk: 70}
        send(world, 90, "data/b.bin")
        send(world, 50, actor=ada)
        assert used(world) == {world.owner.pk: 90, ada.pk: 50}

    def test_a_large_one_counts_when_it_is_whole_and_once(self, world: World) -> None:
        upload = resumable.begin(world.datastore, path="a", size_bytes=10, actor=world.owner)
        resumable.receive(upload, offset=0, body=io.BytesIO(b"12345"))
        assert used(world) == {}
        resumable.receive(upload, offset=5, body=io.BytesIO(b"67890"))
        assert used(world) == {world.owner.pk: 10}
        ResumableUpload.objects.update(stored_at=None)  # the server died before its last statement
        resumable.keep_if_whole(resumable.upload_of(world.datastore, upload.pk))
        assert used(world) == {world.owner.pk: 10}

    def test_what_was_deleted_is_given_back_to_whoever_had_it(self, world: World, ada: User) -> None:
        put(world, 100, "data/a.bin")
        put(world, 40, "data/b.bin", actor=ada)
        put_large(world, 30, "data_2/a.bin")
        delete_path(world.datastore, path="data/a.bin", actor=ada)
        assert recount_storage(world.workspace.pk)
        assert used(world) == {world.owner.pk: 30, ada.pk: 40}
        delete_path(world.datastore, path="data", actor=ada)
        assert recount_storage(world.workspace.pk)
        assert used(world) == {world.owner.pk: 30}

    def test_a_batch_beyond_the_quota_of_the_workspace_is_answered_as_a_full_disk_is(
        self, world: World, client: Client, ada: User
    ) -> None:
        put(world, 30, "there.bin")
        address = f"/api/workspaces/{world.workspace.slug}/datastores/{world.datastore.pk}/upload/"
        with no_more(world, 100, set_by=world.owner):
            sent = [SimpleUploadedFile(name, b"z" * size) for name, size in (("a", 40), ("b", 50), ("c", 30))]
            answer = client.post(address, {"files": sent})
        assert answer.status_code == 507
        assert [entry["path"] for entry in answer.json()["uploaded"]] == ["a", "c"]
        (refused,) = answer.json()["refused"]
        assert refused["path"] == "b"
        assert refused["message"] == answer.json()["detail"]
        assert refused["message"].startswith("This workspace may keep ")
        assert (
            "with this it would be more. Delete outputs and files that nobody needs any more. The limit was set by"
            in (refused["message"])
        )
        assert files(world) == {"there.bin": 30, "a": 40, "c": 30}
        assert used(world) == {world.owner.pk: 30, ada.pk: 70}

    def test_a_large_one_beyond_the_quota_is_refused_before_a_byte(self, world: World, client: Client) -> None:
        address = f"/api/workspaces/{world.workspace.slug}/datastores/{world.datastore.pk}/uploads/"
        path = base64.b64encode(b"big.bin").decode()
        with no_more(world, 100):
            for size, status in (("101", 507), ("100", 201)):
                headers = {"Upload-Length": size, "Upload-Metadata": f"path {path}"}
                answer = client.post(address, headers=headers)
                assert answer.status_code == status
                if status == 507:
                    assert answer.json()["problems"][0]["loc"] == ["size_bytes"]
                    assert "with this it would be more" in answer.json()["detail"]
                    assert not ResumableUpload.objects.exists()

    def test_a_person_at_their_quota_is_refused_where_another_goes_on(self, world: World, ada: User) -> None:
        put(world, 60, "owners.bin")
        with no_more(world, 50 - OWN, scope=QuotaScope.PERSON, person=ada):
            put(world, 40, "a.bin", actor=ada)
            result = put(world, 11, "b.bin", actor=ada)
            assert result.no_room.startswith("You may keep ")
            with pytest.raises(NoRoom, match="You may keep"):
                put_large(world, 11, "b.bin", actor=ada)
            assert put(world, 20, "owners.bin", actor=ada).refused, "in place of another's, all of it is theirs"
            assert put(world, 39, "a.bin", actor=ada).kept, "in place of their own, less is always taken"
            assert put(world, 11, "b.bin").kept
        assert used(world) == {world.owner.pk: 71, ada.pk: 39}

    def test_who_is_beyond_a_quota_already_may_still_bring_less(self, world: World) -> None:
        put(world, 60)
        with no_more(world, 10):
            assert put(world, 59).kept
            assert put(world, 60).refused
            assert put(world, 0, "empty").kept
        assert used(world) == {world.owner.pk: 59}

    def test_of_one_batch_each_counts_with_those_before_it(self, world: World) -> None:
        with no_more(world, 10):
            sent = [Upload(name, io.BytesIO(b"x" * 6)) for name in ("a", "a", "b")]
            result = upload_files(world.datastore, folder="", files=sent, actor=world.owner)
        assert [refused.path for refused in result.refused] == ["b"]
        assert used(world) == {world.owner.pk: 6}

    def test_a_reader_is_refused_and_nothing_counts(self, world: World) -> None:
        reader = signed_in(world.member("rosa", Role.READER))
        address = f"/api/workspaces/{world.workspace.slug}/datastores/{world.datastore.pk}/upload/"
        assert reader.post(address, {"files": SimpleUploadedFile("a", b"z")}).status_code == 403
        assert used(world) == {}

    def test_a_folder_that_is_not_below_the_studios_is_no_matter_of_ours(
        self, world: World, settings: Settings, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        outside = tmp_path_factory.mktemp("outside")
        settings.LOCAL_DATASTORE_ROOTS = [outside]
        theirs = register_datastore(
            world.workspace, kind="local", name="theirs", config={"path": str(outside)}, actor=world.owner
        )
        with no_more(world, 0):
            assert put(world, 100, to=theirs).kept
        assert used(world) == {}

    def test_files_of_a_removed_datastore_are_still_there_and_count(self, world: World) -> None:
        other = register_datastore(world.workspace, kind="local", name="other", config={}, actor=world.owner)
        put(world, 100, to=other)
        run_job(world, other, size=6)
        assert used(world) == {world.owner.pk: 100, NOBODY: 6}
        remove_datastore(other, dangling=True, actor=world.owner)
        count_again(world)
        assert used(world) == {world.owner.pk: 100}, "where the outputs lie is not known any more"

    def test_a_link_to_another_folder_makes_no_second_file(self, world: World) -> None:
        put(world, 100, "data/a.bin")
        root = get_backend(world.datastore).local_path("")
        assert root is not None
        (root / "alias").symlink_to("data")
        put(world, 80, "alias/a.bin")
        assert used(world) == {world.owner.pk: 80}

    def test_many_cost_as_many_queries_as_one(self, world: World) -> None:
        def cost(count: int) -> int:
            sent = [Upload(f"{count}/{number}", io.BytesIO(b"x")) for number in range(count)]
            with CaptureQueriesContext(connection) as queries:
                assert not upload_files(world.datastore, folder="", files=sent, actor=world.owner).refused
            return len(queries)

        assert cost(1) == cost(40)
        with no_more(world, 1000):
            assert cost(2) == cost(41)


class TestSources:
    def test_a_content_counts_once_for_whoever_brought_it_first(self, world: World, ada: User) -> None:
        first = bring(world, "print(1234)", actor=ada)
        assert used(world) == {ada.pk: 11}
        bring(world, "print(1234)", "again.py", actor=world.owner, base=first.digest)
        assert used(world) == {ada.pk: 11}
        snapshots.edit(world.workspace, first.digest, put={"more.py": "1"}, actor=world.owner)
        assert used(world) == {ada.pk: 11, world.owner.pk: 1}, "of a folder that changes, what is new"
        assert not snapshots.edit(world.workspace, first.digest, delete=["new.py"], actor=world.owner).file_count
        count_again(world)
        assert used(world) == {ada.pk: 11, world.owner.pk: 1}, "an earlier version still names it"

    def test_sources_beyond_the_quota_are_refused_at_their_field_and_nothing_is_kept(
        self, world: World, client: Client, ada: User
    ) -> None:
        address = f"/api/workspaces/{world.workspace.slug}/sources/"
        with no_more(world, 10):
            files = [SimpleUploadedFile("a.py", b"12345"), SimpleUploadedFile("b.py", b"678901")]
            answer = client.post(address, {"files": files, "paths": ["a.py", "b.py"]})
            edited = {"base": None, "put": [{"path": "a.py", "text": "x" * 11}], "delete": [], "move": []}
            also = client.post(f"{address}edit/", edited, content_type="application/json")
        for refused, field in ((answer, "files"), (also, "put")):
            assert refused.status_code == 507
            assert refused.json()["problems"][0]["loc"] == [field]
            assert refused.json()["detail"].startswith("This workspace may keep ")
        assert used(world) == {}
        kept = [path for path in ContentStore(world.workspace.pk).root.rglob("*") if path.is_file()]
        assert [path.stat().st_size for path in kept] == [OWN]

    def test_at_the_limit_a_folder_of_known_contents_is_still_made(self, world: World, ada: User) -> None:
        brought = bring(world, "print(1234)", actor=ada)
        with no_more(world, 0):
            moved = snapshots.edit(world.workspace, brought.digest, move=[("new.py", "moved.py")], actor=ada)
            assert bring(world, "print(1234)", "moved.py", actor=ada) == moved
            with pytest.raises(NoRoom):
                bring(world, "print(12345)", actor=ada)

    def test_a_run_is_refused_by_what_lies_in_sources_and_uploads(self, world: World) -> None:
        pipeline = world.pipeline(world.step("a"))
        put(world, 60)
        with no_more(world, 60), pytest.raises(UserError, match="Delete outputs and files that nobody needs any more"):
            world.submit(pipeline)


class TestCountingAgain:
    def test_what_was_there_before_is_found_once_and_counts_for_nobody(self, world: World, ada: User) -> None:
        """As the migration leaves it: a row that asks, and files that nobody is known to have brought."""
        pipeline = world.pipeline(
            world.step("a", outputs=[{"name": "out", "path": "models/{run-id}"}]), world.step("b", allow_reuse=False)
        )
        world.submit(pipeline)
        world.drain()
        put(world, 40, "data/known.bin", actor=ada)
        backend = get_backend(world.datastore)
        for path in ("data/a.bin", "top.bin", "models/mine.bin"):
            backend.write(path, io.BytesIO(b"x" * 100))
        failed = world.submit(pipeline)
        lease = world.claim()
        output = next(iter(lease.spec.outputs.values()))
        backend.write(f"{output.path.replace('{attempt}', '1')}/half.bin", io.BytesIO(b"x" * 1000))
        world.fail(lease)
        root = backend.local_path("")
        assert root is not None
        (root / "link.bin").symlink_to("top.bin")
        (root.parent / "removed").mkdir()
        (root.parent / "removed" / "left.bin").write_bytes(b"x" * 7)
        KeptFile.objects.exclude(person=ada.pk).delete()  # the world's source is from before, too
        StorageUse.objects.update(brought_bytes=0)
        StorageUse.objects.filter(person=ada.pk).update(brought_bytes=40)
        ask_recount(world.workspace.pk)
        for _ in range(2):
            StorageCount.objects.update(asked_at=failed.created_at, searches=True)
            assert recount_storage(world.workspace.pk)
            assert used(world) == {NOBODY: 307, ada.pk: 40, world.owner.pk: 10}
        assert not StorageCount.objects.get().searches
        put(world, 90, "top.bin", actor=ada)
        assert used(world) == {NOBODY: 207, ada.pk: 130, world.owner.pk: 10}, "who replaces one has it from then on"

    def test_an_output_that_no_step_wrote_counts_on(self, world: World) -> None:
        run_job(world, world.datastore, size=6)
        assert used(world) == {NOBODY: 6}
        count_again(world)
        assert used(world) == {NOBODY: 6}

    def test_it_is_done_where_it_is_asked_for_and_by_one(self, world: World) -> None:
        put(world, 100)
        assert not recount_storage(world.workspace.pk), "nobody asked"
        ask_recount(world.workspace.pk)
        StorageCount.objects.update(began_at=timezone.now())
        assert not recount_storage(world.workspace.pk), "somebody does it"
        StorageCount.objects.update(began_at=timezone.now() - recount.GIVEN_UP - timedelta(seconds=1))
        assert recount_storage(world.workspace.pk), "whoever did it died"
        row = StorageCount.objects.get()
        assert (row.asked_at, row.began_at) == (None, None)

    def test_a_process_counts_one_workspace_at_a_time(self, world: World) -> None:
        ask_recount(world.workspace.pk)
        with recount._counts:
            assert not recount.recount_when_free(world.workspace.pk)
        assert StorageCount.objects.get().began_at is None, "the sweep finds it"
        assert recount.recount_when_free(world.workspace.pk)

    def test_who_was_taken_for_dead_changes_nothing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        run = world.submit(world.pipeline(world.step("a")))
        world.drain()
        delete_path(world.datastore, path=f"runs/{run.pk}", actor=world.owner)
        look = recount._outputs
        others: list[bool] = []

        def while_another_takes_over(workspace_id: int) -> Any:
            found = look(workspace_id)
            if not others:
                others.append(True)
                StorageCount.objects.update(began_at=timezone.now() - recount.GIVEN_UP * 2)
                others.append(recount_storage(workspace_id))
            return found

        monkeypatch.setattr(recount, "_outputs", while_another_takes_over)
        assert not recount_storage(world.workspace.pk)
        assert others == [True, True]
        assert used(world) == {}

    def test_what_is_asked_for_meanwhile_is_done_after_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        look = recount._outputs

        def while_somebody_deletes(workspace_id: int) -> Any:
            ask_recount(workspace_id)
            return look(workspace_id)

        ask_recount(world.workspace.pk)
        monkeypatch.setattr(recount, "_outputs", while_somebody_deletes)
        assert recount_storage(world.workspace.pk)
        assert StorageCount.objects.get().asked_at is not None
        monkeypatch.setattr(recount, "_outputs", look)
        assert recount_storage(world.workspace.pk)
        assert not recount_storage(world.workspace.pk)

    def test_many_deletions_ring_once_and_the_sweep_again(
        self, world: World, redis_server: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        put(world, 1, "a")
        put(world, 1, "b")
        redis_server.delete("control")
        with django_capture_on_commit_callbacks(execute=True):
            delete_path(world.datastore, path="a", actor=world.owner)
            delete_path(world.datastore, path="b", actor=world.owner)
        assert messages(redis_server) == [recount.RECOUNT_TASK]
        with django_capture_on_commit_callbacks(execute=True):
            recount.ring_recounts()
        assert messages(redis_server) == [recount.RECOUNT_TASK] * 2
        assert recount_storage(world.workspace.pk)
        with django_capture_on_commit_callbacks(execute=True), CaptureQueriesContext(connection) as queries:
            recount.ring_recounts()
        assert len(queries) == 1
        assert messages(redis_server) == [recount.RECOUNT_TASK] * 2

    def test_a_file_that_changed_beside_the_studio_counts_as_it_is(self, world: World) -> None:
        put(world, 100)
        get_backend(world.datastore).write("data/a.bin", io.BytesIO(b"x" * 30))
        count_again(world)
        assert used(world) == {world.owner.pk: 30}

    def test_it_looks_at_many_files_with_as_few_queries(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def cost(count: int) -> int:
            sent = [Upload(f"{count}/{number}", io.BytesIO(b"x")) for number in range(count)]
            upload_files(world.datastore, folder="", files=sent, actor=world.owner)
            delete_path(world.datastore, path=f"{count}", actor=world.owner)
            with CaptureQueriesContext(connection) as queries:
                assert recount_storage(world.workspace.pk)
            return len(queries)

        assert cost(2) == cost(50)
        assert used(world) == {}

    def test_another_workspaces_files_stay_its_own(self, world: World) -> None:
        theirs = World.make("theirs")
        put(theirs, 100)
        note_arrivals(world.workspace.pk, world.owner, [Arrival(Path("/elsewhere/a"), 5)])
        count_again(world)
        assert used(world) == {}
        assert used(theirs) == {theirs.owner.pk: 100}


def messages(client: Any) -> list[str]:
    return [json.loads(each)["headers"]["task"] for each in client.lrange("control", 0, -1)]


def run_job(world: World, datastore: Datastore, *, size: int) -> None:
    """One that is no step's, as that which writes the sample's images: done, with `size` bytes in its output."""
    spec = JobSpec(
        command=["python"],
        environment=EnvironmentSpec(),
        outputs={"out": JobOutput(datastore_id=datastore.pk, path="images")},
    )
    target = world.node.target_id
    create_jobs([NewJob(workspace_id=world.workspace.pk, target_id=target, owner="other:1", title="images", spec=spec)])
    lease = world.claim()
    start(lease, timezone.now())
    get_backend(datastore).write("images/a", io.BytesIO(b"x" * size))
    record = OutputRecord(datastore_id=datastore.pk, path="images", fingerprint="f", file_count=1, size_bytes=size)
    assert world.end(lease, Outcome(JobStatus.COMPLETED, exit_code=0, result=JobResult(outputs={"out": record})))

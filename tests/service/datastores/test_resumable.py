"""Uploads part by part: what arrived stays, nothing is written twice, and every mistake has its answer."""

import base64
import os
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from datastores import resumable
from datastores.backends import DiskFull, NoSuchPath, get_backend
from datastores.models import Datastore, ResumableUpload
from datastores.services import register_datastore
from studio.lib.problems import ConflictError, UserError
from studio.workspaces.models import AuditEvent, User
from tests.support.servers.s3 import S3Server

pytestmark = pytest.mark.django_db
CONTENT = os.urandom(300_000)
PART = "application/offset+octet-stream"


class Breaking:
    """A body whose connection breaks after so many bytes."""

    def __init__(self, content: bytes) -> None:
        self._left = BytesIO(content)

    def read(self, size: int, /) -> bytes:
        piece = self._left.read(size)
        if not piece:
            raise ConnectionError("gone")
        return piece


@pytest.fixture
def upload(datastore: Datastore, owner: User) -> ResumableUpload:
    return resumable.begin(datastore, path="deep/large.bin", size_bytes=len(CONTENT), actor=owner)


def read(datastore: Datastore, path: str = "deep/large.bin") -> bytes:
    with get_backend(datastore).open_read(path) as stream:
        return stream.read()


def test_what_arrived_before_a_connection_broke_stays(datastore: Datastore, upload: ResumableUpload) -> None:
    with pytest.raises(ConnectionError):
        resumable.receive(upload, offset=0, body=Breaking(CONTENT[:100_000]))
    again = resumable.upload_of(datastore, upload.pk)
    assert again.received_bytes == 100_000
    assert not get_backend(datastore).list().entries  # never half there
    resumable.receive(again, offset=100_000, body=BytesIO(CONTENT[100_000:]))
    assert read(datastore) == CONTENT
    assert not resumable.place_of(upload.pk).exists()
    assert ResumableUpload.objects.get().stored_at is not None
    assert AuditEvent.objects.get(verb="data.upload").target == "deep/large.bin in workspaceblobstore"


def test_a_part_from_elsewhere_than_where_it_stands_is_refused(upload: ResumableUpload) -> None:
    resumable.receive(upload, offset=0, body=BytesIO(CONTENT[:1000]))
    for offset in (0, 999, 1001):
        with pytest.raises(ConflictError) as caught:
            resumable.receive(upload, offset=offset, body=BytesIO(b"x"))
        assert caught.value.current == {"offset": 1000}


def test_of_two_who_go_on_at_once_one_stops(datastore: Datastore, upload: ResumableUpload) -> None:
    """The first connection only seemed to be gone: it wakes while the second one is done with the same bytes."""
    first, second = (resumable.upload_of(datastore, upload.pk) for _ in range(2))
    resumable.receive(second, offset=0, body=BytesIO(CONTENT[:2000]))
    with pytest.raises(ConflictError, match="in another place"):
        resumable.receive(first, offset=0, body=BytesIO(CONTENT[:1500]))
    resumable.receive(second, offset=2000, body=BytesIO(CONTENT[2000:]))
    assert read(datastore) == CONTENT


def test_more_than_was_announced_is_refused(upload: ResumableUpload) -> None:
    with pytest.raises(UserError, match="More arrives"):
        resumable.receive(upload, offset=0, body=BytesIO(CONTENT + b"x"))


def test_a_disk_that_is_full_keeps_what_has_arrived(datastore: Datastore, upload: ResumableUpload) -> None:
    resumable.receive(upload, offset=0, body=BytesIO(CONTENT[:5000]))
    place = resumable.place_of(upload.pk)
    kept = place.rename(place.with_suffix(".kept"))
    place.symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="What has arrived stays"):
        resumable.receive(upload, offset=5000, body=BytesIO(CONTENT[5000:]))
    kept.rename(place)
    again = resumable.upload_of(datastore, upload.pk)
    resumable.receive(again, offset=5000, body=BytesIO(CONTENT[5000:]))
    assert read(datastore) == CONTENT


def test_there_must_be_room_for_all_that_is_announced(
    datastore: Datastore, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "SPARE_BYTES", 0)
    free = os.statvfs(resumable.place_of(uuid4()).parent)
    size = int(free.f_bavail * free.f_frsize * 0.7)
    resumable.begin(datastore, path="a", size_bytes=size, actor=owner)
    with pytest.raises(DiskFull, match="beside the uploads that are under way"):
        resumable.begin(datastore, path="b", size_bytes=size, actor=owner)


@pytest.mark.parametrize("path", ["", "../up", "/abs", "a\0", "folder", "x" * 5000])
def test_a_path_that_can_not_be_is_refused_before_a_byte(datastore: Datastore, owner: User, path: str) -> None:
    get_backend(datastore).make_folder("folder")
    with pytest.raises(UserError) as caught:
        resumable.begin(datastore, path=path, size_bytes=1, actor=owner)
    assert caught.value.problems[0].loc == ("path",)
    assert not ResumableUpload.objects.exists()


def test_a_server_that_died_after_it_moved_the_file_finds_it(datastore: Datastore, upload: ResumableUpload) -> None:
    resumable.receive(upload, offset=0, body=BytesIO(CONTENT))
    ResumableUpload.objects.update(stored_at=None)  # its last statement never came
    again = resumable.upload_of(datastore, upload.pk)
    assert resumable.keep_if_whole(again) is not None
    assert read(datastore) == CONTENT


def test_one_whose_bytes_are_lost_begins_again(datastore: Datastore, upload: ResumableUpload) -> None:
    resumable.receive(upload, offset=0, body=BytesIO(CONTENT[:10]))
    resumable.place_of(upload.pk).unlink()
    with pytest.raises(NoSuchPath, match="Begin it again"):
        resumable.receive(upload, offset=10, body=BytesIO(CONTENT[10:]))
    assert not ResumableUpload.objects.exists()


def test_what_nobody_came_back_to_is_swept(datastore: Datastore, upload: ResumableUpload, owner: User) -> None:
    fresh = resumable.begin(datastore, path="b", size_bytes=1, actor=owner)
    orphan = resumable.place_of(uuid4())
    orphan.touch()
    os.utime(orphan, (0, 0))
    ResumableUpload.objects.filter(pk=upload.pk).update(changed_at=timezone.now() - timedelta(days=8))
    assert resumable.sweep_uploads() == 2
    assert list(ResumableUpload.objects.all()) == [fresh]
    assert [place.name for place in orphan.parent.iterdir()] == [str(fresh.pk)]


@pytest.mark.usefixtures("loopback_admitted")
def test_a_whole_file_goes_to_the_bucket(datastore: Datastore, owner: User, s3_server: S3Server) -> None:
    config = {**s3_server.config, "bucket": s3_server.make_bucket()}
    remote = register_datastore(
        datastore.workspace, kind="s3", name="remote", config=config, credentials=s3_server.secrets, actor=owner
    )
    upload = resumable.begin(remote, path="deep/large.bin", size_bytes=len(CONTENT), actor=owner)
    resumable.receive(upload, offset=0, body=BytesIO(CONTENT))
    assert read(remote) == CONTENT
    assert not resumable.place_of(upload.pk).exists()


class TestProtocol:
    """As tus.io says it."""

    @pytest.fixture
    def client(self, signed_in: Callable[[User], Client], contributor: User) -> Client:
        return signed_in(contributor)

    @pytest.fixture
    def url(self, datastore: Datastore) -> str:
        return f"/api/workspaces/digits/datastores/{datastore.pk}/uploads/"

    def create(self, client: Client, url: str, path: str = "a ü.bin", size: int = 10) -> Any:
        named = base64.b64encode(path.encode()).decode()
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(size),
            "Upload-Metadata": f"path {named},filetype eA==",
        }
        return client.post(url, headers=headers)

    def part(self, client: Client, url: str, content: bytes, offset: object = 0, kind: str = PART) -> Any:
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset)}
        return client.generic("PATCH", url, content, content_type=kind, headers=headers)

    def test_from_creation_to_the_end(self, client: Client, url: str, datastore: Datastore) -> None:
        options = client.options(url)
        assert (options.status_code, options["Tus-Version"], options["Tus-Extension"]) == (
            204,
            "1.0.0",
            "creation,termination",
        )
        made = self.create(client, url)
        assert (made.status_code, made["Tus-Resumable"]) == (201, "1.0.0")
        address = made["Location"]
        first = self.part(client, address, b"01234")
        assert (first.status_code, first["Upload-Offset"]) == (204, "5")
        head = client.head(address)
        assert (head.status_code, head["Upload-Offset"], head["Upload-Length"]) == (200, "5", "10")
        assert head["Cache-Control"] == "no-store"
        assert self.part(client, address, b"56789", 5).status_code == 204
        assert read(datastore, "a ü.bin") == b"0123456789"
        assert client.get(address).json()["is_stored"] is True

    def test_in_json(self, client: Client, url: str, datastore: Datastore) -> None:
        made = client.post(url, {"path": "b", "size_bytes": 0}, content_type="application/json")
        assert made.status_code == 201
        assert made.json()["is_stored"] is True  # nothing more is to come
        assert read(datastore, "b") == b""

    def test_what_makes_no_sense(self, client: Client, url: str) -> None:
        address = self.create(client, url)["Location"]
        assert self.part(client, address, b"x", offset=3).status_code == 409
        assert self.part(client, address, b"x", offset="three").status_code == 400
        assert self.part(client, address, b"x", kind="text/plain").status_code == 415
        assert self.part(client, address, b"x" * 11).status_code == 400
        assert client.post(url, headers={"Upload-Length": "-1"}).status_code == 400
        assert client.post(url, headers={"Upload-Length": "1", "Upload-Metadata": "path ***"}).status_code == 400
        assert client.get(address, headers={"Tus-Resumable": "0.2.2"}).status_code == 412

    def test_given_up(self, client: Client, url: str) -> None:
        address = self.create(client, url)["Location"]
        self.part(client, address, b"01234")
        assert client.delete(address).status_code == 204
        assert client.head(address).status_code == 404
        assert self.part(client, address, b"56789", 5).status_code == 404
        assert not list(resumable.place_of(uuid4()).parent.iterdir())

    def test_a_reader_and_a_stranger(
        self, client: Client, url: str, reader: User, stranger: User, signed_in: Callable[[User], Client]
    ) -> None:
        address = self.create(client, url)["Location"]
        for person, status in ((reader, 403), (stranger, 404)):
            other = signed_in(person)
            assert self.create(other, url).status_code == status
            for answer in (other.head(address), other.delete(address), self.part(other, address, b"x")):
                assert answer.status_code == status

    def test_a_part_belongs_to_its_datastore(self, client: Client, url: str, datastore: Datastore) -> None:
        address = self.create(client, url)["Location"]
        files = Datastore.objects.get(workspace=datastore.workspace, name="workspacefilestore")
        elsewhere = address.replace(f"/{datastore.pk}/", f"/{files.pk}/")
        assert client.head(elsewhere).status_code == 404


def test_a_full_disk_while_a_form_is_read_is_a_507(
    datastore: Datastore, owner: User, signed_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own refusal, where Django keeps the parts of a form that do not fit into memory."""
    from django.core.files import uploadedfile
    from django.core.files.uploadedfile import SimpleUploadedFile

    opened: list[Any] = []

    def on_a_full_disk(**_options: object) -> Any:
        opened.append(Path("/dev/full").open("wb", buffering=0))  # noqa: SIM115 (Django's to write to)
        return opened[-1]

    monkeypatch.setattr(uploadedfile.tempfile, "NamedTemporaryFile", on_a_full_disk)
    large = SimpleUploadedFile("large.bin", b"x" * 3_000_000)
    answer = signed_in(owner).post(
        f"/api/workspaces/digits/datastores/{datastore.pk}/upload/", {"files": large, "folder": ""}
    )
    for file in opened:
        file.close()
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["detail"]

"""Data over REST: what is answered, to whom, and what a bad request gets."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from datastores.backends import get_backend
from datastores.models import Dataset, Datastore
from datastores.services import create_first_datastores
from studio.workspaces.models import User

pytestmark = pytest.mark.django_db
BASE = "/api/workspaces/digits"


def send(client: Client, method: str, path: str, body: object = None) -> Any:
    answer = client.generic(method, BASE + path, json.dumps(body), content_type="application/json")
    if answer.streaming:
        answer.getvalue()  # read to its end, which closes the file
    return answer


def upload(client: Client, datastore: Datastore, files: list[tuple[str, bytes]], **fields: object) -> Any:
    parts = [SimpleUploadedFile("file", content) for _, content in files]
    paths = json.dumps([path for path, _ in files])
    return client.post(
        f"{BASE}/datastores/{datastore.pk}/upload/", {"files": parts, "paths_json": paths, "folder": "in", **fields}
    )


@pytest.fixture
def client(signed_in: Callable[[User], Client], owner: User) -> Client:
    return signed_in(owner)


@pytest.fixture
def files_url(datastore: Datastore) -> str:
    return f"/datastores/{datastore.pk}/files/"


def test_a_datastore_is_registered_changed_and_removed(client: Client, datastore: Datastore) -> None:
    made = send(client, "POST", "/datastores/", {"name": "images"})
    assert made.status_code == 201
    address = f"/datastores/{made.json()['id']}/"
    assert send(client, "PATCH", address, {"description": "ours", "is_default": True}).json()["is_default"] is True
    listed = send(client, "GET", "/datastores/").json()["results"]
    assert [(row["name"], row["is_default"]) for row in listed] == [
        ("images", True),
        (datastore.name, False),
        ("workspacefilestore", False),
    ]
    assert send(client, "PATCH", address, {"is_default": False}).status_code == 400
    assert send(client, "DELETE", address).status_code == 409
    assert send(client, "PATCH", f"/datastores/{datastore.pk}/", {"is_default": True}).status_code == 200
    assert send(client, "DELETE", address).status_code == 204
    assert send(client, "GET", address).status_code == 404


def test_problems_come_with_their_place(client: Client, datastore: Datastore) -> None:
    answer = send(client, "POST", "/datastores/", {"name": "a b", "config": {"path": 3}})
    assert answer.status_code == 400
    assert {tuple(problem["loc"]) for problem in answer.json()["problems"]} == {("name",), ("config", "path")}


@pytest.mark.parametrize("nonsense", [[], {"a": 1}, [{}]])
def test_credentials_that_are_no_text_are_a_problem_at_their_field(
    client: Client, datastore: Datastore, nonsense: object
) -> None:
    body = {"config": {"path": "elsewhere"}, "credentials": {"key": nonsense}}
    for method, address in (("PATCH", ""), ("POST", "test/")):
        answer = send(client, method, f"/datastores/{datastore.pk}/{address}", body)
        assert answer.status_code == 400
        assert answer.json()["problems"][0]["loc"] == ["credentials", "key"]


def test_a_folder_is_listed_in_pages(
    client: Client, datastore: Datastore, put: Callable[..., None], files_url: str
) -> None:
    put("many/a", "many/b", "many/c/d")
    first = send(client, "GET", f"{files_url}?path=many&limit=2").json()
    assert [(entry["name"], entry["kind"]) for entry in first["entries"]] == [("c", "folder"), ("a", "file")]
    last = send(client, "GET", f"{files_url}?path=many&limit=2&after={first['after']}").json()
    assert [entry["path"] for entry in last["entries"]] == ["many/b"]
    assert last["after"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("path=nowhere", 404),
        ("path=../up", 400),
        ("path=/etc", 400),
        ("path=a%00b", 400),
        ("path=%ff", 404),
        ("limit=0", 400),
        ("limit=many", 400),
        ("limit=" + "9" * 5000, 400),
        ("after=nonsense%C3%A9", 400),
        ("after=AAAA", 400),
    ],
)
def test_a_bad_question_gets_a_reason(
    client: Client, datastore: Datastore, files_url: str, query: str, status: int
) -> None:
    answer = send(client, "GET", f"{files_url}?{query}")
    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"]


def test_files_are_uploaded_with_their_paths(client: Client, datastore: Datastore) -> None:
    answer = upload(client, datastore, [("0/a.png", b"a"), ("two words\n😀.txt", b"odd")])
    assert answer.status_code == 201
    assert [entry["path"] for entry in answer.json()["uploaded"]] == ["in/0/a.png", "in/two words\n😀.txt"]
    assert answer.json()["refused"] == []
    with get_backend(datastore).open_read("in/two words\n😀.txt") as stream:
        assert stream.read() == b"odd"


def test_what_is_refused_does_not_stop_the_rest(client: Client, datastore: Datastore) -> None:
    bad = ["../up", "/abs", "x" * 300, "lone \ud800 surrogate", ".studio-aside/x", ""]
    answer = upload(client, datastore, [*((path, b"x") for path in bad), ("ok", b"x")], folder="")
    assert answer.status_code == 207
    assert [entry["path"] for entry in answer.json()["uploaded"]] == ["ok"]
    assert len(answer.json()["refused"]) == len(bad)
    assert all(refused["message"] for refused in answer.json()["refused"])


def test_a_large_file_is_renamed_not_copied_through_memory(
    client: Client, datastore: Datastore, settings: Settings
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.FILE_UPLOAD_TEMP_DIR = settings.STUDIO_HOME
    content = b"0123456789" * 200_000
    assert upload(client, datastore, [("large.bin", content)]).status_code == 201
    place = get_backend(datastore).local_path("in/large.bin")
    assert place is not None
    assert place.read_bytes() == content
    assert place.stat().st_mode & 0o777 == 0o644
    assert not list(settings.STUDIO_HOME.glob("*.upload*"))


def test_plain_paths_and_file_names_do_as_well(client: Client, datastore: Datastore) -> None:
    address = f"{BASE}/datastores/{datastore.pk}/upload/"
    named = client.post(address, {"files": [SimpleUploadedFile("a.txt", b"a"), SimpleUploadedFile("b.txt", b"b")]})
    assert [entry["path"] for entry in named.json()["uploaded"]] == ["a.txt", "b.txt"]
    placed = client.post(address, {"files": [SimpleUploadedFile("a.txt", b"a")], "paths": ["deep/a.txt"]})
    assert [entry["path"] for entry in placed.json()["uploaded"]] == ["deep/a.txt"]


@pytest.mark.parametrize(
    "fields", [{"paths_json": '["a", "b"]'}, {"paths_json": "{}"}, {"paths_json": "["}, {"folder": "../up"}]
)
def test_an_upload_that_makes_no_sense_keeps_nothing(
    client: Client, datastore: Datastore, fields: dict[str, str]
) -> None:
    answer = upload(client, datastore, [("a", b"x")], **fields)
    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert get_backend(datastore).list().entries == []


def test_too_many_files_at_once_are_told_to_come_in_batches(
    client: Client, datastore: Datastore, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    answer = upload(client, datastore, [(f"f{number}", b"x") for number in range(4)])
    assert answer.status_code == 400
    assert "batches" in answer.json()["detail"]


def test_a_full_disk_is_a_507_that_says_so(
    client: Client, datastore: Datastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import shutil

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    answer = upload(client, datastore, [("a", b"x")])
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["detail"]
    assert len(answer.json()["refused"]) == 1


def test_folders_are_made_and_paths_deleted(client: Client, datastore: Datastore, files_url: str) -> None:
    folders = f"/datastores/{datastore.pk}/folders/"
    assert send(client, "POST", folders, {"name": "new"}).status_code == 201
    assert send(client, "POST", folders, {"name": "../up"}).json()["problems"][0]["loc"] == ["name"]
    assert send(client, "DELETE", f"{files_url}?path=new").status_code == 204
    assert send(client, "DELETE", f"{files_url}?path=new").status_code == 404
    assert send(client, "DELETE", f"{files_url}?path=").status_code == 400


def test_a_download_that_broke_off_goes_on(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put("numbers.txt", content=b"0123456789")
    address = f"{BASE}/datastores/{datastore.pk}/download/?path=numbers.txt"
    whole = client.get(address)
    assert whole.getvalue() == b"0123456789"
    rest = client.get(address, headers={"range": "bytes=6-", "if-range": whole["ETag"]})
    assert (rest.status_code, rest["Content-Range"]) == (206, "bytes 6-9/10")
    assert rest.getvalue() == b"6789"


def test_a_download_is_an_attachment(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put("page.html", content=b"<script>alert(1)</script>")
    answer = client.get(f"{BASE}/datastores/{datastore.pk}/download/?path=page.html")
    assert answer.status_code == 200
    assert answer.getvalue() == b"<script>alert(1)</script>"
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_a_dataset_from_its_first_version_to_its_end(
    client: Client, datastore: Datastore, put: Callable[..., None]
) -> None:
    put("t/a.png", "t/b.png")
    paths = [{"datastore_id": datastore.pk, "path": "t/*.png"}]
    preview = send(client, "POST", "/datasets/preview/", {"paths": paths}).json()
    assert (preview["file_count"], preview["size_bytes"], preview["is_complete"]) == (2, 2, True)
    made = send(client, "POST", "/datasets/", {"name": "train", "paths": paths})
    assert (made.status_code, made.json()["latest_version"]) == (201, 1)
    address = f"/datasets/{made.json()['id']}/"
    assert send(client, "POST", f"{address}versions/", {"paths": paths}).status_code == 200
    paths[0]["path"] = "t"
    assert send(client, "POST", f"{address}versions/", {"paths": paths}).status_code == 201
    numbers = [row["number"] for row in send(client, "GET", f"{address}versions/").json()["results"]]
    assert numbers == [2, 1]
    files = send(client, "GET", f"{address}versions/2/files/").json()
    assert [file["path"] for file in files["files"]] == ["t/a.png", "t/b.png"]
    assert send(client, "GET", f"{address}versions/3/files/").status_code == 404
    assert send(client, "PATCH", address, {"description": "ours"}).json()["description"] == "ours"
    assert send(client, "GET", "/datasets/?q=tra").json()["count"] == 1
    assert send(client, "DELETE", address).status_code == 204
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    "paths", [[], [{"path": "a"}], [{"datastore_id": "x", "path": "a"}], [{"datastore_id": 10**30, "path": "a"}], "a"]
)
def test_a_dataset_of_nonsense_is_refused(client: Client, datastore: Datastore, paths: object) -> None:
    assert send(client, "POST", "/datasets/", {"name": "d", "paths": paths}).status_code == 400


def addresses(datastore: Datastore, dataset: Dataset) -> Iterator[tuple[str, str, object]]:
    store, data = f"/datastores/{datastore.pk}/", f"/datasets/{dataset.pk}/"
    yield from [("GET", store, None), ("PATCH", store, {"description": ""}), ("DELETE", store, None)]
    yield from [("GET", f"{store}files/", None), ("DELETE", f"{store}files/?path=a", None)]
    yield from [("POST", f"{store}folders/", {"name": "n"}), ("GET", f"{store}download/?path=a", None)]
    yield from [("GET", data, None), ("PATCH", data, {"description": ""}), ("DELETE", data, None)]
    yield from [("GET", f"{data}versions/", None), ("POST", f"{data}versions/", {"paths": []})]
    yield ("GET", f"{data}versions/1/files/", None)


@pytest.fixture
def theirs(stranger: User) -> tuple[Datastore, Dataset]:
    """A datastore and a dataset of another workspace."""
    from datastores.models import DataPath
    from datastores.services import create_dataset

    elsewhere = stranger.workspaces.get()
    datastore = create_first_datastores(elsewhere)
    get_backend(datastore).write("a", BytesIO(b"secret"))
    paths = [DataPath(datastore_id=datastore.pk, path="a")]
    return datastore, create_dataset(elsewhere, name="theirs", paths=paths, actor=stranger).dataset


def test_another_workspaces_ids_do_not_exist(client: Client, theirs: tuple[Datastore, Dataset]) -> None:
    for method, path, body in addresses(*theirs):
        assert send(client, method, path, body).status_code == 404, (method, path)
    assert upload(client, theirs[0], [("a", b"x")]).status_code == 404


def test_a_stranger_and_nobody_see_nothing(
    datastore: Datastore, stranger: User, signed_in: Callable[[User], Client]
) -> None:
    assert send(signed_in(stranger), "GET", "/datastores/").status_code == 404
    assert send(Client(), "GET", "/datastores/").status_code == 401


def test_a_reader_reads_and_changes_nothing(
    datastore: Datastore, put: Callable[..., None], reader: User, owner: User, signed_in: Callable[[User], Client]
) -> None:
    from datastores.models import DataPath
    from datastores.services import create_dataset

    put("a")
    paths = [DataPath(datastore_id=datastore.pk, path="a")]
    dataset = create_dataset(datastore.workspace, name="d", paths=paths, actor=owner).dataset
    client = signed_in(reader)
    for method, path, body in addresses(datastore, dataset):
        assert send(client, method, path, body).status_code == (200 if method == "GET" else 403), (method, path)
    for path, body in [("/datastores/", {"name": "x"}), ("/datasets/", {}), ("/datasets/preview/", {})]:
        assert send(client, "POST", path, body).status_code == 403
    assert upload(client, datastore, [("b", b"x")]).status_code == 403
    assert [entry.name for entry in get_backend(datastore).list().entries] == ["a"]


def test_a_contributor_does_files_and_datasets_but_no_datastores(
    datastore: Datastore, contributor: User, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(contributor)
    assert upload(client, datastore, [("b", b"x")]).status_code == 201
    assert send(client, "POST", "/datastores/", {"name": "x"}).status_code == 403
    assert send(client, "DELETE", f"/datastores/{datastore.pk}/").status_code == 403


def test_a_datastore_whose_folder_is_gone_says_so(
    client: Client, datastore: Datastore, settings: Settings, tmp_path: Path
) -> None:
    """One elsewhere on the disk; the studio's own folders come with their first file."""
    settings.LOCAL_DATASTORE_ROOTS = [tmp_path]
    place = tmp_path / "mounted"
    place.mkdir()
    made = send(client, "POST", "/datastores/", {"name": "mounted", "config": {"path": str(place)}})
    place.rmdir()
    answer = send(client, "GET", f"/datastores/{made.json()['id']}/files/")
    assert answer.status_code == 404
    assert "not there" in answer.json()["detail"]

"""The pages of data: what they show, to whom, how many queries they need, and what never gets through them."""

from collections.abc import Callable
from io import BytesIO

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from datastores.backends import get_backend
from datastores.models import DataPath, Dataset, Datastore
from datastores.services import add_dataset_version, create_dataset, register_datastore
from studio.workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12


@pytest.fixture
def client(signed_in: Callable[[User], Client], owner: User) -> Client:
    return signed_in(owner)


@pytest.fixture
def dataset(workspace: Workspace, datastore: Datastore, owner: User) -> Dataset:
    paths = [DataPath(datastore_id=datastore.pk, path="train/**")]
    return create_dataset(workspace, name="train", paths=paths, actor=owner).dataset


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(f"/w/digits/{path}")
    assert answer.status_code == status, path
    return answer.content.decode()


def test_no_list_asks_more_for_more_rows(
    client: Client,
    workspace: Workspace,
    datastore: Datastore,
    owner: User,
    put: Callable[..., None],
    *,
    dataset: Dataset,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(50):
        register_datastore(workspace, kind="local", name=f"s{number}", config={}, actor=owner)
        paths = [DataPath(datastore_id=datastore.pk, path=f"f{number}")]
        create_dataset(workspace, name=f"d{number}", paths=paths, actor=owner)
        add_dataset_version(dataset, paths=paths, actor=owner)
    put(*(f"f{number}" for number in range(50)))
    store, data = f"datastores/{datastore.pk}/", f"datasets/{dataset.pk}/"
    for path in (
        "datastores/",
        "datastores/new/",
        store,
        f"{store}edit/",
        f"{store}delete/",
        f"{store}?prefix=f1",
        f"{store}file/?path=f1",
        "datasets/",
        "datasets/new/",
        data,
        f"{data}versions/new/",
        f"{data}edit/",
    ):
        with django_assert_max_num_queries(MOST_QUERIES):
            page(client, path)


def test_a_folder_shows_its_files_and_the_way_back(
    client: Client, datastore: Datastore, put: Callable[..., None]
) -> None:
    put("train/0/two words\n😀.txt", "train/<script>.txt")
    body = page(client, f"datastores/{datastore.pk}/?path=train")
    assert "&lt;script&gt;.txt" in body
    assert "<script>.txt" not in body
    assert f'href="/w/digits/datastores/{datastore.pk}/?path=train%2F0"' in body
    assert "two words" in page(client, f"datastores/{datastore.pk}/?path=train/0")


def test_a_long_folder_comes_in_parts(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put(*(f"f{number:03}" for number in range(150)))
    body = page(client, f"datastores/{datastore.pk}/")
    assert body.count("data-pick>") == 100
    after = body.split("after=")[1].split('"')[0]
    more = client.get(f"/w/digits/datastores/{datastore.pk}/?after={after}", headers={"HX-Request": "true"})
    assert more.content.decode().count("data-pick>") == 50
    assert "<html" not in more.content.decode()


@pytest.mark.parametrize(
    ("path", "status"), [("nowhere", 404), ("../up", 400), ("/etc/passwd", 400), ("a%00b", 400), ("%ed%a0%80", 404)]
)
def test_a_path_that_leads_nowhere_gets_a_page_that_says_so(
    client: Client, datastore: Datastore, path: str, status: int
) -> None:
    for view in ("", "file/", "download/"):
        assert "can&#x27;t be opened" in page(client, f"datastores/{datastore.pk}/{view}?path={path}", status) or status
    assert client.get(f"/w/digits/datastores/{datastore.pk}/image/?path={path}").status_code == 404


def test_names_that_are_not_text_do_not_break_the_page(client: Client, datastore: Datastore) -> None:
    import os

    root = get_backend(datastore).local_path("")
    assert root is not None
    with open(os.fsencode(root) + b"/\xff\xfe.bin", "wb"):  # noqa: PTH123 (bytes)
        pass
    (root / "out").symlink_to("/etc")
    body = page(client, f"datastores/{datastore.pk}/")
    assert "no text" in body
    assert "not opened" in body
    assert "symbolic link" in page(client, f"datastores/{datastore.pk}/?path=out", 400)


def test_a_picture_is_drawn_and_nothing_else_is(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put("plot.png", "evil.svg", "evil.html", content=b"<svg onload=alert(1)>")
    address = f"/w/digits/datastores/{datastore.pk}/image/?path="
    picture = client.get(f"{address}plot.png")
    assert picture["Content-Type"] == "image/png"
    assert "sandbox" in picture["Content-Security-Policy"]
    assert picture["X-Content-Type-Options"] == "nosniff"
    assert picture.getvalue()
    for name in ("evil.svg", "evil.html", "plot.png/..", "nowhere.png"):
        assert client.get(address + name).status_code == 404


def test_a_file_is_downloaded(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put("odd\nname.txt", content=b"bytes")
    answer = client.get(f"/w/digits/datastores/{datastore.pk}/download/", {"path": "odd\nname.txt"})
    assert answer.getvalue() == b"bytes"
    assert answer["Content-Disposition"] == 'attachment; filename="odd_name.txt"'


def test_a_datastore_is_registered_in_the_browser(client: Client, workspace: Workspace) -> None:
    assert 'href="?kind=local"' in page(client, "datastores/new/")
    assert "Register datastore" in page(client, "datastores/new/?kind=local")
    refused = client.post("/w/digits/datastores/new/", {"kind": "local", "name": "a", "config_path": "/etc"})
    assert refused.status_code == 400
    assert "STUDIO_LOCAL_DATASTORE_ROOTS" in refused.content.decode()
    assert client.post("/w/digits/datastores/new/", {"kind": "local", "name": "images"}).status_code == 302
    assert "images" in page(client, "datastores/")
    assert page(client, "datastores/new/?kind=tape", 404)


def test_a_datastore_is_changed_made_default_and_removed(
    client: Client, workspace: Workspace, datastore: Datastore, owner: User
) -> None:
    images = register_datastore(workspace, kind="local", name="images", config={}, actor=owner)
    base = f"/w/digits/datastores/{images.pk}"
    assert client.post(f"{base}/edit/", {"description": "x" * 501}).status_code == 400
    assert client.post(f"{base}/edit/", {"description": "ours"}).status_code == 302
    assert client.post(f"{base}/default/").status_code == 302
    answer = client.post(f"{base}/delete/")
    assert answer.status_code == 409
    assert "Make another one the default first" in answer.content.decode()
    client.post(f"/w/digits/datastores/{datastore.pk}/default/")
    assert "No dataset and no run uses it" in page(client, f"datastores/{images.pk}/delete/")
    assert "Its data is still where it was" in client.post(f"{base}/delete/", follow=True).content.decode()


def test_folders_are_made_and_files_deleted(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put("a", "b", "keep")
    base = f"/w/digits/datastores/{datastore.pk}"
    answer = client.post(f"{base}/folders/", {"folder": "", "name": "made here"})
    assert answer["Location"] == f"{base}/?path=made+here"
    assert "without slashes" in client.post(f"{base}/folders/", {"name": "a/b"}, follow=True).content.decode()
    client.post(f"{base}/delete-path/", {"path": ["a", "b", "made here", "nowhere"]})
    assert [entry.name for entry in get_backend(datastore).list().entries] == ["keep"]


def test_a_dataset_is_made_in_the_browser(client: Client, datastore: Datastore, put: Callable[..., None]) -> None:
    put("train/a.png")
    begun = page(client, f"datasets/new/?datastore={datastore.pk}&path=train&path=other")
    assert 'value="train"' in begun
    assert 'value="other"' in begun
    fields = {"name": "train", "description": "", "datastore": [datastore.pk], "path": ["../up"]}
    refused = client.post("/w/digits/datasets/new/", fields)
    assert refused.status_code == 400
    assert "must stay below" in refused.content.decode()
    assert 'value="../up"' in refused.content.decode()
    answer = client.post("/w/digits/datasets/new/", {**fields, "path": ["train/*"]}, follow=True)
    assert answer.status_code == 200
    assert "1 file" in answer.content.decode()
    made = Dataset.objects.get(name="train")
    assert "train/a.png" in page(client, f"datasets/{made.pk}/versions/1/files/")
    taken = client.post("/w/digits/datasets/new/", {**fields, "path": ["train/*"]})
    assert "taken" in taken.content.decode()


@pytest.mark.parametrize("datastore_id", ["", "x", "9" * 30, "-1"])
def test_a_datastore_that_is_none_is_refused_at_its_row(
    client: Client, workspace: Workspace, datastore_id: str
) -> None:
    answer = client.post("/w/digits/datasets/new/", {"name": "d", "datastore": [datastore_id], "path": ["a"]})
    assert answer.status_code == 400
    assert "Choose a datastore" in answer.content.decode()


def test_versions_are_added_and_looked_at(client: Client, dataset: Dataset, datastore: Datastore) -> None:
    base = f"/w/digits/datasets/{dataset.pk}"
    same = client.post(f"{base}/versions/new/", {"datastore": [datastore.pk], "path": ["train/**"]}, follow=True)
    assert "Nothing changed" in same.content.decode()
    client.post(f"{base}/versions/new/", {"datastore": [datastore.pk], "path": ["test"]})
    assert "version 2" in page(client, f"datasets/{dataset.pk}/")
    old = page(client, f"datasets/{dataset.pk}/?version=1")
    assert "version 1" in old
    assert "No file matches" in page(client, f"datasets/{dataset.pk}/versions/1/files/")
    for query in ("version=3", "version=x", "version=0", "page=-1"):
        page(client, f"datasets/{dataset.pk}/?{query}", 404)
    assert "no page 7" in page(client, f"datasets/{dataset.pk}/versions/2/files/?page=7")
    assert client.post(f"{base}/edit/", {"description": "ours"}).status_code == 302
    assert client.post(f"{base}/delete/").status_code == 302
    page(client, f"datasets/{dataset.pk}/", 404)


def test_empty_pages_say_what_to_do(client: Client, datastore: Datastore) -> None:
    assert "No datasets yet" in page(client, "datasets/")
    assert "Drop files or whole folders here" in page(client, f"datastores/{datastore.pk}/")
    assert "No dataset fits" in page(client, "datasets/?q=zzz%00")


def test_a_reader_sees_no_controls_and_is_refused(
    reader: User, datastore: Datastore, dataset: Dataset, put: Callable[..., None], signed_in: Callable[[User], Client]
) -> None:
    put("a.txt")
    client = signed_in(reader)
    store, data = f"datastores/{datastore.pk}/", f"datasets/{dataset.pk}/"
    for path in ("datastores/", store, f"{store}file/?path=a.txt", "datasets/", data):
        body = page(client, path)
        for control in ("Upload</", "Delete", "New ", "Use as dataset", "Edit</a>", "Settings"):
            assert control not in body.split('<main id="main"')[1].split("</main>")[0], (path, control)
    for path in (
        "datastores/new/",
        f"{store}edit/",
        f"{store}delete/",
        "datasets/new/",
        f"{data}edit/",
        f"{data}versions/new/",
    ):
        page(client, path, 403)
    for path in (
        f"{store}delete-path/",
        f"{store}folders/",
        f"{store}delete/",
        f"{store}default/",
        f"{data}delete/",
        "datasets/new/",
    ):
        assert client.post(f"/w/digits/{path}", {"path": "a.txt", "name": "x"}).status_code == 403
    assert [entry.name for entry in get_backend(datastore).list().entries] == ["a.txt"]


def test_another_workspaces_ids_do_not_exist(client: Client, workspace: Workspace, stranger: User) -> None:
    theirs = Datastore.objects.get(workspace=stranger.workspaces.get(), is_default=True)
    get_backend(theirs).write("a.png", BytesIO(b"secret"))
    paths = [DataPath(datastore_id=theirs.pk, path="a.png")]
    dataset = create_dataset(theirs.workspace, name="d", paths=paths, actor=stranger).dataset
    store, data = f"datastores/{theirs.pk}/", f"datasets/{dataset.pk}/"
    for path in ("", "edit/", "file/?path=a.png", "download/?path=a.png", "image/?path=a.png"):
        page(client, store + path, 404)
    for path in ("", "edit/", "versions/new/"):
        page(client, data + path, 404)
    for path in (f"{store}delete-path/", f"{store}folders/", f"{store}delete/", f"{store}default/", f"{data}delete/"):
        assert client.post(f"/w/digits/{path}", {"path": "a.png", "name": "x"}).status_code == 404
    refused = client.post("/w/digits/datasets/new/", {"name": "d", "datastore": [theirs.pk], "path": ["a.png"]})
    assert refused.status_code == 400
    assert get_backend(theirs).stat("a.png").size_bytes == 6


def test_nobody_is_sent_to_sign_in(datastore: Datastore) -> None:
    answer = Client().get(f"/w/digits/datastores/{datastore.pk}/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")

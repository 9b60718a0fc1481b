"""Datastores in a real browser: chosen by kind, tried, searched, left dangling; large files go on where they broke."""

import os
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

LARGE = 60_000_000  # two parts


def root_of(studio: Studio, place: Place, name: str = "workspaceblobstore") -> Path:
    code = """
        from datastores.backends import get_backend
        from datastores.models import Datastore
        result = str(get_backend(Datastore.objects.get(workspace__slug=slug, name=name)).local_path(""))
    """
    return Path(studio.inside(code, slug=place.slug, name=name))


def store_of(studio: Studio, place: Place, name: str = "workspaceblobstore") -> int:
    rows = studio.api(place.owner).get(f"/api/workspaces/{place.slug}/datastores/")["results"]
    return next(row["id"] for row in rows if row["name"] == name)


def open_store(page: Page, studio: Studio, place: Place, query: str = "") -> None:
    page.goto(f"/w/{place.slug}/datastores/{store_of(studio, place)}/{query}")
    page.wait_for_load_state()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    place = tmp_path / "large.bin"
    place.write_bytes(os.urandom(LARGE))
    return place


def test_a_kind_is_chosen_and_its_connection_tried(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datastores/")
    page.get_by_role("link", name="New datastore").click()
    page.get_by_role("link", name="PostgreSQL").click()
    page.get_by_label("Name").fill("shop")
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_label("Database").fill("shop")
    page.get_by_label("User").fill("reader")
    page.get_by_label("Password").fill("hush hush")
    expect(page.get_by_label("Certificate authority")).to_be_hidden()
    page.get_by_label("Encryption (TLS)").select_option("verify")
    expect(page.get_by_label("Certificate authority")).to_be_visible()
    page.get_by_label("Encryption (TLS)").select_option("prefer")

    page.get_by_role("button", name="Test connection").click()
    result = page.locator("[data-test-result]")
    expect(result).to_have_attribute("data-state", "bad")
    expect(page.locator('[data-error-for="config_host"]')).to_contain_text("STUDIO_PRIVATE_HOSTS")
    expect(page.get_by_label("Host")).to_be_focused()

    page.get_by_label("Sign in with").select_option("identity")
    expect(page.get_by_label("Password")).to_be_hidden()


def test_a_secret_is_never_filled_in_again(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datastores/new/?kind=postgresql")
    page.get_by_label("Name").fill("no spaces")
    page.get_by_label("Host").fill("db.example.com")
    page.get_by_label("Password").fill("hush hush")
    page.get_by_role("button", name="Register datastore").click()
    expect(page.get_by_text("Fill this in").or_(page.locator(".field-error:not(:empty)")).first).to_be_visible()
    expect(page.get_by_label("Host")).to_have_value("db.example.com")
    expect(page.get_by_label("Password")).to_have_value("")
    assert "hush hush" not in page.content()


def test_a_database_shows_its_tables_and_their_first_rows(studio: Studio, page: Page, place: Place) -> None:
    with closing(sqlite3.connect(root_of(studio, place) / "shop.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER, customer TEXT)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", [(number, f"<b>{number}") for number in range(150)])
        for number in range(30):
            database.execute(f"CREATE TABLE archive_{number:02} (id INTEGER)")
        database.commit()
    page.goto(f"/w/{place.slug}/datastores/new/?kind=sqlite")
    page.get_by_label("Name").fill("shop")
    page.get_by_label("File").fill("workspaceblobstore/shop.db")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("[data-test-result]")).to_have_attribute("data-state", "good")
    expect(page.locator("[data-test-result]")).to_contain_text("It can be read.")
    page.get_by_role("button", name="Register datastore").click()

    expect(page.get_by_role("link", name="orders", exact=True)).to_be_visible()
    rows = page.locator(".files-table tbody tr")
    expect(rows).to_have_count(31)
    page.get_by_label("Names of tables that begin with").press_sequentially("archive_1")
    expect(rows).to_have_count(10)
    page.get_by_label("Names of tables that begin with").fill("")
    page.get_by_role("link", name="orders", exact=True).click()
    expect(page.get_by_role("columnheader", name="id")).to_contain_text("Whole number")
    expect(page.locator(".rows-table tbody tr")).to_have_count(100)
    expect(page.locator(".rows-table tbody tr").nth(7)).to_contain_text("<b>7")
    expect(page.get_by_text("The first 100 rows.")).to_be_visible()
    for name in ("Upload", "New folder", "Delete"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_names_are_searched_by_their_beginning(studio: Studio, page: Page, place: Place) -> None:
    folder = root_of(studio, place) / "many"
    folder.mkdir()
    for number in range(250):
        (folder / f"{'odd' if number % 2 else 'even'}-{number:03}").touch()
    open_store(page, studio, place, "?path=many")
    rows = page.locator(".files-table tbody tr:not(.more-row)")
    expect(rows).to_have_count(100)
    page.get_by_label("Names of files and folders that begin with").press_sequentially("odd-")
    expect(rows.first).to_contain_text("odd-001")
    page.get_by_role("link", name="Show more").click()
    expect(rows).to_have_count(125)
    assert "prefix=odd-" in page.url
    page.get_by_label("Names of files and folders that begin with").fill("nothing")
    expect(page.get_by_role("heading", name="Nothing begins like that")).to_be_visible()


def test_a_folder_is_downloaded_and_counted_before_it_is_deleted(studio: Studio, page: Page, place: Place) -> None:
    folder = root_of(studio, place) / "train" / "deep"
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"{number}.txt").write_text("text")
    open_store(page, studio, place)
    with page.expect_download() as download:
        page.get_by_label("Download train as an archive").click()
    assert download.value.suggested_filename == "train.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert len(archive.namelist()) == 12
        assert archive.read("train/deep/3.txt") == b"text"

    page.get_by_label("Delete train").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("12 files, 48 B.")
    dialog.get_by_role("button", name="Keep it").click()
    (folder / "one-more.txt").touch()
    page.get_by_label("Delete train").click()
    expect(dialog).to_contain_text("13 files")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted.")).to_be_visible()
    assert not (root_of(studio, place) / "train").exists()


def test_a_large_file_goes_on_after_its_connection_broke(
    studio: Studio, page: Page, place: Place, large: Path, visitors: Visitors
) -> None:
    visitors.expect_error("net::ERR|Failed to load resource")
    open_store(page, studio, place)
    parts: list[int] = []

    def lose_the_second(route: Route) -> None:
        if route.request.method == "PATCH":
            parts.append(int(route.request.headers["upload-offset"]))
            if len(parts) == 2:
                route.abort()
                return
        route.continue_()

    page.route("**/uploads/*/", lose_the_second)
    page.locator("[data-input=files]").set_input_files(large)
    panel = page.locator("[data-upload]")
    expect(panel).to_have_attribute("data-state", "done", timeout=60_000)
    expect(panel).to_contain_text("1 file uploaded")
    assert parts == [0, 50_000_000, 50_000_000]
    expect(page.get_by_role("link", name="large.bin", exact=True)).to_be_visible()
    assert (root_of(studio, place) / "large.bin").read_bytes() == large.read_bytes()


def test_a_large_file_goes_on_after_the_page_was_left(
    studio: Studio, page: Page, place: Place, large: Path, visitors: Visitors
) -> None:
    visitors.expect_error("net::ERR|Failed to load resource")
    open_store(page, studio, place)
    page.on("dialog", lambda dialog: dialog.accept())  # whether one wants to leave while it runs
    page.route(
        "**/uploads/*/",
        lambda route: route.abort() if route.request.headers.get("upload-offset") == "50000000" else route.continue_(),
    )
    with page.expect_request(lambda request: request.headers.get("upload-offset") == "50000000", timeout=60_000):
        page.locator("[data-input=files]").set_input_files(large)
    open_store(page, studio, place)
    page.unroute_all()
    offsets: list[str] = []
    page.on("request", lambda request: offsets.append(request.headers.get("upload-offset", "")))
    page.locator("[data-input=files]").set_input_files(large)
    expect(page.locator("[data-upload]")).to_have_attribute("data-state", "done", timeout=60_000)
    assert [offset for offset in offsets if offset] == ["50000000"]
    assert (root_of(studio, place) / "large.bin").read_bytes() == large.read_bytes()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_upload_that_is_cancelled_leaves_nothing(
    studio: Studio, page: Page, place: Place, large: Path, method: str
) -> None:
    """While the studio is being asked for its place (POST), and while its first part is on the way (PATCH)."""
    open_store(page, studio, place)
    held: list[Route] = []
    page.route(
        "**/uploads/**",
        lambda route: held.append(route) if route.request.method == method else route.continue_(),
    )
    panel = page.locator("[data-upload]")
    with page.expect_request(lambda request: request.method == method):
        page.locator("[data-input=files]").set_input_files(large)
    expect(panel).to_contain_text("0 B of 60 MB")
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        panel.get_by_role("button", name="Cancel").click()
        if method == "POST":
            expect(panel).to_contain_text("Cancelled")
            held.pop().continue_()
    expect(panel).to_contain_text("Cancelled")
    assert not list((studio.home / "tmp" / "uploads").iterdir())


def test_a_datastore_is_tested_from_a_node(studio: Studio, page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datastores/{store_of(studio, place)}/edit/")
    page.get_by_role("button", name="Test from a node").click()
    result = page.locator("[data-node-test] [data-test-result]")
    expect(result).to_have_attribute("data-state", "good", timeout=30_000)
    expect(result).to_contain_text("local")


def test_one_that_is_used_goes_only_when_told_to(studio: Studio, page: Page, place: Place) -> None:
    store = store_of(studio, place, "workspacefilestore")
    body = {"name": "shared", "description": "", "paths": [{"datastore_id": store, "path": "a"}]}
    studio.api(place.owner).post(f"/api/workspaces/{place.slug}/datasets/", body)
    page.goto(f"/w/{place.slug}/datastores/{store}/edit/")
    page.get_by_role("link", name="Remove…").click()
    expect(page.get_by_text("It is used by 1 dataset.")).to_be_visible()
    page.get_by_role("button", name="Remove datastore").click()
    expect(page.get_by_role("alert")).to_contain_text("Delete them first")
    page.get_by_label("Leave 1 dataset without their data").check()
    page.get_by_role("button", name="Remove datastore").click()
    expect(page.get_by_text("workspacefilestore is removed.")).to_be_visible()

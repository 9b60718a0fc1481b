"""Data in a real browser: files and folders go up, odd names too, and a dataset is made of them by clicking alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Visitors
from tests.support.studio import Place, Studio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 small texts in two folders, more than one request takes."""
    for number in range(30):
        place = tmp_path / "train" / str(number % 2) / f"{number:03}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"number {number}\n")
    return tmp_path / "train"


def open_datastore(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datastores/")
    page.get_by_role("link", name="workspaceblobstore", exact=True).click()
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
    page.wait_for_load_state()  # a busy machine may show the page long before its scripts are there


def choose_files(page: Page, *files: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files([str(file) for file in files])


def done(page: Page) -> None:
    expect(page.locator("[data-upload]")).to_have_attribute("data-state", "done")


def test_a_folder_is_uploaded_browsed_and_made_a_dataset(page: Page, place: Place, folder: Path) -> None:
    open_datastore(page, place)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(str(folder))
    done(page)
    expect(page.locator("[data-upload]")).to_contain_text("30 files uploaded")

    page.get_by_role("link", name="train", exact=True).click()
    expect(page.locator(".files-table tbody tr")).to_have_count(2)
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.locator(".files-table tbody tr")).to_have_count(15)
    page.get_by_role("link", name="003.txt", exact=True).click()
    expect(page.get_by_label("Content of 003.txt")).to_have_text("number 3")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "003.txt"
    assert Path(download.value.path()).read_text() == "number 3\n"

    page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="train").click()
    page.get_by_role("link", name="Use as dataset", exact=True).click()
    match = page.get_by_label("What the paths match now")
    expect(match).to_contain_text("30 files")
    path = page.get_by_label("Path or pattern")
    path.fill("../train")
    expect(page.get_by_text("must stay below the datastore's root")).to_be_visible()
    path.fill("train/*/00?.txt")
    expect(match).to_contain_text("10 files")
    page.get_by_label("Name", exact=True).fill("first-ten")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", name="first-ten version 1")).to_be_visible()
    expect(page.locator(".files-table tbody tr")).to_have_count(10)


def test_odd_names_go_up_and_a_refused_one_takes_nothing_with_it(page: Page, place: Place, tmp_path: Path) -> None:
    odd = ["two words.txt", "line\nbreak.txt", "😀.txt", "<img src=x onerror=alert(1)>.txt"]
    for name in odd:
        (tmp_path / name).write_text(name)
    open_datastore(page, place)
    choose_files(page, *(tmp_path / name for name in odd))
    done(page)
    expect(page.locator(".files-table tbody tr")).to_have_count(4)
    expect(page.get_by_role("link", name="<img src=x onerror=alert(1)>.txt", exact=True)).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^line\s+break\.txt$")).click()
    expect(page.get_by_label(re.compile("^Content of line"))).to_have_text("line\nbreak.txt")

    page.go_back()
    page.locator("[data-input=files]").set_input_files(
        [
            {"name": "y" * 300, "mimeType": "text/plain", "buffer": b"too long"},
            {"name": "kept.txt", "mimeType": "text/plain", "buffer": b"kept"},
        ]
    )
    done(page)
    expect(page.locator("[data-upload]")).to_contain_text("1 file was refused")
    expect(page.locator(".upload-refused")).to_contain_text("300 bytes")
    expect(page.get_by_role("link", name="kept.txt", exact=True)).to_be_visible()


def test_a_request_that_fails_is_sent_again(page: Page, place: Place, folder: Path, visitors: Visitors) -> None:
    visitors.expect_error("net::ERR|Failed to load resource")
    open_datastore(page, place)
    requests = 0

    def lose_the_second(route: object) -> None:
        nonlocal requests
        requests += 1
        route.abort() if requests == 2 else route.continue_()

    page.route("**/upload/", lose_the_second)
    page.locator("[data-input=folder]").set_input_files(str(folder))
    done(page)
    expect(page.locator("[data-upload]")).to_contain_text("30 files uploaded")
    assert requests == 3
    page.get_by_role("link", name="train", exact=True).click()
    page.get_by_role("link", name="0", exact=True).click()
    expect(page.locator(".files-table tbody tr")).to_have_count(15)


def test_a_broken_connection_is_said_and_the_upload_goes_on(
    page: Page, place: Place, tmp_path: Path, visitors: Visitors
) -> None:
    visitors.expect_error("net::ERR|Failed to load resource|htmx:")
    open_datastore(page, place)
    words = page.locator("[data-upload-words]")
    (tmp_path / "small.bin").write_bytes(b"x")
    page.context.set_offline(True)
    page.locator("[data-input=files]").set_input_files(tmp_path / "small.bin")
    expect(words).to_contain_text("The studio does not answer. It is asked again")
    page.context.set_offline(False)
    expect(words).to_have_text("1 file uploaded")
    (tmp_path / "large.bin").write_bytes(b"x" * 9_000_000)  # it goes up part by part
    page.route("**/uploads/", lambda route: route.abort())
    page.locator("[data-input=files]").set_input_files(tmp_path / "large.bin")
    expect(words).to_contain_text("The studio does not answer. It is asked again")
    page.unroute("**/uploads/")
    expect(words).to_have_text("1 file uploaded")
    expect(page.get_by_role("link", name="large.bin", exact=True)).to_be_visible()


def test_an_upload_that_waits_for_a_connection_is_cancelled_at_once(
    page: Page, place: Place, tmp_path: Path, visitors: Visitors
) -> None:
    visitors.expect_error("net::ERR|Failed to load resource|htmx:")
    (tmp_path / "small.bin").write_bytes(b"x")
    open_datastore(page, place)
    page.context.set_offline(True)
    page.locator("[data-input=files]").set_input_files(tmp_path / "small.bin")
    expect(page.locator("[data-upload-words]")).to_contain_text("It is asked again")
    page.locator("[data-upload-cancel]").click()
    expect(page.locator("[data-upload-words]")).to_contain_text("Cancelled: 0 files are uploaded, 1 file is not")
    page.context.set_offline(False)
    page.reload()
    expect(page.get_by_role("link", name="small.bin", exact=True)).to_have_count(0)


def test_files_are_dropped_selected_and_deleted(page: Page, place: Place) -> None:
    open_datastore(page, place)
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            for (const name of ["a.txt", "b.txt", "c.txt"]) transfer.items.add(new File([name], name));
            return transfer;
        }"""
    )
    page.dispatch_event("#listing", "dragenter", {"dataTransfer": transfer})
    expect(page.get_by_text("Drop to upload to workspaceblobstore")).to_be_visible()
    page.dispatch_event("#listing", "drop", {"dataTransfer": transfer})
    done(page)
    expect(page.get_by_text("Drop to upload to workspaceblobstore")).to_be_hidden()
    expect(page.locator(".files-table tbody tr")).to_have_count(3)

    page.get_by_label("Select a.txt").check()
    page.get_by_label("Select b.txt").check()
    expect(page.get_by_text("2 items selected")).to_be_visible()
    page.locator("[data-selection]").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(page.locator(".files-table tbody tr")).to_have_count(3)
    page.locator("[data-selection]").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("2 items deleted.")).to_be_visible()
    expect(page.locator(".files-table tbody tr")).to_have_count(1)


def test_a_path_is_picked_by_clicking(page: Page, place: Place, folder: Path) -> None:
    open_datastore(page, place)
    page.locator("[data-input=folder]").set_input_files(str(folder))
    done(page)
    page.goto(f"/w/{place.slug}/datasets/new/")
    page.get_by_role("button", name="Browse").click()
    picker = page.get_by_role("dialog")
    picker.get_by_role("button", name="train", exact=True).click()
    picker.get_by_role("button", name="1", exact=True).click()
    picker.get_by_role("button", name="005.txt", exact=True).click()
    picker.get_by_role("button", name="Use this file").click()
    expect(page.get_by_label("Path or pattern")).to_have_value("train/1/005.txt")
    page.get_by_role("button", name="Add a path").click()
    page.get_by_role("button", name="Browse").nth(1).click()
    picker.get_by_role("button", name="train", exact=True).click()
    picker.get_by_role("button", name="0", exact=True).click()
    expect(picker.get_by_role("button", name="000.txt", exact=True)).to_be_visible()
    picker.get_by_role("button", name="Use this folder").click()
    expect(page.get_by_label("What the paths match now")).to_contain_text("16 files")


def test_a_long_folder_shows_more_on_demand(studio: Studio, page: Page, place: Place) -> None:
    code = """
        from io import BytesIO
        from datastores.backends import get_backend
        from datastores.models import Datastore
        backend = get_backend(Datastore.objects.get(workspace__slug=slug, is_default=True))
        for number in range(250):
            backend.write(f"{number:03}.txt", BytesIO(b"x"))
    """
    studio.inside(code, slug=place.slug)
    page.goto(f"/w/{place.slug}/datastores/")
    page.get_by_role("link", name="workspaceblobstore", exact=True).click()
    page.wait_for_load_state()  # before its scripts run, “Show more” is a plain link to the next part
    rows = page.locator(".files-table tbody tr:not(.more-row)")
    expect(rows).to_have_count(100)
    page.get_by_role("link", name="Show more").click()
    expect(rows).to_have_count(200)
    page.get_by_role("link", name="Show more").click()
    expect(rows).to_have_count(250)
    expect(page.get_by_role("link", name="Show more")).to_have_count(0)


def test_a_picture_that_cannot_be_drawn_has_its_icon(page: Page, place: Place, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (40, 40), "red").save(tmp_path / "whole.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    open_datastore(page, place)
    choose_files(page, tmp_path / "whole.png", tmp_path / "broken.png")
    done(page)
    whole, broken = (page.get_by_role("row").filter(has_text=f"{name}.png") for name in ("whole", "broken"))
    name = "a.file-name"
    for _ in range(2):  # as they come after the upload, and on the page as it is opened
        expect(broken.locator(f"{name} .icon")).to_be_visible()
        expect(broken.locator(f"{name} img")).to_be_hidden()
        expect(whole.locator(f"{name} img")).to_be_visible()
        expect(whole.locator(f"{name} .icon")).to_be_hidden()
        page.reload()


def test_a_reader_looks_and_changes_nothing(
    studio: Studio, place: Place, page: Page, visitors: Visitors, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("to be read")
    open_datastore(page, place)
    choose_files(page, tmp_path / "a.txt")
    done(page)
    reader = visitors.open(place.reader)
    reader.goto(page.url)
    expect(reader.get_by_role("link", name="a.txt", exact=True)).to_be_visible()
    for name in ("Upload", "New folder", "Delete"):
        expect(reader.get_by_role("button", name=name)).to_have_count(0)
    reader.get_by_role("link", name="a.txt", exact=True).click()
    expect(reader.get_by_label("Content of a.txt")).to_have_text("to be read")

"""Tables in a real browser: found out while their form is filled in, looked at, and derived from one another."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

PUT = """
from io import BytesIO
from datastores.backends import get_backend
from datastores.models import Datastore
backend = get_backend(Datastore.objects.get(workspace__slug=slug, is_default=True))
for path, text in files.items():
    backend.write(path, BytesIO(text.encode()))
"""
SALES = "id;price;placed_at;who\n" + "".join(
    f"{number};{number * 1.5};2026-01-{number % 28 + 1:02} 10:00:00;{'<b>Ana</b>' if number % 2 else 'Björn'}\n"
    for number in range(100)
)


@pytest.fixture
def page(visitors: Visitors, studio: Studio, place: Place) -> Page:
    files = {f"sales/2026/{month:02}.csv": SALES for month in (1, 2)}
    studio.inside(PUT, slug=place.slug, files={**files, "bad/ragged.csv": "a,b\n1,2\n3,4,5\n"})
    return visitors.open(place.contributor)


def settled(page: Page) -> None:
    expect(page.locator("[data-form-part]")).to_have_attribute("aria-busy", "false")


def test_a_table_is_found_out_corrected_and_derived_from(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datasets/")
    page.get_by_role("link", name="Name a table").click()
    path = page.get_by_label("Path or pattern")
    path.fill("bad/ragged.csv")
    expect(page.get_by_role("alert").filter(has_text="line 3 has 3 cells")).to_be_visible()
    path.fill("sales/**/*.csv")
    expect(page.get_by_text("2 files,")).to_be_visible()
    header = page.get_by_role("columnheader")
    expect(header).to_have_count(4)
    expect(page.get_by_label("Separator").locator("option:checked")).to_have_text("Found: semicolon")
    expect(page.get_by_role("cell", name="<b>Ana</b>").first).to_be_visible()

    page.get_by_label("Columns in the paths").fill("{year}/{month}.csv")
    expect(header).to_have_count(6)
    expect(page.get_by_label("Columns in the paths")).to_be_focused()
    page.get_by_label("Type of id").select_option(label="Text")
    settled(page)
    expect(page.get_by_label("Type of id").locator("option:checked")).to_have_text("Text")
    page.get_by_label("Time of a row").select_option("placed_at")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_text("This field is required")).to_be_visible()
    expect(header).to_have_count(6)  # nothing that was typed is lost
    expect(page.get_by_label("Type of id").locator("option:checked")).to_have_text("Text")
    page.get_by_label("Name", exact=True).fill("sales")
    page.get_by_label("Tags").fill("stage=raw")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.get_by_role("heading", name="sales version 1")).to_be_visible()
    expect(page.get_by_text("100 rows of 6 columns; there are more")).to_be_visible()

    page.get_by_role("link", name="Derive").click()
    page.get_by_role("button", name="Filter rows").click()
    page.get_by_label("Column", exact=True).select_option("price")
    page.get_by_label("How it is compared").select_option(label="is at least")
    page.get_by_label("Value").fill("120")
    expect(page.get_by_text("30 rows of 6 columns; there are more")).to_be_visible()
    page.get_by_role("button", name="Drop columns").click()
    page.get_by_role("checkbox", name="who").check()
    expect(page.get_by_text("of 5 columns")).to_be_visible()
    page.get_by_role("button", name="Random split").click()
    expect(page.get_by_label("Name of the second part")).to_have_value("sales-test")
    expect(page.get_by_label("Name", exact=True)).to_have_value("sales-train")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="sales-train version 1")).to_be_visible()
    expect(page.get_by_text("Take the first part, 80 %, of a random split (seed 0)")).to_be_visible()
    page.get_by_role("link", name="sales:1").first.click()
    expect(page.get_by_role("link", name="sales-test:1")).to_be_visible()


def test_data_that_moved_on_becomes_a_version(page: Page, place: Place, studio: Studio) -> None:
    page.goto(f"/w/{place.slug}/datasets/new/?kind=file")
    page.get_by_label("Path or pattern").fill("sales/**")
    page.get_by_label("Name", exact=True).fill("raw")
    page.get_by_role("button", name="Create dataset").click()
    expect(page.locator(".files-table tbody tr")).to_have_count(2)
    studio.inside(PUT, slug=place.slug, files={"sales/2026/03.csv": SALES, "sales/2026/01.csv": "id\n1\n"})
    page.reload()
    box = page.locator(".changes-box")
    expect(box).to_contain_text("2 files changed since this version was made")
    expect(box.get_by_role("link", name="sales/2026/03.csv")).to_be_visible()
    box.get_by_role("button", name="Make a new version").click()
    expect(page.get_by_role("heading", name="raw version 2")).to_be_visible()
    expect(page.locator(".files-table tbody tr")).to_have_count(3)
    expect(box).to_have_count(0)
    page.get_by_label("Show another version").click()
    page.get_by_role("link", name=re.compile("^Version 1")).first.click()
    expect(page.get_by_role("heading", name="raw version 1")).to_be_visible()
    expect(box).to_be_visible()


def test_a_web_address_has_no_folders(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/datasets/new/?kind=file")
    page.get_by_label("Datastore", exact=True).select_option("web")
    expect(page.get_by_role("button", name="Browse")).to_be_hidden()
    page.get_by_label("Path or pattern").fill("https://user:secret@example.org/data.csv")
    expect(page.get_by_text("Leave the name and password out of the address")).to_be_visible()

"""Steps that the node does itself, in a browser: built by clicking and typing, run, and looked at where they ran."""

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_builder import definition_of, form, new_pipeline, saved, section
from tests.browser.test_datastores import root_of
from tests.support.studio import Place, Studio

pytestmark = pytest.mark.timeout(300)
RUN_MS = 180_000


def test_sql_and_a_transfer_are_built_and_run(page: Page, place: Place, studio: Studio) -> None:
    with closing(sqlite3.connect(root_of(studio, place) / "shop.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
        database.execute("INSERT INTO orders VALUES (7)")
        database.commit()
    page.goto(f"/w/{place.slug}/datastores/new/?kind=sqlite")
    page.get_by_label("Name").fill("shop")
    page.get_by_label("File").fill("workspaceblobstore/shop.db")
    page.get_by_label("Steps may write").check()
    page.get_by_role("button", name="Register datastore").click()
    expect(page.get_by_role("link", name="orders", exact=True)).to_be_visible()

    new_pipeline(page, place, "Moving")
    page.locator(".builder-start").get_by_role("button", name="SQL").click()
    expect(form(page).get_by_role("heading", name="SQL", exact=True)).to_be_visible()
    form(page).get_by_label("Name", exact=True).fill("ask")
    for gone in ("Environment", "Entry script"):
        expect(form(page).get_by_label(gone, exact=True)).to_have_count(0)
    for gone in ("Source files", "Inputs", "Environment variables"):
        expect(section(page, gone)).to_have_count(0)
    saved(page, 1)
    expect(form(page).locator(".field-error", has_text="Choose a datastore that holds tables.")).to_be_visible()
    form(page).get_by_label("Database", exact=True).select_option("shop")
    form(page).get_by_label("Statements", exact=True).fill("SELECT * FROM orders")

    page.locator("summary[aria-label='Choose the kind of the new step']").click()
    page.locator(".builder-kinds").get_by_role("button", name="Data transfer").click()
    expect(form(page).get_by_role("heading", name="Data transfer", exact=True)).to_be_visible()
    section(page, "Inputs").get_by_role("listitem").get_by_role("combobox").select_option(label="ask → output")
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()
    form(page).get_by_label("Database", exact=True).select_option("shop")
    form(page).get_by_label("Table", exact=True).fill("copied")
    saved(page, 2)
    expect(page.locator("[data-builder=problems]")).to_be_hidden()
    sql, move = definition_of(studio, place, page)["steps"]
    assert (sql["kind"], sql["datastore"], sql["reads_only"]) == ("sql", "shop", True)
    assert (move["table"], move["existing"], move["outputs"]) == ("copied", "fail", [])
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)
    with closing(sqlite3.connect(root_of(studio, place) / "shop.db")) as database:
        assert database.execute("SELECT id FROM copied").fetchall() == [(7,)]

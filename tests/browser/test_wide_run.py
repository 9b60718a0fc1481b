"""A run of thousands of steps in a browser: its graph is there, and every step is found."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.runs import address
from tests.support.studio import Place, Studio

STEPS = 2_500
MANY = 1_000  # elements; a graph of all steps and edges would have tens of thousands
MAKE = """
from tests.support.wide_runs import wide_run
result = wide_run(slug, username, steps)
"""


@pytest.fixture
def run(studio: Studio, place: Place) -> int:
    number: int = studio.inside(MAKE, slug=place.slug, username=place.owner.username, steps=STEPS)
    return number


def card(step: str) -> str:
    return f'.graph-node[data-node="{step}"]'


def test_its_graph_is_there_and_every_step_is_found(place: Place, page: Page, run: int) -> None:
    page.goto(address(place, run))
    expect(page.locator(card("first"))).to_be_visible()
    expect(page.locator("[data-run=steps]")).to_have_text("2498 of 2,500 steps completed, 1 failed, 1 skipped")
    assert page.locator(".graph-node, .graph-edge").count() < MANY
    assert Axe().run(page).response["violations"] == []

    find = page.get_by_label("Find a step")
    find.fill("leaf-0231")
    expect(page.locator("#step-found")).to_have_text("10 steps")
    find.press("Enter")
    panel = page.get_by_role("complementary", name="Step")
    expect(panel.get_by_role("heading", level=2)).to_have_text("leaf-02310")
    expect(page.locator(card("leaf-02310"))).to_be_in_viewport()
    expect(page.locator(".graph-edge.is-on-path").first).to_be_attached()
    assert page.locator(".graph-node, .graph-edge").count() < MANY
    find.press("Enter")
    expect(panel.get_by_role("heading", level=2)).to_have_text("leaf-02311")
    find.press("Shift+Enter")
    expect(panel.get_by_role("heading", level=2)).to_have_text("leaf-02310")
    find.fill("no such step")
    expect(page.locator("#step-found")).to_have_text("0 steps")

    page.locator(card("leaf-02310")).focus()
    page.keyboard.press("ArrowDown")
    expect(panel.get_by_role("heading", level=2)).to_have_text("last")
    expect(page.locator(card("last"))).to_contain_text("2,498 inputs")


def test_from_afar_all_of_it_is_on_the_screen(place: Place, page: Page, run: int) -> None:
    page.goto(address(place, run))
    expect(page.locator(card("first"))).to_be_visible()
    page.get_by_label("Show everything (0)").click()
    expect(page.locator(".graph__overview")).to_be_visible()
    expect(page.locator(".graph-node")).to_have_count(0)
    surface = page.locator(".graph__surface").bounding_box()
    assert surface
    panel = page.get_by_role("complementary", name="Step")
    for aside in (0, 5):  # pixels: of two points so near to one another at most one is between two rows
        if not panel.is_visible():
            page.mouse.click(surface["x"] + surface["width"] / 2, surface["y"] + surface["height"] / 2 + aside)
    expect(panel.get_by_role("heading", level=2)).to_contain_text("leaf-")


def test_its_table_shows_more_rows_when_asked(place: Place, page: Page, run: int) -> None:
    page.goto(address(place, run, "?view=table"))
    rows = page.locator("tr[data-step]")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(400)
    expect(page.locator("[data-rest] span")).to_have_text("The first 400 of 2,500 steps.")
    page.get_by_label("Find a step").fill("LEAF-00007")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("exit code 3")
    expect(page.locator("[data-rest]")).to_be_hidden()
    page.get_by_label("Find a step").fill("last")
    expect(rows).to_contain_text("Skipped")
    rows.click()
    expect(page.get_by_role("complementary", name="Step").get_by_role("heading", level=2)).to_have_text("last")


def test_it_reads_without_a_mouse(place: Place, page: Page, run: int) -> None:
    page.goto(address(place, run, "?step=leaf-01234"))
    expect(page.locator(card("leaf-01234"))).to_be_in_viewport()
    page.keyboard.press("j")
    expect(page.get_by_role("complementary", name="Step").get_by_role("heading", level=2)).to_have_text("leaf-01235")

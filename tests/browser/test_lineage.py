"""Walking along the lineage in a browser: with the pointer, with the keyboard, and on a phone."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.runs import Script, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

# Each writes something else: what is the same would be reused, and be the same in the lineage as well.
WRITES = "import pathlib, sys\n(pathlib.Path(sys.argv[-1]) / 'result.csv').write_text('{name}')\n"


def walked(studio: Studio, place: Place) -> tuple[int, int]:
    """A run of first → second → third → fourth that completed, and the id of the default datastore."""
    scripts = [Script(name, WRITES.format(name=name), after=after) for name, after in CHAIN]
    run = submit(studio, place, *scripts, name="Chain")
    api, base = studio.api(place.owner), f"/api/workspaces/{place.slug}"
    done = lambda: api.get(f"{base}/runs/{run}/")["status"] in {"completed", "failed"}  # noqa: E731
    wait_for(done, what="the run ends", timeout_s=90)
    stores = api.get(f"{base}/datastores/")["results"]
    return run, next(store["id"] for store in stores if store["is_default"])


CHAIN = [("first", ()), ("second", ("first",)), ("third", ("second",)), ("fourth", ("third",))]


def card(page: Page, title: str) -> Locator:
    title_of = page.locator(".graph-node__title", has_text=re.compile(f"^{re.escape(title)}$"))
    return page.locator(".graph-node").filter(has=title_of)


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="What is selected")


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def test_from_a_file_along_the_steps_with_the_keyboard(page: Page, place: Place, studio: Studio) -> None:
    run, store = walked(studio, place)
    page.goto(f"/w/{place.slug}/lineage/?file={store}:runs/{run}/first/1/out/result.csv")
    expect(page.locator("#lineage[data-ready]")).to_be_attached()
    expect(heading(page)).to_have_text("Lineage of result.csv")
    for title in ("first", "result.csv", "second", "third", "More"):
        expect(card(page, title)).to_be_visible()
    expect(card(page, "fourth")).to_have_count(0)

    # What lies beyond two hops unfolds where it stands.
    card(page, "More").click()
    expect(panel(page)).to_contain_text("There is more")
    panel(page).get_by_role("button", name="Show it").click()
    expect(card(page, "fourth")).to_be_visible()
    expect(card(page, "More")).to_have_count(0)

    # Down along the edge, and Enter makes it the centre.
    card(page, "second").click()
    expect(panel(page)).to_contain_text(f"{run} of Chain, version 1")
    page.keyboard.press("ArrowDown")
    expect(panel(page).get_by_role("heading", level=2)).to_have_text("third")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Lineage of third")
    expect(page).to_have_url(re.compile(r"\?step=\d+$"))
    page.reload()
    expect(heading(page)).to_have_text("Lineage of third")
    expect(card(page, "fourth")).to_be_visible()
    page.go_back()
    expect(heading(page)).to_have_text("Lineage of result.csv")

    panel(page).get_by_role("link", name="Open the datastore").click()
    expect(page).to_have_url(re.compile(r"/datastores/\d+/"))


def test_a_run_leads_to_the_lineage_of_its_outputs(page: Page, place: Place, studio: Studio) -> None:
    run, _store = walked(studio, place)
    page.goto(f"/w/{place.slug}/runs/{run}/?step=second&tab=files")
    page.locator("#step-panel").get_by_role("link", name="Lineage").click()
    expect(heading(page)).to_have_text("Lineage of second")
    panel(page).get_by_role("link", name=re.compile(r"^main\.py of|^second\.py of|of [0-9a-f]{12}$")).click()
    expect(page).to_have_url(re.compile(r"tab=code"))


def test_on_a_phone_the_list_says_the_same(visitors: Visitors, place: Place, studio: Studio) -> None:
    run, store = walked(studio, place)
    page = visitors.open(place.reader, viewport={"width": 390, "height": 844})
    page.goto(f"/w/{place.slug}/lineage/?file={store}:runs/{run}/second/1/out")
    listed = page.get_by_role("region", name="As a list")
    expect(listed.get_by_role("heading")).to_have_text(["Made from", "This", "Made of it"])
    listed.get_by_role("button", name="third").click()
    expect(panel(page).get_by_role("heading", level=2)).to_have_text("third")
    panel(page).get_by_role("button", name="Centre here").click()
    expect(heading(page)).to_have_text("Lineage of third")
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390, "nothing runs out of the screen"

"""The compute page in a real browser: it moves while jobs come and go, and says when it can't."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.runs import Script, gate, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

START_MS = 60_000  # a new target's node is a new process


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A file that steps wait for; touched at the end, so that no step outlives its test."""
    path = tmp_path / "go"
    yield path
    path.touch()


@pytest.fixture
def target(studio: Studio, place: Place) -> int:
    """A target of one slot that only this test's workspace has."""
    body = {"name": f"own-{place.slug}", "slots": 1}
    made: int = studio.api(place.owner).post(f"/api/workspaces/{place.slug}/compute/", body)["id"]
    return made


def section(page: Page, title: str) -> str:
    return page.get_by_role("region", name=title).inner_text()


def test_the_page_moves_while_jobs_come_and_go(studio: Studio, place: Place, target: int, page: Page, go: Path) -> None:
    page.goto(f"/w/{place.slug}/compute/{target}/")
    page.evaluate("() => { window.sameDocument = true }")
    expect(page.locator("#live")).to_contain_text("Alive", timeout=START_MS)
    expect(page.get_by_role("img", name="0 of 1 slot in use").first).to_be_visible(timeout=START_MS)
    expect(page.locator("[data-live-note]")).to_have_text("Live")

    waits = f"{gate(go)}print('done')\n"
    here = {"compute": f"own-{place.slug}"}
    # Two that do different work: equal ones would share one execution.
    submit(studio, place, Script("left", waits, more=here), Script("right", f"{waits}# right\n", more=here))
    expect(page.get_by_role("img", name="1 of 1 slot in use").first).to_be_visible()
    expect(page.get_by_role("region", name="Running")).to_contain_text("left")
    expect(page.get_by_role("region", name="Queue")).to_contain_text("right")
    assert "right" not in section(page, "Running")

    go.touch()
    expect(page.get_by_role("img", name="0 of 1 slot in use").first).to_be_visible()
    finished = page.get_by_role("region", name="Recently finished")
    expect(finished).to_contain_text("left")
    expect(finished).to_contain_text("right")
    expect(page.get_by_role("region", name="Queue")).to_contain_text("No step waits")
    assert page.evaluate("() => window.sameDocument")


def test_the_heartbeat_stays_young(place: Place, target: int, page: Page) -> None:
    page.goto(f"/w/{place.slug}/compute/{target}/")
    expect(page.locator("#live")).to_contain_text("Alive", timeout=START_MS)
    heartbeat = page.get_by_role("region", name="Nodes").locator("time").first
    before = heartbeat.get_attribute("datetime")
    wait_for(lambda: heartbeat.get_attribute("datetime") != before, what="a newer heartbeat")


def test_a_node_is_watched_stopped_and_started(place: Place, target: int, page: Page) -> None:
    page.goto(f"/w/{place.slug}/compute/{target}/")
    cpu = page.get_by_role("img", name="CPU over the last hour")
    expect(cpu.locator("svg").first).to_be_visible(timeout=2 * START_MS)
    cpu.evaluate("chart => { chart.sameChart = true }")
    heartbeat = page.get_by_role("region", name="Nodes").locator("time").first
    before = heartbeat.get_attribute("datetime")
    wait_for(lambda: heartbeat.get_attribute("datetime") != before, what="the page is drawn again")
    assert cpu.evaluate("chart => chart.sameChart"), "a chart stays when the page around it is drawn again"

    page.get_by_role("region", name="Nodes").get_by_role("link").first.click()
    expect(page.get_by_role("img", name="Memory over the last hour").locator("svg").first).to_be_visible()
    expect(page.get_by_role("list", name="The node's own log")).to_contain_text("is ready: 1 slot")
    page.get_by_role("button", name="Stop").first.click()
    page.locator("#confirm").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible(timeout=START_MS)
    expect(page.get_by_role("list", name="The node's own log")).to_contain_text("has stopped", timeout=START_MS)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".facts")).to_contain_text("Alive", timeout=START_MS)


def test_a_target_is_made_changed_and_removed_by_clicking(place: Place, page: Page) -> None:
    page.goto(f"/w/{place.slug}/compute/")
    page.get_by_role("link", name="New target").click()
    page.get_by_label("Name").fill("by hand")
    page.get_by_label("Slots").fill("3")
    page.get_by_role("button", name="Create target").click()
    expect(page.locator(".field-error")).to_contain_text("letters, digits, hyphens")
    page.get_by_label("Name").fill("by-hand")
    page.get_by_role("button", name="Create target").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("by-hand")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Description").fill("Made by clicking")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".page-heading")).to_contain_text("Made by clicking")
    page.get_by_role("button", name="Delete").first.click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compute")
    expect(page.locator("#live")).not_to_contain_text("by-hand")


def test_a_reader_watches_and_changes_nothing(place: Place, target: int, visitors: Visitors) -> None:
    page = visitors.open(place.reader)
    page.goto(f"/w/{place.slug}/compute/{target}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"own-{place.slug}")
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    expect(page.locator(".page-actions").get_by_role("button")).to_have_count(0)


def test_an_environments_mistakes_stand_at_their_line(place: Place, page: Page) -> None:
    page.goto(f"/w/{place.slug}/environments/new/")
    page.get_by_label("Name").fill("forecast")
    page.get_by_label("pip requirements").fill("pandas>=2.2\nnot a requirement !!\n")
    page.get_by_role("button", name="Create environment").click()
    expect(page.locator(".field-error")).to_contain_text("Line 2:")
    expect(page.get_by_label("pip requirements")).to_have_value("pandas>=2.2\nnot a requirement !!\n")
    page.get_by_label("pip requirements").fill("pandas>=2.2\n")
    page.get_by_role("button", name="Create environment").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("forecast version 1")
    page.get_by_role("link", name="New version").click()
    page.get_by_label("pip requirements").fill("pandas>=2.3\nholidays\n")
    page.get_by_role("button", name="Save version").click()
    changes = page.get_by_role("list", name="Beside version 1")
    expect(changes.locator(".spec-removed")).to_have_text("removed: pandas>=2.2")
    expect(changes.locator(".spec-added")).to_have_count(2)
    # Colour alone tells nothing to whoever can't tell the two apart.
    sign = "line => getComputedStyle(line, '::before').content"
    assert changes.locator(".spec-removed").evaluate(sign) == '"−"'
    assert changes.locator(".spec-added").first.evaluate(sign) == '"+"'


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hangs_over_the_edge(place: Place, target: int, visitors: Visitors, width: int, scheme: str) -> None:
    page = visitors.open(place.owner, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in ("compute/", f"compute/{target}/", "compute/new/", "environments/", "environments/new/"):
        page.goto(f"/w/{place.slug}/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")

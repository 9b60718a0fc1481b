"""Pausing a run, one that stops at a failed step, and the settings of its next attempt, in a real browser."""

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.runs import Script, address, gate, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

LEVEL = "import os\nprint('level is', os.environ['LEVEL'])\nraise SystemExit(os.environ['LEVEL'] != 'high')\n"


def test_a_run_is_paused_and_resumed_and_a_reader_only_sees_it(
    studio: Studio, place: Place, page: Page, visitors: Visitors, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    run = submit(studio, place, Script("first", gate(go)), Script("second", "", after=("first",)))
    page.goto(address(place, run, "?view=table&step=second"))
    expect(page.locator('tr[data-step="first"][data-status="running"]')).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Pause").click()
    status, note = page.locator("[data-run=status]"), page.locator("[data-run=paused]")
    expect(status).to_have_text("Paused")
    expect(note).to_contain_text("1 step still runs to its end, and nothing further starts.")
    expect(page.locator("#step-panel")).to_contain_text("The run is paused")
    reader = visitors.open(place.reader)
    reader.goto(address(place, run, "?view=table"))
    expect(reader.locator("[data-run=status]")).to_have_text("Paused")
    expect(reader.get_by_role("button", name="Resume")).to_have_count(0)

    go.touch()
    expect(page.locator('tr[data-step="first"][data-status="completed"]')).to_be_visible(timeout=60_000)
    expect(note).to_contain_text("nothing further starts.")
    expect(page.locator('tr[data-step="second"]')).to_have_attribute("data-status", "waiting")
    page.get_by_role("button", name="Resume").click()
    expect(status).to_have_text("Completed", timeout=60_000)
    expect(note).to_be_hidden()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()


def test_a_run_that_stopped_is_mended_by_a_setting_and_goes_on(studio: Studio, place: Place, page: Page) -> None:
    fed = {"environment_variables": {"LEVEL": "low"}, "retry": {"max_attempts": 1}}
    run = submit(studio, place, Script("picky", LEVEL, more=fed), Script("late", "", after=("picky",)))
    page.goto(address(place, run, "?view=table"))
    expect(page.locator("[data-run=status]")).to_have_text("Failed", timeout=60_000)
    page.get_by_role("button", name="Resubmit").click()
    page.get_by_label("Continue on step failure").uncheck()
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(lambda url: f"/runs/{run}/" not in url)
    expect(page.locator(".run-facts")).to_contain_text("The run stops: nothing further starts")
    expect(page.locator("[data-run=status]")).to_have_text("Failed", timeout=60_000)

    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/file/?path=*", hold)
    page.get_by_role("button", name="Edit and continue").click()
    value = page.locator(".run-edit").get_by_label("Value", exact=True)
    expect(value).to_have_value("low")
    value.fill("high")
    wait_for(lambda: (page.title(), held)[1], what="the editor asks for the file")
    held.pop().continue_()
    expect(page.locator(".run-edit .cm-content")).to_be_visible()
    expect(value).to_be_focused()  # the file that arrived late has not taken the keyboard
    page.locator(".run-edit summary", has_text="Retries and limits").click()
    page.get_by_label("CPU limit").fill("-1")
    page.get_by_role("button", name="Save and continue the run").click()
    expect(page.get_by_text("A CPU limit is 0.1 to")).to_be_visible()
    page.get_by_label("CPU limit").fill("1")
    page.get_by_role("button", name="Save and continue the run").click()
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    page.get_by_role("tab", name="Code").click()
    expect(page.locator(".run-code-attempt")).to_contain_text("changed environment_variables, limits")

"""What a step asks for, why it waits, and who may use how much, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.runs import Script, submit
from tests.support.studio import Place, Studio


@pytest.fixture
def target(studio: Studio, place: Place) -> int:
    """A target of one slot that only this test's workspace has."""
    body = {"name": f"own-{place.slug}", "slots": 1}
    made: int = studio.api(place.owner).post(f"/api/workspaces/{place.slug}/compute/", body)["id"]
    return made


def test_a_paused_target_says_so_beside_each_step_and_goes_on_when_resumed(
    studio: Studio, place: Place, target: int, page: Page
) -> None:
    page.goto(f"/w/{place.slug}/compute/{target}/")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume").first).to_be_visible()
    run = submit(studio, place, Script("only", "print('done')\n", more={"compute": f"own-{place.slug}"}))
    queue = page.get_by_role("region", name="Queue")
    expect(queue).to_contain_text(f"“own-{place.slug}” is paused.")
    page.goto(f"/w/{place.slug}/runs/{run}/?step=only")
    expect(page.get_by_role("tabpanel")).to_contain_text(f"“own-{place.slug}” is paused.")
    page.goto(f"/w/{place.slug}/compute/{target}/")
    page.get_by_role("button", name="Resume").first.click()
    expect(page.get_by_role("region", name="Recently finished")).to_contain_text("only", timeout=60_000)


def test_the_builder_says_at_the_field_what_no_node_has(studio: Studio, place: Place, page: Page) -> None:
    api = studio.api(place.owner)
    made = api.post(f"/api/workspaces/{place.slug}/pipelines/", {"name": "asks"})
    page.goto(f"/w/{place.slug}/pipelines/{made['id']}/edit/")
    page.get_by_role("button", name=re.compile("Add (a )?step", re.IGNORECASE)).first.click()
    page.locator("details[data-more=resources] summary").click()
    expect(page.locator("details[data-more=resources]")).to_contain_text("Nodes of “local” have up to")
    cpus = page.get_by_label("CPUs", exact=True)
    cpus.fill("5000")
    expect(cpus).to_have_attribute("aria-invalid", "true")
    expect(page.locator("details[data-more=resources]")).to_contain_text("The largest node of “local” has")
    cpus.fill("1")
    expect(cpus).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("details[data-more=resources] .builder-more__said")).to_have_text("1 CPU")


def test_the_quotas_page_is_one_click_from_the_targets(place: Place, page: Page) -> None:
    page.goto(f"/w/{place.slug}/compute/")
    page.get_by_role("link", name="Quotas").click()
    expect(page.get_by_role("heading", name="Quotas")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("The workspace as a whole"))).to_be_visible()

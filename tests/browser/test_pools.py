"""Pools in a real browser: made by clicking, grown and shrunk before one's eyes; hosts are for administrators."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.runs import Script, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

START_MS = 60_000  # a node is a new process


def _new_pool(page: Page, place: Place, kind: str) -> None:
    page.goto(f"/w/{place.slug}/compute/new/")
    page.get_by_role("link", name=f"a pool of {kind}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"New pool of {kind}")


def test_a_pool_is_made_by_clicking_and_has_nodes_as_long_as_there_is_work(
    studio: Studio, place: Place, page: Page
) -> None:
    _new_pool(page, place, "processes")
    page.get_by_label("Name").fill("burst")
    page.get_by_label("Most nodes").fill("0")
    page.get_by_label("Idle seconds").fill("1")
    page.get_by_role("button", name="Create pool").click()
    expect(page.locator(".field-error")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("burst")
    page.get_by_label("Most nodes").fill("1")
    page.get_by_role("button", name="Create pool").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("burst")
    pool = page.get_by_role("region", name="Pool")
    expect(pool).to_contain_text("the first one starts when a step waits")
    page.evaluate("() => { window.sameDocument = true }")

    submit(studio, place, Script("only", "print('done')\n", more={"compute": "burst"}))
    expect(page.get_by_role("region", name="Recently finished")).to_contain_text("only", timeout=START_MS)
    done = page.get_by_role("list", name="What the pool did")
    expect(done).to_contain_text("it had no work for 1 s", timeout=START_MS)
    expect(page.get_by_role("region", name="Nodes")).not_to_contain_text("Alive", timeout=START_MS)
    assert page.evaluate("() => window.sameDocument")

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Most nodes")).to_have_value("1")
    page.get_by_label("Most nodes").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(pool).to_contain_text("2")
    page.get_by_role("button", name="Delete").first.click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compute")
    expect(page.locator("#live")).not_to_contain_text("burst")


@pytest.fixture
def administrator(studio: Studio, place: Place) -> Place:
    """The owner may do everything."""
    studio.inside("User.objects.filter(username=name).update(is_superuser=True)", name=place.owner.username)
    return place


def test_an_administrator_tries_hosts_before_they_are_kept(administrator: Place, visitors: Visitors) -> None:
    page = visitors.open(administrator.owner)
    _new_pool(page, administrator, "SSH hosts")
    page.get_by_label("Name").fill("far")
    page.get_by_label("Hosts").fill("studio@node.invalid\nnot-a-host\n")
    expect(page.get_by_label("Password")).to_be_hidden()
    page.get_by_label("Sign in with").select_option("password")
    expect(page.get_by_label("Private key")).to_be_hidden()
    page.get_by_label("Password").fill("a password that nobody sees")
    page.get_by_role("button", name="Create pool").click()
    expect(page.locator(".field-error").first).to_contain_text("Line 2: Name the user before the host")
    expect(page.get_by_label("Hosts")).to_have_value("studio@node.invalid\nnot-a-host\n")
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Hosts").fill("studio@node.invalid")
    page.get_by_label("Most nodes").fill("1")
    page.get_by_label("Password").fill("a password that nobody sees")
    page.get_by_role("button", name="Test the hosts").click()
    tried = page.get_by_role("status").filter(has_text="node.invalid")
    expect(tried).to_contain_text("There is no host named node.invalid", timeout=START_MS)
    assert "a password that nobody sees" not in page.content()


def test_an_owner_is_not_offered_hosts(place: Place, page: Page) -> None:
    page.goto(f"/w/{place.slug}/compute/new/")
    expect(page.get_by_role("link", name="a pool of processes")).to_be_visible()
    expect(page.get_by_role("link", name="a pool of SSH hosts")).to_have_count(0)
    refused = page.goto(f"/w/{place.slug}/compute/new/pool/ssh/")
    assert refused is not None
    assert refused.status == 403
    expect(page.locator("main")).to_contain_text("Only an administrator")

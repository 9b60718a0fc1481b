"""A table is profiled in the browser, live, and two versions are laid over each other."""

import re

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

PATIENCE_MS = 60_000  # a busy machine
MAKE = """
    from datastores.models import Datastore
    from tests.support.tables import csv_version

    datastore = Datastore.objects.get(workspace__slug=slug, is_default=True)
    columns = {"id": "integer", "value": "number", "<b>word</b>": "string"}
    first = csv_version(datastore, "readings", one, columns)
    del columns["id"]
    second = csv_version(datastore, "readings", two, {**columns, "extra": "integer"}, number=2)
    result = [first.pk, second.pk, first.dataset_id]
"""

ASK = """
    from datastores.models import DatasetVersion
    from datastores.services.profiles import request_profile

    request_profile(DatasetVersion.objects.get(pk=version), actor=None)
"""
ENDED = """
    from datastores.models import Profile

    result = Profile.objects.filter(version=version, status="completed").exists()
"""
CHANGED = """
    from datastores.models import DatasetVersion
    from datastores.services.profiles import changed_on_commit

    changed_on_commit(DatasetVersion.objects.get(pk=version).dataset.workspace_id, version)
"""


@pytest.fixture
def versions(studio: Studio, place: Place) -> tuple[int, int, int]:
    """The ids of two versions, and of their dataset."""
    words = ("<script>alert(1)</script>", "calm", "calm")
    one = "id,value,<b>word</b>\n" + "".join(f"{n},{n % 17}.5,{words[n % 3]}\n" for n in range(500))
    two = "value,<b>word</b>,extra\n" + "".join(f"{n % 23}.5,{words[n % 2]},{n}\n" for n in range(400))
    first, second, dataset = studio.inside(MAKE, slug=place.slug, one=one, two=two)
    return first, second, dataset


def test_a_table_is_profiled_and_its_columns_are_opened(
    page: Page, place: Place, versions: tuple[int, int, int]
) -> None:
    dataset = versions[2]
    page.goto(f"/w/{place.slug}/datasets/{dataset}/?version=1&tab=profile")
    page.get_by_role("button", name="Profile version 1").click()
    # Nobody reloads the page.
    expect(page.get_by_role("heading", name="500 rows, 3 columns")).to_be_visible(timeout=PATIENCE_MS)
    word = page.get_by_role("link", name="<b>word</b>")
    expect(word).to_be_visible()
    page.get_by_role("link", name="value", exact=True).click()
    facts = page.locator(".column-detail")
    expect(facts.locator(".js-plotly-plot .barlayer path").first).to_be_attached()
    expect(facts).to_contain_text("Median")
    word.click()
    expect(facts).to_have_count(2)
    expect(page.locator(".top-value", has_text="<script>alert(1)</script>")).to_be_visible()
    word.click()
    expect(facts).to_have_count(1)
    expect(word).to_have_attribute("aria-expanded", "false")
    page.reload()
    expect(page.get_by_role("heading", name="500 rows, 3 columns")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    tag = page.get_by_role("cell").filter(has=word).locator(".tag").bounding_box()
    assert tag is not None
    assert tag["height"] < 24, "on a phone a column's type looks like a button"


def test_two_versions_are_compared_and_what_is_missing_is_profiled_from_there(
    page: Page, place: Place, versions: tuple[int, int, int]
) -> None:
    first, second, _ = versions
    page.goto(f"/w/{place.slug}/datasets/compare/")
    page.get_by_label("Before").select_option(value=str(first))
    page.get_by_label("After").select_option(value=str(second))
    expect(page.get_by_text("1 added")).to_be_visible()
    expect(page.get_by_text("1 removed")).to_be_visible()
    buttons = page.get_by_role("button", name="Profile it")
    expect(buttons).to_have_count(2)
    for left in (1, 0):
        buttons.first.click()
        expect(buttons).to_have_count(left)
    expect(page.get_by_text("500 rows before, 400 after")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="value", exact=True).click()
    expect(page.locator(".column-detail .js-plotly-plot .barlayer .trace")).to_have_count(2)
    page.set_viewport_size({"width": 390, "height": 844})
    head, figure = (page.locator(f".compare-facts {cell}").last.bounding_box() for cell in ("thead th", "tbody td"))
    assert head
    assert figure
    assert head["x"] == pytest.approx(figure["x"], abs=2), "a head does not stand above its figures"
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_label("Which columns").select_option("changes")
    expect(page.get_by_role("link", name="value", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="extra")).to_be_visible()
    page.get_by_label("Find a column").fill("nothing")
    expect(page.get_by_text("No column fits")).to_be_visible()


def test_what_happened_between_the_page_and_its_socket_is_caught_up_with(
    page: Page, studio: Studio, place: Place, versions: tuple[int, int, int]
) -> None:
    def late(socket: WebSocketRoute) -> None:
        studio.inside(ASK, version=versions[0])
        wait_for(lambda: studio.inside(ENDED, version=versions[0]), what="the profile ends", timeout_s=60)
        socket.connect_to_server()

    page.route_web_socket("**/live/", late)
    page.goto(f"/w/{place.slug}/datasets/{versions[2]}/versions/1/profile/")
    expect(page.get_by_role("heading", name="500 rows, 3 columns")).to_be_visible(timeout=PATIENCE_MS)


def test_what_happens_while_the_page_is_refreshed_is_not_missed_and_open_columns_stay(
    page: Page, studio: Studio, place: Place, versions: tuple[int, int, int]
) -> None:
    answered = []

    def late(route: Route) -> None:
        """The first answer is from before the profile, and arrives after it."""
        answer = route.fetch()
        if not answered:
            studio.inside(ASK, version=versions[0])
            wait_for(lambda: studio.inside(ENDED, version=versions[0]), what="the profile ends", timeout_s=60)
        answered.append(answer)
        route.fulfill(response=answer)

    address = f"/w/{place.slug}/datasets/{versions[2]}/versions/1/profile/"
    page.goto(address)
    page.route(f"**{address}", late)
    studio.inside(CHANGED, version=versions[0])
    expect(page.get_by_role("heading", name="500 rows, 3 columns")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="value", exact=True).click()
    expect(page.locator(".column-detail")).to_have_count(1)
    with page.expect_response(f"**{address}"):
        studio.inside(CHANGED, version=versions[0])
    expect(page.locator(".column-detail")).to_have_count(1)


def test_a_reader_sees_profiles_and_starts_none(
    visitors: Visitors, place: Place, versions: tuple[int, int, int]
) -> None:
    page = visitors.open(place.reader)
    page.goto(f"/w/{place.slug}/datasets/{versions[2]}/versions/1/profile/")
    expect(page.get_by_text("A contributor of this workspace can start it")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Profile"))).to_have_count(0)

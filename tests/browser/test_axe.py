"""Every page, in light and dark, on a desktop and a phone, as axe reads it: nothing serious, nothing critical.

And every sign on it is one of the sprite: another one would be a gap.
"""

import pytest
from axe_playwright_python.sync_playwright import DEFAULT_OPTIONS, Axe
from playwright.sync_api import Page, expect

from tests.browser.rooms import PAGES, Room, furnish
from tests.support.browser import Visitors
from tests.support.studio import Studio

SCREENS = [(1440, 900), (390, 844)]
STILL = "*, ::before, ::after { transition: none !important; animation: none !important }"  # axe reads one moment
THEMES = {
    "light": DEFAULT_OPTIONS,
    "dark": {**DEFAULT_OPTIONS, "runOnly": ["color-contrast", "link-in-text-block"]},  # what colours can break
}
SIGNS_WITHOUT_PICTURE = """async () => {
  const uses = [...document.querySelectorAll("use")].map((use) => use.href.baseVal.split("#"));
  const sprites = [...new Set(uses.map(([file]) => file))];
  const texts = await Promise.all(sprites.map(async (file) => (await fetch(file)).text()));
  const drawn = new Map(sprites.map((file, index) => [file, texts[index]]));
  return [...new Set(uses.filter(([file, name]) => !drawn.get(file).includes(`id="${name}"`)).map(([, name]) => name))];
}"""
GRAVE = {"serious", "critical"}
EMPTY = ["pipelines", "runs", "datastores", "datasets", "models", "compute", "environments"]


@pytest.fixture(scope="module")
def room(studio: Studio) -> Room:
    return furnish(studio)


@pytest.mark.parametrize("name", PAGES)
def test_a_page(room: Room, visitors: Visitors, name: str) -> None:
    path, drawn = PAGES[name]
    page = visitors.open(room.place.owner, reduced_motion="reduce")
    page.goto(room.at(path))
    expect(page.locator(drawn).first).to_be_visible(timeout=30_000)
    looks_right_to_axe(page)


@pytest.mark.parametrize("name", EMPTY)
def test_a_page_of_an_empty_workspace_for_a_reader(studio: Studio, visitors: Visitors, name: str) -> None:
    place = studio.place()
    page = visitors.open(place.reader, reduced_motion="reduce")
    page.goto(f"/w/{place.slug}/{name}/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    looks_right_to_axe(page)


@pytest.mark.parametrize("path", ["/help/", "/workspaces/new/", "/accounts/password/"])
def test_a_page_without_a_workspace(room: Room, visitors: Visitors, path: str) -> None:
    page = visitors.open(room.place.owner, reduced_motion="reduce")
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    looks_right_to_axe(page)


def test_the_sign_in_page(visitors: Visitors) -> None:
    page = visitors.open(reduced_motion="reduce")
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    looks_right_to_axe(page)


def test_the_submit_dialog(room: Room, visitors: Visitors) -> None:
    page = visitors.open(room.place.owner, reduced_motion="reduce")
    page.goto(room.at(PAGES["pipeline"][0]))
    page.get_by_role("button", name="Submit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Experiment").fill("spaces and / slashes")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.locator(".field-error:visible, .form-errors:visible").first).to_be_visible()
    looks_right_to_axe(page)


@pytest.mark.parametrize(
    ("name", "button"),
    [("run", "Keys of this page"), ("members", "Rename workspace"), ("datastore", "New folder")],
)
def test_a_dialog(room: Room, visitors: Visitors, name: str, button: str) -> None:
    page = visitors.open(room.place.owner, reduced_motion="reduce")
    page.goto(room.at(PAGES[name][0]))
    page.get_by_role("button", name=button).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    looks_right_to_axe(page)


def test_a_step_in_the_builder_with_its_script_open(room: Room, visitors: Visitors) -> None:
    page = visitors.open(room.place.owner, reduced_motion="reduce")
    page.goto(room.at("pipelines/{draft}/edit/"))
    page.get_by_role("button", name="Add step").first.click()
    expect(page.locator(".graph-node")).to_be_visible()
    looks_right_to_axe(page)


def looks_right_to_axe(page: Page) -> None:
    """The page as it stands: every rule on both screens, and those that a theme can break in the dark as well."""
    assert page.evaluate(SIGNS_WITHOUT_PICTURE) == []
    page.add_style_tag(content=STILL)
    page.evaluate("() => document.fonts.ready")
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        for scheme, options in THEMES.items():
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
            grave = [
                f"{found['id']}: {node['html'][:160]} ({node['failureSummary']})"
                for found in Axe().run(page, options=options).response["violations"]
                if found["impact"] in GRAVE
                for node in found["nodes"][:4]
            ]
            assert not grave, f"{width} px, {scheme}:\n" + "\n".join(grave)

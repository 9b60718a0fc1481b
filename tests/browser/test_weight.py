"""What a page costs to fetch: little, and the plot library and the code editor only where they are shown.

The font of code (40 KB) comes with the first line of code that is shown, once for all pages, and is not counted.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.rooms import PAGES, WITH_A_PLOT, WITH_AN_EDITOR, Room, furnish
from tests.support.browser import Visitors
from tests.support.studio import Studio

LIMIT_BYTES = 200_000
FETCHED = """() => performance.getEntries()
  .filter((entry) => "transferSize" in entry)
  .map((entry) => [entry.name.replace(location.origin, ""), entry.transferSize])"""


@pytest.fixture(scope="module")
def room(studio: Studio) -> Room:
    return furnish(studio)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light(room: Room, visitors: Visitors, name: str) -> None:
    path, drawn = PAGES[name]
    page = visitors.open(room.place.owner)
    page.goto(room.at(path))
    expect(page.locator(drawn).first).to_be_visible(timeout=30_000)
    page.evaluate("() => document.fonts.ready")
    fetched = dict(page.evaluate(FETCHED))
    plots, editors, code_font = (
        [name for name in fetched if part in name] for part in ("plotly", "/editor-", "/jetbrains-mono-")
    )
    assert bool(plots) == (name in WITH_A_PLOT)
    assert bool(editors) == (name in WITH_AN_EDITOR)
    own = {name: size for name, size in fetched.items() if name not in {*plots, *editors, *code_font}}
    assert sum(own.values()) < LIMIT_BYTES, sorted(own.items(), key=lambda item: -item[1])

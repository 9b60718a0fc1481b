"""Logs of any length in a real browser: what is in the page and in memory stays bounded."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, submit
from tests.support.studio import Place, Studio

MILLION = """import sys
block = "".join(f"line {{:07d}} {'x' * 80}\\n" for _ in range(1000))
for start in range(0, 1_000_000, 1000):
    sys.stdout.write(block.format(*range(start, start + 1000)))
"""
MIXED = r"""import sys
print("\x1b[32mgreen\x1b[0m and plain")
print("a warning", file=sys.stderr, flush=True)
print("10%\r50%\r100%")
print("y" * 30_000)
for n in range(200): print("needle" if n % 50 == 7 else f"hay {n}")
"""


def done(page: Page) -> None:
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=90_000)


@pytest.fixture
def mixed(studio: Studio, place: Place, page: Page) -> Page:
    """The log of a step that says a bit of everything."""
    run = submit(studio, place, Script("talk", MIXED, more={"environment": "python"}))
    page.goto(address(place, run, "?step=talk&tab=log"))
    done(page)
    expect(page.locator(".log-foot")).to_contain_text("lines")
    return page


@pytest.mark.timeout(240)
def test_a_million_lines_open_at_their_end_and_are_searched_in_the_middle(
    studio: Studio, place: Place, page: Page
) -> None:
    run = submit(studio, place, Script("talk", MILLION))
    page.goto(address(place, run))
    done(page)
    opened = time.monotonic()
    page.goto(address(place, run, "?step=talk&tab=log"))
    expect(page.get_by_text("line 0999999")).to_be_visible()
    assert time.monotonic() - opened < 5, "it opens at its tail, however long it is"
    assert page.locator(".log-row").count() < 200

    page.get_by_role("searchbox", name="Search the log").fill("line 0500123")
    expect(page.locator(".log-current")).to_contain_text("line 0500123", timeout=30_000)
    assert page.locator(".log-row mark").first.text_content() == "line 0500123"

    view = page.get_by_role("region", name="Log of talk")
    view.focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("line 0000000")).to_be_visible()
    for share in (0.1, 0.9, 0.3, 0.7, 0.5):  # the thumb of the scroll bar
        view.evaluate("(view, share) => { view.scrollTop = view.scrollHeight * share }", share)
        page.wait_for_function("() => document.querySelectorAll('.log-row:not(.log-missing)').length > 20")
        assert page.locator(".log-row").count() < 200
    page.keyboard.press("End")
    expect(page.get_by_text("line 0999999")).to_be_visible()


def test_streams_colours_progress_bars_and_long_lines(mixed: Page) -> None:
    view = mixed.get_by_role("region", name="Log of talk")
    view.focus()
    mixed.keyboard.press("Home")
    expect(mixed.locator(".ansi-green-fg")).to_have_text("green")
    expect(mixed.locator(".log-t", has_text="100%")).to_have_text("100%")
    expect(mixed.locator(".log-cut")).to_contain_text("more in the download")
    # Of two streams nobody knows which is read first.
    mixed.get_by_role("searchbox", name="Search the log").fill("a warning")
    expect(mixed.locator(".log-err")).to_have_text("a warning")


def test_the_wheel_leaves_the_end_and_a_button_leads_back(mixed: Page) -> None:
    last = mixed.get_by_text("hay 199", exact=True)
    expect(last).to_be_visible()
    jump = mixed.get_by_role("button", name="Jump to end")
    expect(jump).to_be_hidden()
    mixed.get_by_role("region", name="Log of talk").hover()
    mixed.mouse.wheel(0, -1200)
    expect(jump).to_be_visible()
    expect(last).to_be_hidden()
    jump.click()
    expect(last).to_be_visible()
    expect(jump).to_be_hidden()


def test_search_goes_round_both_ways(mixed: Page) -> None:
    box = mixed.get_by_role("searchbox", name="Search the log")
    box.fill("NEEDLE")
    note = mixed.locator(".log-search-note")
    expect(note).to_have_text("4 of 4")  # from the end, the last one
    for key, place in (("Enter", "1 of 4"), ("Enter", "2 of 4"), ("Shift+Enter", "1 of 4"), ("Shift+Enter", "4 of 4")):
        box.press(key)
        expect(note).to_have_text(place)
    expect(mixed.locator(".log-current mark")).to_have_text("needle")
    box.fill("not in there")
    expect(note).to_have_text("No line matches")
    box.press("Escape")
    expect(note).to_have_text("")


def test_a_line_has_an_address(mixed: Page) -> None:
    mixed.get_by_role("link", name="Line 100", exact=True).or_(mixed.locator(".log-n").last).first.wait_for()
    mixed.get_by_role("region", name="Log of talk").focus()
    mixed.keyboard.press("Home")
    mixed.locator('.log-n[data-n="5"]').click()
    assert mixed.url.endswith("#L5")
    mixed.reload()
    expect(mixed.locator('.log-row.log-marked .log-n[data-n="5"]')).to_be_visible()


def test_wrapped_lines_can_be_scrolled_from_end_to_end(mixed: Page) -> None:
    mixed.get_by_role("button", name="Wrap long lines").click()
    last = mixed.get_by_text("hay 199", exact=True)
    expect(last).to_be_visible()
    view = mixed.get_by_role("region", name="Log of talk")
    view.focus()
    mixed.keyboard.press("Home")
    expect(mixed.get_by_text("and plain")).to_be_visible()
    view.hover()
    for _ in range(40):
        mixed.mouse.wheel(0, 900)
    expect(last).to_be_visible()
    assert view.evaluate("(view) => view.scrollWidth <= view.clientWidth")


def test_the_download_is_what_was_printed(mixed: Page) -> None:
    with mixed.expect_download() as waiting:
        mixed.get_by_role("link", name="Download the whole log").click()
    text = waiting.value.path().read_bytes()
    assert b"y" * 30_000 in text
    assert b"10%\r50%\r100%" in text

"""The page of one run, in a real browser against a whole studio."""

from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, gate, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

FAILING = """import sys
print("about to fail")
print("Traceback: the data is wrong", file=sys.stderr)
sys.exit(3)
"""
HOSTILE = r"""import pathlib, sys
evil = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
print(evil)
print("\x1b[31m" + evil + "\x1b[0m \x1b]8;;javascript:window.hacked=1\x07link\x1b]8;;\x07")
print(evil, file=sys.stderr)
folder = pathlib.Path(sys.argv[1])
(folder / "<img src=x onerror=window.hacked=1>.txt").write_text(evil)
(folder / "page.html").write_text(evil)
svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='window.hacked=1'><script>window.hacked=1</script></svg>"
(folder / "drawing.svg").write_text(svg)
"""


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A file that a step waits for; touched at the end, so that no step outlives its test."""
    path = tmp_path / "go"
    yield path
    path.touch()


def status_of(page: Page, step: str) -> str:
    return page.locator(f'tr[data-step="{step}"]').get_attribute("data-status") or ""


def test_steps_change_state_and_the_log_grows_without_a_reload(
    studio: Studio, place: Place, page: Page, go: Path
) -> None:
    first = Script("prepare", f"print('hello from prepare', flush=True)\n{gate(go)}print('good bye')\n")
    run = submit(studio, place, first, Script("train", "print('trained')\n", after=("prepare",)))
    page.goto(address(place, run, "?view=table&step=prepare&tab=log"))
    page.evaluate("() => { window.sameDocument = true }")
    log = page.get_by_role("region", name="Log of prepare")
    expect(log.get_by_text("hello from prepare", exact=True)).to_be_visible(timeout=60_000)
    # Its start is written down beside it: its first line may come before that.
    expect(page.locator('tr[data-step="prepare"][data-status="running"]')).to_be_visible()
    assert status_of(page, "train") == "waiting"
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.get_by_role("button", name="Cancel run")).to_be_visible()

    go.touch()
    expect(log.get_by_text("good bye")).to_be_visible()
    expect(page.locator('tr[data-step="train"][data-status="completed"]')).to_be_visible()
    expect(page.locator("[data-run=status]")).to_have_text("Completed")
    expect(page.locator("[data-run=steps]")).to_have_text("2 of 2 steps completed")
    expect(page.get_by_role("button", name="Cancel run")).to_be_hidden()
    expect(page.get_by_role("button", name="Resubmit")).to_be_visible()
    assert page.evaluate("() => window.sameDocument")


def test_a_failed_run_says_step_exit_code_and_last_lines_above_everything_else(
    studio: Studio, place: Place, page: Page, go: Path
) -> None:
    run = submit(
        studio, place, Script("break", gate(go) + FAILING), Script("after", "print('never')\n", after=("break",))
    )
    page.goto(address(place, run, "?view=table"))
    expect(page.locator('tr[data-step="break"][data-status="running"]')).to_be_visible(timeout=60_000)
    expect(page.locator(".run-failure")).to_have_count(0)
    go.touch()

    box = page.locator(".run-failure")
    expect(box.get_by_role("heading")).to_have_text("Step break failed: exit code 3")
    expect(box).to_contain_text("Traceback: the data is wrong")
    assert box.bounding_box()["y"] < page.locator(".run-facts").bounding_box()["y"]
    expect(page.locator('tr[data-step="after"][data-status="skipped"]')).to_be_visible()
    box.get_by_role("link", name="Open its log").click()
    expect(page.locator(".log-err", has_text="Traceback: the data is wrong")).to_be_visible()
    assert "step=break" in page.url
    assert "tab=log" in page.url

    page.reload()
    expect(page.locator(".run-failure").get_by_role("heading")).to_have_text("Step break failed: exit code 3")


def test_the_page_reads_without_scripts(studio: Studio, place: Place, visitors: Visitors) -> None:
    run = submit(studio, place, Script("break", FAILING))
    api = studio.api(place.reader)
    path = f"/api/workspaces/{place.slug}/runs/{run}/"
    wait_for(lambda: api.get(path)["status"] == "failed", what="the run fails", timeout_s=60)
    page = visitors.open(place.reader, java_script_enabled=False)
    page.goto(address(place, run))
    expect(page.locator(".run-failure")).to_contain_text("Step break failed: exit code 3")
    expect(page.locator("tr[data-step=break]")).to_be_visible()


def test_the_page_says_that_it_reconnects_and_catches_up(
    studio: Studio, place: Place, page: Page, visitors: Visitors, go: Path
) -> None:
    visitors.expect_error(r"WebSocket connection to|ERR_CONNECTION_REFUSED|Failed to load resource")
    run = submit(studio, place, Script("slow", f"print('first', flush=True)\n{gate(go)}print('second')\n"))
    page.goto(address(place, run, "?view=table&step=slow&tab=log"))
    expect(page.get_by_text("first", exact=True)).to_be_visible(timeout=60_000)
    expect(page.locator("#connection")).to_have_text("Live")
    page.evaluate("() => { window.sameDocument = true }")

    port = studio.address.rsplit(":", 1)[1]
    (web,) = (
        process
        for process in psutil.process_iter(["cmdline"])
        if {"uvicorn", port} <= set(process.info["cmdline"] or ())
    )
    web.kill()
    expect(page.locator("#connection")).to_have_text("Reconnecting…")
    go.touch()  # it ends while nobody can tell the page
    expect(page.locator('tr[data-step="slow"][data-status="completed"]')).to_be_visible(timeout=60_000)
    expect(page.get_by_text("second", exact=True)).to_be_visible()
    expect(page.locator("[data-run=status]")).to_have_text("Completed")
    assert page.evaluate("() => window.sameDocument")


def test_cancel_asks_first_and_then_ends_the_run(studio: Studio, place: Place, page: Page, go: Path) -> None:
    run = submit(studio, place, Script("endless", gate(go)), Script("after", "", after=("endless",)))
    page.goto(address(place, run, "?view=table"))
    expect(page.locator('tr[data-step="endless"][data-status="running"]')).to_be_visible(timeout=60_000)
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Let it run").click()
    expect(dialog).to_be_hidden()
    assert studio.api(place.reader).get(f"/api/workspaces/{place.slug}/runs/{run}/")["cancel_requested_at"] is None

    page.get_by_role("button", name="Cancel run").click()
    dialog.get_by_role("button", name="Cancel run").click()
    expect(page.locator("[data-run=status]")).to_have_text("Cancelled", timeout=30_000)
    assert status_of(page, "endless") == "cancelled"


def test_submit_again_makes_a_run_that_reuses(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("quick", "print('done')\n"))
    page.goto(address(place, run))
    page.get_by_role("button", name="Resubmit").click(timeout=60_000)
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(lambda url: url.rstrip("/").split("/")[-1] != str(run))
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=30_000)
    page.get_by_role("button", name="Table").click()
    page.locator("tr[data-step=quick]").click()
    expect(page.get_by_role("link", name=f"Open the step in run {run}")).to_be_visible()


def test_a_reader_can_watch_and_nothing_else(studio: Studio, place: Place, visitors: Visitors, go: Path) -> None:
    run = submit(studio, place, Script("slow", gate(go)))
    page = visitors.open(place.reader)
    page.goto(address(place, run))
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("[data-run=cancel], [data-run=again], #cancel-dialog")).to_have_count(0)
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_another_workspace_s_run_is_not_there(studio: Studio, place: Place, visitors: Visitors) -> None:
    run = submit(studio, place, Script("quick", ""))
    stranger = studio.place()
    page = visitors.open(stranger.owner)
    for path in (address(stranger, run), address(place, run), f"{address(stranger, run)}failure/"):
        answer = page.goto(path)
        assert answer
        assert answer.status == 404


def test_what_a_step_says_is_text_wherever_it_appears(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("hostile", HOSTILE))
    page.goto(address(place, run, "?step=hostile&tab=log"))
    expect(page.locator(".log-row", has_text="<script>window.hacked=1</script>")).to_have_count(3, timeout=60_000)
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    assert page.locator(".log-t img, .log-t script, .log-t a").count() == 0
    page.get_by_role("tab", name="Inputs & outputs").click()
    page.get_by_role("button", name="page.html").click()
    expect(page.locator(".run-preview pre")).to_contain_text("<script>window.hacked=1</script>")
    page.get_by_role("button", name="drawing.svg").click()
    expect(page.locator(".run-preview pre").first).to_contain_text("onload=")
    expect(page.get_by_text("<img src=x onerror=window.hacked=1>.txt")).to_be_visible()
    assert page.locator(".run-panel img").count() == 0
    assert page.evaluate("() => window.hacked") is None


def test_keys_lead_from_step_to_step(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("one", "print(1)\n"), Script("two", "print(2)\n", after=("one",)))
    page.goto(address(place, run, "?step=one"))
    title = page.locator("[data-panel=title]")
    expect(title).to_have_text("one")
    page.keyboard.press("j")
    expect(title).to_have_text("two")
    page.keyboard.press("k")
    expect(title).to_have_text("one")
    page.keyboard.press("l")
    expect(page.get_by_role("region", name="Log of one")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search the log")).to_be_focused()
    page.keyboard.type("jjj")  # typing is no shortcut
    expect(title).to_have_text("one")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of this page")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#step-panel")).to_be_hidden()


def test_code_environment_and_timeline_are_there(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("quick", "print('some code')\n"))
    page.goto(address(place, run, "?step=quick&tab=code"))
    expect(page.locator(".cm-content")).to_contain_text("print('some code')")
    page.get_by_role("tab", name="Environment").click()
    expect(page.get_by_text("Nothing beyond the standard library.")).to_be_visible()
    page.get_by_role("button", name="Timeline").click()
    expect(page.locator(".run-plot .barlayer")).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Overview").click()
    expect(page.get_by_text("python main.py")).to_be_visible()

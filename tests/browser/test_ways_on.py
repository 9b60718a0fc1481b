"""Ways on from a failed run, in a real browser: continue it, and mend its step's code on the spot."""

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.runs import Script, address, gate, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

WRITES = """import pathlib, sys
pathlib.Path(sys.argv[-1], "number.txt").write_text("20")
print("wrote 20")
"""
BROKEN = """import pathlib, sys
number = pathlib.Path(sys.argv[1], "number.txt").read_text()
print(number + 1)
"""
MENDED = """import pathlib, sys
number = pathlib.Path(sys.argv[1], "number.txt").read_text()
print("the answer is", int(number) + 1)
"""


def failed(studio: Studio, place: Place, page: Page, query: str = "?view=table") -> int:
    run = submit(studio, place, Script("write", WRITES), Script("add", BROKEN, after=("write",)))
    page.goto(address(place, run, query))
    expect(page.locator("[data-run=status]")).to_have_text("Failed", timeout=60_000)
    return run


def test_a_failed_step_is_edited_on_the_runs_page_and_the_run_completes(
    studio: Studio, place: Place, page: Page
) -> None:
    run = failed(studio, place, page)
    page.evaluate("() => { window.sameDocument = true }")
    page.get_by_role("button", name="Edit and continue").click()
    text = page.locator(".run-edit .cm-content")
    expect(text).to_contain_text("print(number + 1)")
    text.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(MENDED)
    expect(page.get_by_title("Changed")).to_be_visible()

    # What is wrong is said at its field, and nothing is lost by it.
    entry = page.get_by_label("Entry script")
    entry.fill("mian.py")
    page.get_by_role("button", name="Save and continue the run").click()
    expect(page.locator(".run-edit-fields .field-error").first).to_contain_text("There is no “mian.py”")
    entry.fill("main.py")
    page.get_by_label("Also save it in the pipeline").check()
    page.get_by_role("button", name="Save and continue the run").click()

    log = page.get_by_role("region", name="Log of add")
    expect(log.get_by_text("the answer is 21")).to_be_visible(timeout=60_000)
    expect(page.locator("[data-run=status]")).to_have_text("Completed")
    expect(page.locator("[data-run=steps]")).to_have_text("2 of 2 steps completed")
    expect(page.locator(".run-failure")).to_have_count(0)
    expect(page.get_by_role("button", name="Edit and continue")).to_be_hidden()

    # The first attempt keeps its log and its code.
    page.get_by_label("Attempt", exact=True).select_option("1")
    expect(log.get_by_text("TypeError", exact=False).first).to_be_visible()
    page.get_by_role("tab", name="Code").click()
    expect(page.locator(".cm-content")).to_contain_text("the answer is")
    expect(page.locator(".run-code-attempt")).to_contain_text("changed main.py")
    page.get_by_label("Code of which attempt").select_option("1")
    expect(page.locator(".cm-content")).to_contain_text("print(number + 1)")
    # A new run is one of the version, and says what it is without.
    page.get_by_role("button", name="Resubmit").click()
    expect(page.locator("[data-without]")).to_contain_text("“add” ran as edited within the run. This submits version 1")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert page.evaluate("() => window.sameDocument")

    api = studio.api(place.contributor)
    state = api.get(f"/api/workspaces/{place.slug}/runs/{run}/")
    assert [(step["status"], step["attempt"]) for step in state["steps"]] == [("completed", 1), ("completed", 2)]
    assert api.get(f"/api/workspaces/{place.slug}/pipelines/{state['pipeline']['id']}/")["latest_version"] == 2


def test_a_run_is_continued_and_the_second_to_click_is_told(
    studio: Studio, place: Place, page: Page, visitors: Visitors, tmp_path: Path
) -> None:
    visitors.expect_error(r"409")
    go = tmp_path / "go"
    go.touch()
    run = submit(studio, place, Script("write", WRITES), Script("add", gate(go) + BROKEN, after=("write",)))
    page.goto(address(place, run, "?view=table"))
    status = page.locator("[data-run=status]")
    expect(status).to_have_text("Failed", timeout=60_000)
    expect(page.get_by_role("button", name="Resubmit")).to_be_visible()
    go.unlink()  # the second attempt shall still be at work when the second click comes
    api = studio.api(place.contributor)
    path = f"/api/workspaces/{place.slug}/runs/{run}/"

    def somebody_is_quicker(route: Route) -> None:
        api.post(f"{path}continue/", {})
        route.continue_()

    page.route("**/continue/", somebody_is_quicker)
    page.get_by_role("button", name="Continue from the failed step").click()
    expect(page.get_by_text("goes on already")).to_be_visible()
    expect(status).to_have_text("Running", timeout=60_000)
    go.touch()
    expect(status).to_have_text("Failed", timeout=60_000)
    assert [step["attempt"] for step in api.get(path)["steps"]] == [1, 2]


def test_what_was_typed_stays_while_another_step_is_looked_at(studio: Studio, place: Place, page: Page) -> None:
    failed(studio, place, page, "?view=table&step=add&tab=code")
    page.locator("#step-panel").get_by_role("button", name="Edit and continue").click()
    page.locator(".run-edit .cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("# a thought")
    page.locator('tr[data-step="write"]').click()
    expect(page.locator(".cm-content")).to_contain_text("wrote 20")
    expect(page.locator("#step-panel").get_by_role("button", name="Edit and continue")).to_have_count(0)
    page.locator('tr[data-step="add"]').click()
    expect(page.locator(".run-edit .cm-content")).to_contain_text("# a thought")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".cm-content")).not_to_contain_text("# a thought")


def test_a_run_is_made_anew_from_one_of_its_steps_and_cloned(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("write", WRITES), Script("add", MENDED, after=("write",)))
    page.goto(address(place, run, "?view=table&step=add"))
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    page.get_by_role("button", name="Rerun from this step").click()
    page.wait_for_url(lambda url: f"/runs/{run}/" not in url)
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    expect(page.locator("[data-run=steps]")).to_have_text("2 of 2 steps completed, 1 reused")
    expect(page.locator(".run-facts")).to_contain_text(f"run {run}, from “add” on")
    page.get_by_label("More").click()
    page.get_by_role("button", name="Clone as a new pipeline").click()
    expect(page.locator("[data-builder=title]")).to_contain_text("(copy)")


def test_what_is_offered_for_a_step_follows_its_run(studio: Studio, place: Place, page: Page, tmp_path: Path) -> None:
    """The step that is looked at is done all the time: nothing but its run moves."""
    go = tmp_path / "go"
    run = submit(studio, place, Script("write", WRITES), Script("add", gate(go), after=("write",)))
    api, path = studio.api(place.contributor), f"/api/workspaces/{place.slug}/runs/{run}/"
    page.goto(address(place, run, "?view=table&step=write"))
    wait_for(lambda: api.get(path)["steps"][1]["status"] == "running", what="the second step", timeout_s=60)
    again = page.get_by_role("button", name="Rerun from this step")
    expect(page.locator("#step-panel")).to_contain_text("Exit code")
    expect(again).to_have_count(0)
    go.touch()
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    expect(again).to_be_visible()


def test_an_output_that_nobody_wrote_is_awaited_only_as_long_as_its_step_runs(
    studio: Studio, place: Place, page: Page, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    run = submit(studio, place, Script("add", f"{gate(go)}raise SystemExit(1)\n"))
    page.goto(address(place, run, "?view=table&step=add&tab=files"))
    output = page.locator("#step-panel .run-output-pending")
    expect(output).to_contain_text("not there yet")
    go.touch()
    expect(page.locator("[data-run=status]")).to_have_text("Failed", timeout=60_000)
    expect(output).to_contain_text("nothing was kept")
    go.unlink()
    page.get_by_role("button", name="Continue from the failed step").click()
    expect(output).to_contain_text("not there yet")
    go.touch()  # nobody waits for it any more


def test_a_reader_is_offered_no_way_on(studio: Studio, place: Place, page: Page, visitors: Visitors) -> None:
    run = failed(studio, place, page)
    reader = visitors.open(place.reader)
    reader.goto(address(place, run, "?view=table&step=add&tab=code"))
    expect(reader.locator(".cm-content")).to_contain_text("print(number + 1)")
    for name in ("Continue from the failed step", "Edit and continue", "Resubmit", "Clone as a new pipeline"):
        expect(reader.get_by_role("button", name=name)).to_have_count(0)


def test_the_editor_fits_a_phone(studio: Studio, place: Place, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    failed(studio, place, page)
    page.get_by_role("button", name="Edit and continue").click()
    expect(page.locator(".cm-content")).to_be_visible()
    expect(page.get_by_role("button", name="Save and continue the run")).to_be_in_viewport()
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_one_step_is_cancelled_and_the_rest_goes_on(studio: Studio, place: Place, page: Page) -> None:
    endless = "import time\nprint('waits', flush=True)\ntime.sleep(600)\n"
    run = submit(
        studio, place, Script("endless", endless), Script("after", "", after=("endless",)), Script("quick", "")
    )
    page.goto(address(place, run, "?view=table&step=endless"))
    expect(page.locator('tr[data-step="endless"][data-status="running"]')).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel this step").click()
    expect(page.locator('tr[data-step="endless"][data-status="cancelled"]')).to_be_visible(timeout=30_000)
    expect(page.locator('tr[data-step="after"][data-status="skipped"]')).to_be_visible()
    expect(page.locator('tr[data-step="quick"][data-status="completed"]')).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Cancel this step")).to_have_count(0)
    expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible()

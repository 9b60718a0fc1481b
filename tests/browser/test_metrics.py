"""What steps measure, in a browser: drawn while they run, named as text; tags given by people."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, gate, submit
from tests.support.studio import Place, Studio

MEASURES = """
from studio_sdk.core import Run
run = Run.get_context()
run.tag("stage", "baseline")
for step in range(5):
    run.log("loss <b>x</b>", 1 / (step + 1), step=step)
run.log("loss <b>x</b>", float("nan"))
run.log("final", 0.93)
"""


def test_metrics_are_drawn_while_a_step_runs_and_stay(studio: Studio, place: Place, page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    more = "\nrun.log('late', 1)\nrun.log('late', 2)\nrun.log_list('names', ['<i>a</i>'])\n"
    run = submit(studio, place, Script("train", gate(go) + MEASURES + gate(f"{go}2") + more))
    page.goto(address(place, run, "?view=metrics"))
    pane = page.get_by_role("region", name="Metrics of the steps")
    expect(pane.get_by_role("heading", name="Nothing measured yet")).to_be_visible(timeout=30_000)
    expect(pane.get_by_text("run = Run.get_context()")).to_be_visible()

    go.touch()
    chart = pane.get_by_role("img", name="Chart of loss <b>x</b>")
    expect(chart.locator("svg .scatterlayer .trace")).to_have_count(1, timeout=60_000)
    expect(pane.get_by_text("train; 1 not finite, left out")).to_be_visible()
    row = pane.get_by_role("row").filter(has_text="final")
    expect(row).to_contain_text("0.93")
    Path(f"{go}2").touch()
    expect(pane.get_by_role("img", name="Chart of late")).to_be_visible(timeout=30_000)
    expect(pane.get_by_role("listitem").filter(has_text="<i>a</i>")).to_be_visible()

    row.get_by_role("link", name="train").click()
    page.get_by_role("tab", name="Metrics").click()
    beside = page.locator(".run-tab-metrics")
    expect(beside.get_by_role("img", name="Chart of late")).to_be_visible()
    page.get_by_role("tab", name="Overview").click()
    expect(page.locator(".run-tab-overview .tag").filter(has_text="stage baseline")).to_be_visible()


def test_tags_of_a_run_are_edited_as_lines(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("short", "print(1)\n"))
    page.goto(address(place, run))
    page.get_by_role("button", name="Add tags").click()
    dialog = page.get_by_role("dialog", name=f"Tags of run {run}")
    lines = dialog.get_by_role("textbox")
    lines.fill("stage = baseline\ngood")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".run-tags .tag")).to_have_text(["good", "stage baseline"])
    page.reload()
    page.get_by_role("button", name="Edit tags").click()
    expect(lines).to_have_value("good\nstage = baseline")
    lines.fill("x" * 300)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("at most 250 characters")
    lines.fill("good = yes")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".run-tags .tag")).to_have_text(["good yes"])

"""Two runs side by side, in a real browser: from the list, from a run, from a step; what differs, and by how much."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, submit
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

MEASURES = """import pathlib, sys
from studio_sdk.core import Run
for epoch in range(4):
    Run.get_context().log("loss", 1 / (epoch + 1), step=epoch)
pathlib.Path(sys.argv[-1], "number.txt").write_text("20")
"""
READS = "import pathlib, sys\npathlib.Path(sys.argv[-1], 'copy.txt').write_text(str(sys.argv[1:]))\n"


def is_completed(run: dict[str, Any]) -> bool:
    return bool(run["status"] == "completed")


def two_runs(studio: Studio, place: Place) -> tuple[int, int]:
    """The second one has other code in `train`; `report` reads what that writes."""
    first = submit(studio, place, Script("train", MEASURES), Script("report", READS, after=("train",)), name="compared")
    api = studio.api(place.contributor)
    base = f"/api/workspaces/{place.slug}"
    pipeline = api.get(f"{base}/runs/{first}/")["pipeline"]["id"]
    code = MEASURES.replace("1 / (epoch + 1)", "2 / (epoch + 1)").replace('"20"', '"<b>21</b>"')
    source = api.post(f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": code}]})
    definition = api.get(f"{base}/pipelines/{pipeline}/")["definition"]
    definition["steps"][0]["source"] = source["digest"]
    api.post(f"{base}/pipelines/{pipeline}/versions/", {"definition": definition, "base_version": 1})
    second = api.post(f"{base}/pipelines/{pipeline}/runs/", {"parameters": {}})["id"]
    for run in (first, second):
        wait_for(
            lambda run=run: is_completed(api.get(f"{base}/runs/{run}/")), what=f"the end of run {run}", timeout_s=90
        )
    return first, second


def test_two_runs_are_compared(studio: Studio, place: Place, page: Page) -> None:
    first, second = two_runs(studio, place)

    # From the list: the button waits for two.
    page.goto(f"/w/{place.slug}/runs/")
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.get_by_label(f"Choose run {second}").check()
    page.get_by_label(f"Choose run {first}").check()
    expect(compare).to_have_text(f"Compare #{first} and #{second}")
    compare.click()
    page.wait_for_url(f"**/runs/compare/?left={first}&right={second}")
    answer = page.get_by_role("region", name="In short")
    expect(answer).to_contain_text(f"Run {second} differs from run {first} in the code of “train”.")
    expect(answer).to_contain_text("“loss” of “train” went from 0.25 to 0.5 (+100 %).")
    expect(page.locator(".compare-charts .js-plotly-plot")).to_be_visible(timeout=30_000)
    expect(page.locator(".compare-charts .legendtext")).to_have_text([f"run {first}", f"run {second}"])

    # A step is read when it is opened, and the address names it.
    step = page.locator("details[data-name=train]")
    step.locator("summary").first.click()
    expect(step.locator(".why-line-added").last).to_contain_text('"<b>21</b>"')
    expect(step.locator(".why-line-removed").last).to_contain_text('"20"')
    page.wait_for_url("**&step=train")
    page.reload()
    expect(step.locator(".why-line-added").last).to_contain_text('"<b>21</b>"')
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    diff = step.locator(".why-diff").first
    assert diff.evaluate("(element) => element.scrollWidth <= element.clientWidth")  # nothing goes on out of sight
    page.set_viewport_size({"width": 1440, "height": 900})

    page.get_by_role("link", name="Swap the two runs").click()
    expect(answer).to_contain_text(f"Run {first} differs from run {second}")
    page.get_by_label("What it is").select_option(str(second))
    expect(page.get_by_role("alert")).to_contain_text("the same run twice")

    # From a step's panel, and from a run's menu: beside the run before it.
    page.goto(address(place, second, "?view=table&step=train"))
    page.locator("#step-panel").get_by_role("link", name="with the same step of another run").click()
    page.wait_for_url(f"**/runs/compare/?left={first}&right={second}&step=train")
    expect(page.locator("details[data-name=train] .why-line-added").first).to_be_visible()
    page.goto(address(place, second))
    page.locator("summary[aria-label=More]").click()
    page.get_by_role("link", name="Compare with another run").click()
    page.wait_for_url(f"**/runs/compare/?left={first}&right={second}")
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_role("link", name="Show all")).to_have_attribute("aria-current", "true")


def test_ticks_outlive_what_moves_in_the_list(studio: Studio, place: Place, page: Page) -> None:
    run = submit(studio, place, Script("only", READS), name="first")
    page.goto(f"/w/{place.slug}/runs/")
    expect(page.locator("[data-live-note]")).to_have_attribute("data-state", "open")
    page.get_by_label(f"Choose run {run}").check()
    other = submit(studio, place, Script("only", READS), name="second")
    expect(page.get_by_label(f"Choose run {other}")).to_be_visible(timeout=30_000)
    expect(page.get_by_label(f"Choose run {run}")).to_be_checked()

"""Reuse on the run's page, in a real browser: what it waits for, why it ran, and what is not to be taken again."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, gate, submit
from tests.support.studio import Place, Studio

WRITES = """import pathlib, sys
pathlib.Path(sys.argv[-1], "number.txt").write_text("20")
"""


def test_equal_steps_share_one_execution_and_each_says_why(
    studio: Studio, place: Place, page: Page, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    code = gate(go) + WRITES
    run = submit(studio, place, Script("one", code), Script("two", code), name="shared")
    page.goto(address(place, run, "?view=table&step=two"))
    panel = page.locator("#step-panel")
    expect(panel).to_contain_text("Waits for “one” of this run, which is doing the same work", timeout=60_000)
    go.touch()
    expect(panel.locator("[data-panel=status]")).to_have_text("Reused", timeout=60_000)
    expect(page.locator("[data-run=status]")).to_have_text("Completed")
    panel.get_by_text("Why was it reused?").click()
    expect(panel.locator(".why-note")).to_contain_text("“one” was doing the same work at that time")

    # Another version of the code: the lines that changed are there.
    api = studio.api(place.contributor)
    base = f"/api/workspaces/{place.slug}"
    pipeline = api.get(f"{base}/runs/{run}/")["pipeline"]["id"]
    source = api.post(
        f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": code.replace('"20"', '"<b>21</b>"')}]}
    )
    definition = api.get(f"{base}/pipelines/{pipeline}/")["definition"]
    definition["steps"] = [definition["steps"][0] | {"source": source["digest"]}]
    api.post(f"{base}/pipelines/{pipeline}/versions/", {"definition": definition, "base_version": 1})
    second = api.post(f"{base}/pipelines/{pipeline}/runs/", {"parameters": {}})["id"]
    page.goto(address(place, second, "?view=table&step=one"))
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    panel.get_by_text("Why did it run?").click()
    expect(panel.locator(".why-change h4")).to_have_text("The code")
    expect(panel.locator(".why-line-added")).to_contain_text('"<b>21</b>"')
    expect(panel.locator(".why-line-removed")).to_contain_text('"20"')

    panel.get_by_role("button", name="Exclude from reuse").click()
    page.get_by_role("dialog").get_by_role("button", name="Exclude from reuse").click()
    expect(panel).to_contain_text("is excluded from reuse since")
    expect(panel.get_by_role("button", name="Allow reuse again")).to_be_visible()
    expect(panel.locator(".why-change")).to_be_visible()  # what was open stays open

    page.get_by_role("button", name="Resubmit").click()
    page.get_by_role("dialog").get_by_label("Run every step anew").check()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(page.get_by_text("off: every step runs anew")).to_be_visible(timeout=60_000)
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=60_000)
    expect(page.locator("[data-run=steps]")).to_have_text("1 of 1 step completed")

"""A parallel run in a browser: its form, and its batches while it works and when it is over."""

import re
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.runs import gate
from tests.browser.test_builder import definition_of, form, node, ready, saved
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for

RUN_MS = 60_000
WRITE = """
import pathlib, sys
for number in range(6):
    pathlib.Path(sys.argv[1], f"{number}.txt").write_text(str(number))
"""
WORK = """
def run(mini_batch):
    name = mini_batch[0][-5:]
    if name == "2.txt":
        raise ValueError("<img src=x onerror='window.hit = 1'>")
    if name == "5.txt":
{wait}
    return [name]
"""


def pipeline(studio: Studio, place: Place, work: str, **more: Any) -> int:
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    files = [{"path": "write.py", "text": WRITE}, {"path": "work.py", "text": work}]
    source = api.post(f"{base}/sources/edit/", {"put": files})["digest"]
    steps = [
        {"name": "write", "source": source, "entry": "write.py", "arguments": "${{outputs.out}}"},
        {
            "kind": "parallel_run",
            "name": "work",
            "source": source,
            "entry_script": "work.py",
            "inputs": [{"name": "data", "binding": {"kind": "output", "step": "write", "output": "out"}}],
            "output": "${{outputs.results}}",
            **more,
        },
    ]
    number: int = api.post(f"{base}/pipelines/", {"name": "parallel", "description": ""})["id"]
    api.post(f"{base}/pipelines/{number}/versions/", {"definition": {"steps": steps}, "base_version": 0})
    return number


def test_its_form_and_its_batches(page: Page, place: Place, studio: Studio, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = "".join(f"        {line}\n" for line in gate(go).splitlines())
    number = pipeline(studio, place, WORK.format(wait=wait))
    page.goto(f"/w/{place.slug}/pipelines/{number}/edit/")
    ready(page)
    node(page, "work").click()
    expect(form(page).get_by_label("Entry script", exact=True)).to_have_value("work.py")
    form(page).get_by_label("Partition keys", exact=True).fill("store")
    expect(form(page).locator(".field-error", has_text="Files have no columns.")).to_be_visible()
    form(page).get_by_label("Partition keys", exact=True).fill("")
    size = form(page).get_by_label("Size of a batch", exact=True)
    size.fill("none")
    expect(form(page).locator(".field-error", has_text="Give a whole number above 0, as in 10")).to_be_visible()
    size.fill("1")
    form(page).get_by_label("Processes", exact=True).fill("2")
    form(page).get_by_label("Tries of a batch", exact=True).fill("2")
    form(page).get_by_label("Failed items that are let pass", exact=True).fill("-1")
    expect(form(page).locator(".field-error:not(:empty)")).to_have_count(0)
    saved(page, 2)
    step = definition_of(studio, place, page)["steps"][1]
    assert (step["mini_batch_size"], step["processes"], step["max_tries"], step["error_threshold"]) == ("1", 2, 2, -1)

    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    node(page, "work").click()
    page.get_by_role("tab", name="Batches").click()
    batches = page.locator(".run-tab-batches")
    expect(batches).to_contain_text("5 of 6 batches are over, 1 without success.", timeout=RUN_MS)
    expect(batches.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "83")
    expect(batches).to_contain_text("Remaining")
    go.touch()
    expect(batches).to_contain_text("6 of 6 batches are over, 1 without success.", timeout=RUN_MS)
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)
    expect(batches).to_contain_text("Took")
    expect(batches.get_by_role("row")).to_have_count(7)
    failed = batches.get_by_role("row").nth(1)
    expect(failed).to_contain_text("2.txt")
    expect(failed).to_contain_text("ValueError: <img src=x onerror='window.hit = 1'>")
    assert page.evaluate("window.hit") is None
    assert Axe().run(page, context=".run-tab-batches").response["violations"] == []
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("button", name="Show them").click()
    expect(batches).to_be_visible()
    page.reload()
    expect(page.locator(".run-tab-batches").get_by_role("row")).to_have_count(7)


def test_several_nodes_and_the_parts_that_they_have(page: Page, place: Place, studio: Studio, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = "".join(f"        {line}\n" for line in gate(go).splitlines())
    how = {"nodes": 2, "mini_batch_size": "1", "error_threshold": 1, "max_tries": 1}
    number = pipeline(studio, place, WORK.format(wait=wait), **how)
    page.goto(f"/w/{place.slug}/pipelines/{number}/edit/")
    ready(page)
    node(page, "work").click()
    nodes = form(page).get_by_label("Nodes", exact=True)
    expect(nodes).to_have_value("2")
    nodes.fill("65")
    expect(form(page).locator(".field-error", has_text="Give a whole number from 1 to 64.")).to_be_visible()
    nodes.fill("${{parameters.width}}")
    expect(form(page).locator(".field-error", has_text="The pipeline has no parameter “width”.")).to_be_visible()

    base = f"/api/workspaces/{place.slug}"
    run = studio.api(place.contributor).post(f"{base}/pipelines/{number}/runs/", {"parameters": {}})["id"]
    page.goto(f"/w/{place.slug}/runs/{run}/?step=work&tab=batches")
    batches = page.locator(".run-tab-batches")
    table = batches.get_by_role("table").first
    # One node is there: the second part waits for it.
    expect(table.get_by_role("row").nth(1)).to_contain_text("3 of 3", timeout=RUN_MS)
    expect(table.get_by_role("row").nth(2)).to_contain_text("2 of 3", timeout=RUN_MS)
    expect(table.get_by_role("row").nth(2)).to_contain_text("Running")
    expect(batches).to_contain_text("5 of 6 batches are over, 1 without success.")
    assert Axe().run(page, context=".run-tab-batches").response["violations"] == []
    table.get_by_role("button", name="work.2of2").click()
    expect(batches).to_contain_text("2 of 3 batches are over")
    page.get_by_role("tab", name="Overview").click()
    overview = page.locator(".run-tab-overview")
    expect(overview).to_contain_text("2 of 2 of work")
    go.touch()
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)
    overview.get_by_role("button", name="work", exact=True).click()
    expect(overview).to_contain_text("puts together what 2 parts did")
    overview.get_by_role("button", name="Show them").click()
    expect(batches).to_contain_text("6 of 6 batches are over, 1 without success.")
    expect(batches.get_by_role("table").nth(1).get_by_role("row")).to_have_count(7)


def test_who_edits_a_part_that_failed_is_told_that_it_is_one_step(page: Page, place: Place, studio: Studio) -> None:
    failing = "def run(mini_batch):\n    raise ValueError('no')\n"
    number = pipeline(studio, place, failing, nodes=2, max_tries=1, mini_batch_size="1")
    base = f"/api/workspaces/{place.slug}"
    run = studio.api(place.contributor).post(f"{base}/pipelines/{number}/runs/", {"parameters": {}})["id"]
    api = studio.api(place.contributor)
    wait_for(lambda: api.get(f"{base}/runs/{run}/")["status"] == "failed", what="both parts failed", timeout_s=60)
    page.goto(f"/w/{place.slug}/runs/{run}/?step=work.1of2&tab=code")
    page.locator(".run-tab-code").get_by_role("button", name="Edit and continue").click()
    expect(page.locator(".run-edit")).to_contain_text("This changes “work”, “work.2of2” as well")


def test_a_step_that_was_skipped_for_one_part_can_be_cancelled_in_the_other(
    page: Page, place: Place, studio: Studio, tmp_path: Path
) -> None:
    wait = "".join(f"        {line}\n" for line in gate(tmp_path / "never").splitlines())
    number = pipeline(studio, place, WORK.format(wait=wait), nodes=2, mini_batch_size="1", max_tries=1)
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    run = api.post(f"{base}/pipelines/{number}/runs/", {"parameters": {}})["id"]
    page.goto(f"/w/{place.slug}/runs/{run}/?step=work")
    overview = page.locator(".run-tab-overview")
    expect(page.locator("[data-panel=status]")).to_contain_text("Skipped", timeout=RUN_MS)
    overview.get_by_role("button", name="Cancel this step").click()
    expect(page.locator("[data-run=status]")).to_contain_text("Failed", timeout=RUN_MS)
    expect(overview.get_by_role("button", name="Cancel this step")).to_have_count(0)
    assert api.get(f"{base}/runs/{run}/steps/work.2of2/")["status"] == "cancelled"

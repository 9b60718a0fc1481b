"""What a step uses, in a browser: live while it runs, kept afterwards; and its limits, set in the builder."""

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, gate, submit
from tests.browser.test_builder import add_step, form, new_pipeline
from tests.support.studio import Place, Studio

BUSY = "held = bytearray(b'x' * 80_000_000)\n"
PICTURES = os.environ.get("PICTURES")


def picture(page: Page, name: str) -> None:
    if not PICTURES:
        return
    for scheme in ("light", "dark"):
        for size, width, height in (("desktop", 1440, 900), ("phone", 390, 844)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(700)
            page.screenshot(path=f"{PICTURES}/{name}-{size}-{scheme}.png")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_what_a_step_uses_is_drawn_while_it_runs_and_stays(
    studio: Studio, place: Place, page: Page, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    limits = {"memory_bytes": 1_000_000_000, "cpus": 1}
    run = submit(studio, place, Script("train", BUSY + gate(go), more={"limits": limits}))
    page.goto(address(place, run, "?view=table&step=train&tab=usage"))
    panel = page.get_by_role("tabpanel")
    plot = panel.get_by_role("img", name="Use of train over time")
    expect(plot).to_be_visible(timeout=60_000)
    expect(plot).to_have_accessible_name(re.compile(r"Peak memory: \d+ MB of 1\.0 GB"))
    expect(plot.locator("svg .scatterlayer .trace")).to_have_count(7)
    points = plot.locator("svg .scatterlayer .trace .js-line").first
    before = points.get_attribute("d")
    expect(points).not_to_have_attribute("d", before or "", timeout=30_000)
    picture(page, "usage")
    go.touch()
    expect(page.locator('tr[data-step="train"][data-status="completed"]')).to_be_visible(timeout=30_000)
    expect(plot).to_be_visible()
    page.get_by_role("tab", name="Overview").click()
    overview = page.locator(".run-tab-overview")
    expect(overview.get_by_role("button", name=re.compile(r"^\d+ MB of 1\.0 GB$"))).to_be_visible()
    expect(overview.get_by_text("1.0 GB memory, 1 CPU")).to_be_visible()
    picture(page, "overview")
    overview.get_by_role("button", name=re.compile(r"^\d+ MB of 1\.0 GB$")).click()
    expect(plot).to_be_visible()


def test_a_step_that_was_over_at_once_says_that_there_is_nothing_to_draw(
    studio: Studio, place: Place, page: Page
) -> None:
    run = submit(studio, place, Script("short", "print(1)\n"))
    page.goto(address(place, run, "?view=table&step=short&tab=usage"))
    expect(page.get_by_role("tabpanel").get_by_text("It was over before there was anything to draw.")).to_be_visible(
        timeout=60_000
    )
    expect(page.get_by_role("tabpanel").get_by_text("CPU time")).to_be_visible()


def test_retries_and_limits_are_set_in_the_builder(place: Place, page: Page) -> None:
    new_pipeline(page, place, "limited")
    add_step(page, "train")
    fields = form(page)
    fields.get_by_text("Retries and limits").click()
    fields.get_by_label("Attempts at most").fill("3")
    fields.get_by_label("Only after these exit codes").fill("three")
    fields.get_by_label("Wait in seconds", exact=True).fill("20")
    expect(fields.get_by_text("Waits: 20 s, 40 s.")).to_be_visible()
    fields.get_by_label("Memory limit in GB").fill("0")
    expect(fields.get_by_text("A memory limit is 16 MB to 1 PB.")).to_be_visible(timeout=15_000)
    expect(fields.get_by_text("“three” is no exit code.")).to_be_visible()
    picture(page, "builder")
    fields.get_by_label("Only after these exit codes").fill("3, 10-20")
    fields.get_by_label("Memory limit in GB").fill("1.5")
    fields.get_by_label("CPU limit").fill("2")
    expect(fields.get_by_text("no exit code")).to_be_hidden()
    expect(fields.get_by_text("A memory limit is")).to_be_hidden()

"""What a step left beside its outputs, on its page: shown, inertly, for each attempt; and its log by stream."""

import re

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

ACTS = (
    "<h1>Report</h1><script>document.body.textContent = 'acted'; top.acted = 1</script>"
    "<img src=x onerror='top.acted = 1'>"
)
PLOT = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20" onload="top.acted = 1">'
    '<rect width="9" height="9"/></svg>'
)
TRAIN = f"""
import os, pathlib, sys
os.makedirs("outputs/many")
os.makedirs("logs")
pathlib.Path("outputs/report.html").write_text({ACTS!r})
pathlib.Path("outputs/plot.svg").write_text({PLOT!r})
pathlib.Path("outputs/scores.csv").write_text("name,score\\n<b>a</b>,1\\n")
pathlib.Path("logs/train.log").write_text(sys.argv[-1])
for number in range(501):
    pathlib.Path(f"outputs/many/{{number:03}}.txt").touch()
for number in range(3):
    print("printed", number, flush=True)
print("complained", file=sys.stderr, flush=True)
sys.exit(1)
"""


def test_artifacts_are_shown_and_nothing_of_them_acts(
    studio: Studio, place: Place, page: Page, visitors: Visitors
) -> None:
    for refused in ("Blocked script execution in 'about:srcdoc'", r"Loading the image .* Content Security Policy"):
        visitors.expect_error(refused)
    more = {"environment": "python", "retry": {"max_attempts": 2}}
    run = submit(studio, place, Script("train", TRAIN, outputs=(), more={**more, "arguments": "half"}))
    page.goto(address(place, run, "?step=train&tab=artifacts"))
    expect(page.locator("[data-run=status]")).to_have_text("Failed", timeout=90_000)
    tree = page.locator(".run-artifacts")
    tree.get_by_role("button", name="train.log").click()
    expect(tree.locator(".file-text")).to_have_text("half")

    tree.get_by_role("button", name="report.html").click()
    inside = page.frame_locator("iframe.run-frame")
    expect(inside.get_by_role("heading", name="Report")).to_be_visible()
    tree.get_by_role("button", name="plot.svg").click()
    drawing = tree.get_by_role("img", name="plot.svg")
    expect(drawing).to_be_visible()
    assert drawing.evaluate("image => image.naturalWidth") == 30
    tree.get_by_role("button", name="scores.csv").click()
    expect(tree.get_by_role("cell", name="<b>a</b>")).to_be_visible(timeout=60_000)  # a process of its own reads it
    assert page.evaluate("window.acted") is None

    tree.locator("summary", has_text="many").click()
    expect(tree.get_by_role("button", name=re.compile(r"^\d{3}\.txt$"))).to_have_count(500)
    tree.get_by_role("button", name="Show more").click()
    expect(tree.get_by_role("button", name="500.txt")).to_be_focused()

    with page.expect_download() as saved:
        page.get_by_role("link", name="Download all").click()
    assert saved.value.suggested_filename == f"run-{run}-train-attempt-2-artifacts.zip"
    page.get_by_label("Attempt").select_option("1")
    expect(tree.get_by_role("button", name="train.log")).to_be_visible()
    assert "attempt=1" in (page.get_by_role("link", name="Download train.log").get_attribute("href") or "")

    page.get_by_role("tab", name="Log").click()
    page.get_by_label("What to show").select_option(label="Standard error")
    alone = page.get_by_role("region", name="Log of train, one stream")
    expect(alone.locator(".log-row")).to_have_text(["complained"])
    link = page.get_by_role("link", name="Download standard error")
    assert "stream=e" in (link.get_attribute("href") or "")
    page.get_by_label("What to show").select_option(label="Standard output")
    expect(alone.locator(".log-row")).to_have_text(["printed 0", "printed 1", "printed 2"])
    page.get_by_label("What to show").select_option(label="From the studio")
    expect(alone).to_contain_text("ended with exit code 1")
    expect(alone).not_to_contain_text("printed")

    alone.locator(".log-n").last.click()  # back to where it stands among the others
    expect(alone).to_be_hidden()
    whole = page.get_by_role("region", name="Log of train", exact=True)
    expect(whole.locator(".log-marked")).to_contain_text("exit code 1")
    expect(whole.get_by_text("printed 2")).to_be_visible()

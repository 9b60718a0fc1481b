"""The trials of a sweep on the page of its run: drawn while they run, the best one marked, each a way to its run."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.runs import address, gate
from tests.support.studio import Place, Studio

FIT = """
import sys
from studio_sdk.core import Run
run = Run.get_context()
depth = int(sys.argv[1])
if depth == 4:
    sys.exit(1)
run.log("accuracy", 1 / depth)
run.log("accuracy", 0.5 / depth)
if depth == 2:
"""


def submit_sweep(studio: Studio, place: Place, code: str, space: list[dict[str, str]]) -> int:
    api = studio.api(place.contributor)
    base = f"/api/workspaces/{place.slug}"
    source = api.post(f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": code}]})
    arguments = " ".join(f"${{{{parameters.{row['name']}}}}}" for row in space)
    fit = {"name": "fit", "source": source["digest"], "entry": "main.py", "arguments": arguments}
    parameters = [{"name": "depth", "type": "integer"}, {"name": "kind", "type": "string"}]
    tune = {
        "kind": "sweep",
        "name": "tune",
        "pipeline": "train",
        "search_space": space,
        "sampling": "grid",
        "primary_metric": "accuracy",
    }
    run: int
    for name, definition in (("train", {"steps": [fit], "parameters": parameters}), ("sweep", {"steps": [tune]})):
        pipeline: dict[str, Any] = api.post(f"{base}/pipelines/", {"name": name, "description": ""})
        versions = f"{base}/pipelines/{pipeline['id']}/versions/"
        api.post(versions, {"definition": definition, "base_version": 0})
        if name == "sweep":
            run = api.post(f"{base}/pipelines/{pipeline['id']}/runs/", {"parameters": {}})["id"]
    return run


def test_trials_are_drawn_while_they_run(studio: Studio, place: Place, page: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = "".join(f"    {line}\n" for line in gate(go).splitlines())
    space = [{"name": "depth", "value": "choice(1, 2, 4)"}, {"name": "kind", "value": "choice('<b>x</b>')"}]
    run = submit_sweep(studio, place, f"{FIT}{wait}", space)
    page.goto(address(place, run, "?step=tune"))
    expect(page.get_by_role("tab", name="Log")).to_be_hidden()
    page.get_by_role("tab", name="Trials").click()
    trials = page.locator(".run-tab-trials")
    rows = trials.get_by_role("row")
    expect(rows).to_have_count(4, timeout=30_000)
    expect(rows.nth(1)).to_contain_text("best", timeout=60_000)
    expect(rows.nth(3)).to_contain_text("Failed", timeout=60_000)
    expect(rows.nth(2)).to_contain_text("0.5", timeout=30_000)  # it still runs
    expect(trials.get_by_role("region", name="Best trial")).to_contain_text("so far")
    expect(rows.nth(1)).to_contain_text("<b>x</b>")

    go.touch()
    chart = trials.get_by_role("img", name="Chart of Values and accuracy")
    # An axis for each parameter and the metric, and a line for each trial that is over and logged it.
    expect(chart.locator("svg .scatterlayer .trace")).to_have_count(5, timeout=60_000)
    expect(trials.get_by_role("img", name="Chart of accuracy of each trial").locator("svg .point")).to_have_count(2)
    expect(trials.get_by_role("region", name="Best trial")).not_to_contain_text("so far")
    trials.get_by_role("button", name="Best first").click()
    expect(rows.nth(1)).to_have_class("is-best")
    expect(rows.nth(3)).to_contain_text("exit code 1")
    expect(trials.get_by_role("button", name="Best first")).to_have_attribute("aria-pressed", "true")
    rows.nth(1).get_by_role("link").click()
    expect(page).to_have_url(re.compile(rf"/w/{place.slug}/runs/\d+/$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("of train")

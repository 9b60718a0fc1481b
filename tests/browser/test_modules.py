"""A step published as a module in a real browser, used in another pipeline, run, and moved to its next version."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.test_builder import form, new_pipeline, section
from tests.browser.test_deciding import pipeline_of
from tests.support.studio import Place, Studio

RUN_MS = 60_000
REPEAT = """
import pathlib, sys
print(sys.argv[1] * int(sys.argv[2]))
pathlib.Path(sys.argv[3], "said.txt").write_text("x")
"""


def repeating(api: Any, base: str) -> dict[str, Any]:
    source = api.post(f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": REPEAT}]})["digest"]
    return {
        "steps": [
            {
                "name": "repeat",
                "source": source,
                "entry": "main.py",
                "arguments": "${{parameters.word}} ${{parameters.times}} ${{outputs.said}}",
                "outputs": [{"name": "said"}],
            }
        ],
        "parameters": [{"name": "word"}, {"name": "times", "type": "integer", "default": 2}],
    }


def test_a_step_is_published_used_run_and_moved_to_its_next_version(studio: Studio, place: Place, page: Page) -> None:
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    source = pipeline_of(studio, place, steps=[], name="where it comes from")
    api.post(f"{base}/pipelines/{source}/versions/", {"definition": repeating(api, base), "base_version": 1})

    # From the step in the builder to a module.
    page.goto(f"/w/{place.slug}/pipelines/{source}/edit/?step=repeat")
    form(page).get_by_role("button", name="Publish as module").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Publish “repeat” as a module")
    page.get_by_label("Name of the module").fill("repeater")
    page.get_by_label("What word is").fill("what is said")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("repeater version 1")
    expect(page.locator("main")).to_contain_text("what is said")
    page.get_by_role("link", name="main.py").click()
    expect(page.locator(".module-file")).to_contain_text("int(sys.argv[2])")

    # Used in another pipeline: its ports come with it.
    new_pipeline(page, place, "uses a module")
    page.get_by_label("Choose the kind of the new step").click()
    page.locator(".builder-tools [data-kind=module]").click()
    expect(form(page).get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("say")
    chosen = form(page).get_by_label("Module", exact=True)
    chosen.fill("repeat")
    expect(form(page).locator("datalist option[value=repeater]")).to_be_attached()
    chosen.fill("repeater")
    chosen.press("Tab")
    expect(section(page, "Outputs").get_by_role("textbox").first).to_have_value("said")
    values = section(page, "Values of its parameters")
    expect(values.locator("input").first).to_have_value("word")
    values.locator("input").nth(1).fill("ab")
    form(page).get_by_label("Version of it").select_option("1")
    expect(form(page).get_by_label("Environment")).to_have_count(0)

    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=RUN_MS)
    page.locator(".graph-node", has_text="say").click()
    panel = page.locator("#step-panel")
    panel.get_by_role("tab", name="Overview").click()
    expect(panel.get_by_role("link", name="repeater, version 1")).to_be_visible()
    panel.get_by_role("tab", name="Log").click()
    expect(panel).to_contain_text("abab")

    # A next version is told of where the old one is used.
    changed = repeating(api, base)
    changed["parameters"][1]["default"] = 3
    api.post(f"{base}/pipelines/{source}/versions/", {"definition": changed, "base_version": 2})
    api.post(f"{base}/modules/", {"name": "repeater", "pipeline": source, "step": "repeat", "base_version": 1})
    page.goto(f"/w/{place.slug}/modules/")
    page.get_by_role("link", name="repeater").click()
    page.get_by_role("link", name="uses a module").click()
    page.get_by_role("link", name="Edit").click()
    page.locator(".graph-node", has_text="say").click()
    expect(form(page).locator(".builder-upgrade")).to_contain_text("Version 2 is there; this step uses 1.")
    form(page).get_by_role("button", name="Move to version 2").click()
    expect(form(page).get_by_label("Version of it")).to_have_value("2")
    expect(form(page).locator(".builder-upgrade button")).to_have_count(0)

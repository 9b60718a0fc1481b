"""A pipeline as a step in a real browser: built, submitted, and its run opened from the step's panel."""

from playwright.sync_api import Page, expect

from tests.browser.test_builder import form, new_pipeline, node, section
from tests.browser.test_deciding import pipeline_of
from tests.support.studio import Place, Studio

RUN_MS = 60_000


def test_a_pipeline_is_built_as_a_step_and_its_run_opened(studio: Studio, place: Place, page: Page) -> None:
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    inner = pipeline_of(studio, place, steps=[], name="inner of all")
    write = "import pathlib, sys\npathlib.Path(sys.argv[-1], 'a.txt').write_text(sys.argv[1])\n"
    source = api.post(f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": write}]})["digest"]
    step = {
        "name": "write",
        "source": source,
        "entry": "main.py",
        "arguments": "${{parameters.word}} ${{outputs.text}}",
        "outputs": [{"name": "text"}],
    }
    definition = {
        "steps": [step],
        "parameters": [{"name": "word"}, {"name": "data", "type": "data_path", "optional": True}],
    }
    api.post(f"{base}/pipelines/{inner}/versions/", {"definition": definition, "base_version": 1})

    new_pipeline(page, place, "outer of all")
    page.get_by_label("Choose the kind of the new step").click()
    page.locator(".builder-tools [data-kind=pipeline]").click()
    expect(form(page).get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("nest")
    chosen = form(page).get_by_label("Pipeline", exact=True)
    chosen.fill("inner")
    # What is typed is looked for, and what is found is offered.
    expect(form(page).locator("datalist option[value='inner of all']")).to_be_attached()
    chosen.fill("inner of all")
    expect(form(page).get_by_role("link", name="Open it, version 2")).to_be_visible()
    expect(form(page)).to_contain_text("takes data (can be left out)")
    form(page).get_by_role("button", name="Add this input").click()
    expect(section(page, "Inputs").locator("input")).to_have_value("data")
    section(page, "Inputs").get_by_role("button", name="Remove input data").click()
    section(page, "Outputs").get_by_role("button", name="Add output").click()
    row = section(page, "Outputs").get_by_role("listitem")
    expect(row.get_by_role("textbox")).to_have_value("text")
    expect(row.locator("option:checked")).to_have_text("write → text")
    expect(section(page, "Values of its parameters").locator(".field-error")).to_contain_text("wants “word”")
    section(page, "Values of its parameters").get_by_role("button", name="Add parameter").click()
    page.keyboard.type("word")
    section(page, "Values of its parameters").locator("input").last.fill("hello")
    expect(node(page, "nest")).to_contain_text("inner of all")

    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=RUN_MS)
    page.locator(".graph-node", has_text="nest").click()
    panel = page.locator("#step-panel")
    panel.get_by_role("tab", name="Runs").click()
    expect(panel.get_by_role("tab", name="Log")).to_be_hidden()
    expect(panel.locator(".run-children tbody tr")).to_have_count(1)
    outer = page.url
    panel.locator(".run-children a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("of inner of all")
    expect(page.locator(".run-belongs")).to_contain_text("“nest” of run")
    expect(page.locator(".run-parameters")).to_contain_text("hello")
    page.locator(".run-belongs a").first.click()
    expect(page.locator("#step-panel").get_by_role("tab", name="Runs")).to_have_attribute("aria-selected", "true")
    assert page.url.split("?")[0] == outer.split("?")[0]

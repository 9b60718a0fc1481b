"""A pipeline leaves by its page and comes back by the page of imports, in a real browser."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

AZURE = """\
type: pipeline
display_name: From elsewhere
settings: {default_compute: azureml:gpu-cluster}
jobs:
  one:
    comand: echo
    environment: azureml:python
"""


def test_what_is_exported_with_its_code_is_imported(
    studio: Studio, place: Place, page: Page, visitors: Visitors, tmp_path: Path
) -> None:
    submit(studio, place, Script("one", "print('hello')"), name="Goes out")
    page.goto(f"/w/{place.slug}/pipelines/")
    page.get_by_role("link", name="Goes out").first.click()
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="With the code of its steps").click()
    file = tmp_path / started.value.suggested_filename
    started.value.save_as(file)
    assert file.name == "Goes-out-v1.zip"
    page.goto(f"/w/{place.slug}/pipelines/")
    page.get_by_role("link", name="Import").click()
    page.locator("#import-file").set_input_files(file)
    expect(page.locator("[data-found]")).to_contain_text("There is a pipeline “Goes out” already.")
    page.get_by_label("Name optional").fill("Came back")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("[data-found]")).to_contain_text("Pipeline “Came back”, 1 step")
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile(r"/pipelines/\d+/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Came back")
    reader = visitors.open(place.reader)
    reader.goto(f"/w/{place.slug}/pipelines/")
    expect(reader.get_by_role("link", name="Goes out").first).to_be_visible()
    expect(reader.get_by_role("link", name="Import")).to_have_count(0)


def test_problems_lead_to_their_line_and_unknown_names_are_asked_for(place: Place, page: Page) -> None:
    page.goto(f"/w/{place.slug}/pipelines/import/")
    page.get_by_label("Or paste the YAML").fill(AZURE)
    page.get_by_role("button", name="Check").click()
    found = page.locator("[data-found]")
    expect(found).to_contain_text("There is no field “comand” here. Did you mean “command”?")
    found.get_by_role("button", name="line 6, column 5").first.click()
    chosen = "() => { const t = document.activeElement; return t.value.slice(t.selectionStart, t.selectionEnd); }"
    assert page.evaluate(chosen) == "comand: echo"
    page.get_by_label("Or paste the YAML").fill(AZURE.replace("comand", "command"))
    page.get_by_role("button", name="Check").click()
    expect(found).to_contain_text("1 problem")
    page.get_by_label("Compute target gpu-cluster").select_option("local")
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile(r"/pipelines/\d+/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("From elsewhere")
    page.goto(f"/w/{place.slug}/pipelines/import/")
    expect(page.locator(".import-names")).to_contain_text("gpu-cluster")
    page.get_by_role("button", name="Forget gpu-cluster").click()
    expect(page.locator(".import-names")).to_have_count(0)

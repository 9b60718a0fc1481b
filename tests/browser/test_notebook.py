"""A notebook as a step, in a browser: built by clicking and typing, run for real, and looked at where it ran."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_builder import definition_of, form, new_pipeline, saved, section
from tests.support.studio import Place, Studio

pytestmark = pytest.mark.timeout(400)

RUN_MS = 240_000  # its environment is built first
EVIL = "<img src=x onerror='window.hit = 1'><script>window.hit = 2</script><b>shown</b>"
NOTEBOOK = json.dumps({
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {
            "cell_type": "code",
            "id": "p",
            "metadata": {"tags": ["parameters"]},
            "source": "alpha = 1\ntarget = None",
            "outputs": [],
            "execution_count": None,
        },
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "source": f"from IPython.display import HTML\nprint('alpha is', repr(alpha))\nHTML({EVIL!r})",
            "outputs": [],
            "execution_count": None,
        },
    ],
})  # fmt: skip


def test_a_notebook_is_built_run_and_shown(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Notebooks")
    page.locator(".builder-start").get_by_role("button", name="Notebook").click()
    expect(form(page).get_by_role("heading", name="Notebook", exact=True)).to_be_visible()
    expect(form(page).get_by_label("Environment", exact=True)).to_have_value("notebook")
    expect(form(page).get_by_label("Notebook", exact=True)).to_have_value("notebook.ipynb")
    expect(form(page)).to_contain_text("Kept besides, however the step ends: executed_notebook.")
    saved(page, 1)
    expect(page.locator("[data-builder=problems]")).to_be_hidden()

    section(page, "Source files").get_by_role("button", name="Open notebook.ipynb").click()
    expect(page.locator(".builder-editor .cm-content")).to_contain_text('"nbformat": 4')
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(NOTEBOOK)
    page.get_by_role("button", name="Back to the graph").click()

    parameters = section(page, "Parameters of the notebook")
    rows = parameters.get_by_role("listitem")
    expect(rows).to_have_count(1)
    parameters.get_by_role("button", name="Add parameter").click()
    page.keyboard.type("al-pha")
    expect(parameters.locator(".field-error", has_text="Use a name as Python has it")).to_be_visible()
    name, value = rows.last.locator("input").all()
    name.fill("beta")
    value.fill("0")
    expect(rows.last.locator(".builder-value-type")).to_have_text("number")
    saved(page, 2)
    expect(parameters.locator(".field-error", has_text="has no “beta”. There are: alpha, target.")).to_be_visible()
    name.fill("alpha")
    expect(parameters.locator(".field-error:not(:empty)")).to_have_count(0)
    section(page, "Outputs").get_by_label("Name of the output").fill("report")
    expect(rows.first.locator("input").last).to_have_value("${{outputs.report}}")
    form(page).get_by_label("Environment", exact=True).select_option("python")
    expect(form(page).locator(".field-error", has_text="has no papermill and ipykernel")).to_be_visible()
    form(page).get_by_label("Environment", exact=True).select_option("notebook")
    saved(page, 3)
    (step,) = definition_of(studio, place, page)["steps"]
    assert step["parameters"] == [{"name": "target", "value": "${{outputs.report}}"}, {"name": "alpha", "value": 0}]

    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)
    page.locator(".graph-node--step").click()
    page.get_by_role("tab", name="Inputs & outputs").click()
    page.get_by_role("button", name="notebook.ipynb", exact=True).click()
    shown = page.locator(".run-preview .notebook")
    expect(shown).to_contain_text("alpha is 0")
    expect(shown.locator("b", has_text="shown")).to_be_visible()
    expect(shown.locator("script, img[onerror]")).to_have_count(0)
    expect(page.get_by_role("link", name="Download notebook.html")).to_be_visible()
    assert page.evaluate("window.hit") is None


def test_a_notebook_is_mended_by_its_parameter_and_what_each_attempt_became_stays(
    page: Page, place: Place, studio: Studio
) -> None:
    text = NOTEBOOK.replace("print('alpha is', repr(alpha))", "print('alpha is', repr(alpha)); assert alpha > 5")
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    source = api.post(f"{base}/sources/edit/", {"put": [{"path": "n.ipynb", "text": text}]})["digest"]
    given = {"notebook": "n.ipynb", "parameters": [{"name": "alpha", "value": 2}], "environment": "notebook"}
    step = {"kind": "notebook", "name": "look", "source": source, **given}
    pipeline = api.post(f"{base}/pipelines/", {"name": "mended", "description": ""})["id"]
    api.post(f"{base}/pipelines/{pipeline}/versions/", {"definition": {"steps": [step]}, "base_version": 0})
    run = api.post(f"{base}/pipelines/{pipeline}/runs/", {})["id"]
    page.goto(f"/w/{place.slug}/runs/{run}/?view=table")
    expect(page.locator("[data-run=status]")).to_have_text("Failed", timeout=RUN_MS)
    page.get_by_role("button", name="Edit and continue").click()
    value = page.locator(".run-edit").get_by_label("Value of alpha")
    expect(value).to_have_value("2")
    value.fill("7")
    page.get_by_role("button", name="Save and continue the run").click()
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=RUN_MS)
    page.get_by_role("tab", name="Inputs & outputs").click()
    latest = page.locator(".run-section", has=page.get_by_role("heading", name="Outputs", exact=True))
    latest.get_by_role("button", name="n.ipynb", exact=True).click()
    expect(latest.locator(".run-preview .notebook")).to_contain_text("alpha is 7")
    earlier = page.locator(".run-section", has_text="Kept of earlier attempts")
    earlier.locator("summary", has_text="attempt 1").click()
    earlier.get_by_role("button", name="n.ipynb", exact=True).click()
    expect(earlier.locator(".run-preview .notebook")).to_contain_text("alpha is 2")
    expect(earlier.locator(".run-preview .notebook")).to_contain_text("AssertionError")

"""Models in a real browser: registered on the run's page, put into production, and chosen for an input."""

import re

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, submit
from tests.browser.test_builder import RUN_MS, definition_of, form, name_row, new_pipeline, saved, section
from tests.support.studio import Place, Studio

TRAINS = """
import pathlib, sys
(pathlib.Path(sys.argv[-1]) / "weights.txt").write_text("0.5")
pathlib.Path("outputs").mkdir()
pathlib.Path("outputs/best.txt").write_text("0.7")
"""


def test_from_a_run_to_production_and_into_the_next_run(page: Page, place: Place, studio: Studio) -> None:
    run = submit(studio, place, Script("train", TRAINS))
    page.goto(address(place, run, "?step=train&tab=files"))
    page.get_by_role("link", name="Register out as a model").click(timeout=RUN_MS)
    expect(page.get_by_text("Output out of step train")).to_be_visible()
    page.get_by_label("Model", exact=True).fill("no name")
    page.get_by_role("button", name="Register").click()
    expect(page.locator(".field-error")).to_contain_text("letters, digits")
    page.get_by_label("Model", exact=True).fill("digits")
    page.get_by_label("Tags").fill("task=digits")
    page.get_by_label("Stage").select_option("production")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("digits version 1 Production"))
    expect(page.get_by_role("link", name="weights.txt", exact=True)).to_be_visible()

    page.goto(address(place, run, "?step=train&tab=files"))
    expect(page.get_by_role("link", name="digits:1")).to_be_visible()
    page.goto(address(place, run, "?step=train&tab=artifacts"))
    page.get_by_role("link", name="Register best.txt as a model").click()
    page.get_by_label("Model", exact=True).fill("digits")
    page.get_by_role("button", name="Register").click()
    page.get_by_role("button", name="To production").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Version 1 is in production now.")
    dialog.get_by_role("button", name="Put into production").click()
    expect(page.get_by_text("version 1 left production and is archived")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    expect(page.locator(".versions-table")).to_contain_text("Archived")

    new_pipeline(page, place, "Uses it")
    page.locator(".builder-start").get_by_role("button", name="Command").click()
    row = name_row(page, "Inputs", "Add input", "model")
    row.get_by_label("What feeds the input").select_option(label="digits in production")
    form(page).get_by_label("Command", exact=True).fill("cat ${{inputs.model}}")
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()
    expect(page.locator(".graph-node--model")).to_contain_text("in production")
    saved(page, 1)
    (step,) = definition_of(studio, place, page)["steps"]
    assert step["inputs"][0]["binding"] == {"kind": "model", "model": "digits", "version": None, "stage": "production"}
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    url = page.url.partition("?")[0]
    page.goto(f"{url}?step={step['name']}&tab=log")
    expect(page.get_by_text("0.7")).to_be_visible(timeout=RUN_MS)
    page.goto(f"{url}?step={step['name']}&tab=files")
    page.get_by_role("link", name="digits:2").click()
    page.get_by_role("link", name="Made by, used by").click()
    expect(page.locator(".lineage-pair")).to_contain_text("of Uses it")
    page.get_by_role("link", name="Walk the lineage").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("digits:2")


def test_a_deleted_file_is_noticed_and_a_version_deleted(page: Page, place: Place, studio: Studio) -> None:
    run = submit(studio, place, Script("train", TRAINS))
    page.goto(address(place, run, "?step=train&tab=files"))
    page.get_by_role("link", name="Register out as a model").click(timeout=RUN_MS)
    page.get_by_label("Model", exact=True).fill("gone")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("link", name="weights.txt", exact=True)).to_be_visible()
    studio.inside(DELETE, slug=place.slug)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The files are gone")
    page.get_by_role("link", name="Edit version 1").click()
    page.get_by_role("button", name="Delete version 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No version is left")).to_be_visible()


DELETE = """
from datastores.backends import get_backend
from pipelines.registered import ModelVersion
version = ModelVersion.objects.get(model__name="gone", model__workspace__slug=slug)
get_backend(version.datastore).delete(version.path)
"""

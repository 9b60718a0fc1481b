"""Outputs that are one file, and those that only a command speaks of: from the builder to what the run shows."""

import re

from playwright.sync_api import Page, expect

from tests.browser.test_builder import RUN_MS, definition_of, form, new_pipeline, saved, section, write_script
from tests.support.studio import Place, Studio


def test_an_output_that_is_named_in_the_command_is_one_and_may_be_a_file(
    page: Page, place: Place, studio: Studio
) -> None:
    new_pipeline(page, place, "One file")
    page.locator(".builder-start").get_by_role("button", name="Command").click()
    outputs = section(page, "Outputs")
    outputs.get_by_role("button", name="Remove output output").click()
    form(page).get_by_label("Command", exact=True).fill("echo 42 > ${{outputs.answer}}")
    expect(outputs.get_by_role("listitem")).to_have_count(0)  # as long as somebody types
    form(page).get_by_label("Command", exact=True).blur()
    output = outputs.get_by_role("listitem")
    expect(output.get_by_label("Name of the output")).to_have_value("answer")

    output.get_by_text("More", exact=True).click()
    output.get_by_label("A single file").fill("a/b")
    expect(output).to_contain_text("Name one file, without folders")
    output.get_by_label("A single file").fill("answer.txt")
    output.get_by_text("More", exact=True).click()
    expect(output.locator(".builder-more__said")).to_have_text("file answer.txt")
    expect(page.locator("[data-builder=problems]")).to_be_hidden()

    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    page.keyboard.type("tell")
    write_script(page, "import sys\nprint('the answer is', open(sys.argv[2]).read())")
    form(page).get_by_label("Arguments", exact=True).fill("--input ${{inputs.input}}")
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()
    saved(page, 1)
    first, _tell = definition_of(studio, place, page)["steps"]
    assert [(each["name"], each["file"]) for each in first["outputs"]] == [("answer", "answer.txt")]

    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    run = page.url.partition("?")[0]
    page.goto(f"{run}?step=tell&tab=log")
    expect(page.get_by_text("the answer is 42")).to_be_visible(timeout=RUN_MS)
    page.goto(f"{run}?step={first['name']}&tab=files")
    page.get_by_role("button", name="answer.txt").click()
    expect(page.locator(".run-preview code")).to_have_text("42\n")

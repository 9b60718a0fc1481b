"""Variables of a step, and settings that parameters feed: from the builder to what the run shows of them."""

import re

from playwright.sync_api import Page, expect

from tests.browser.test_builder import RUN_MS, definition_of, form, new_pipeline, saved, section
from tests.support.studio import Place, Studio


def add_variable(page: Page, name: str, value: str = "") -> None:
    section(page, "Environment variables").get_by_role("button", name="Add variable").click()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(value)


def test_variables_are_given_in_the_builder_and_reach_the_step(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Variables")
    form(page).get_by_role("button", name="Add parameter").click()
    page.keyboard.type("level")
    form(page).get_by_label("Default", exact=True).fill("low")
    page.locator(".builder-start").get_by_role("button", name="Command").click()
    form(page).get_by_label("Command", exact=True).fill('echo "level [$LEVEL] empty [$EMPTY] ${EMPTY+is set}"')
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()

    add_variable(page, "LEVEL")
    variables = section(page, "Environment variables")
    variables.get_by_role("group").last.get_by_role("button", name="parameter level").click()
    value = variables.get_by_label("Value", exact=True).first
    expect(value).to_have_value("${{parameters.level}}")
    expect(value).to_be_focused()
    add_variable(page, "PATH", "/nowhere")
    expect(variables.get_by_text("The node itself sets PATH")).to_be_visible()
    expect(variables.get_by_label("Name of the variable").last).to_have_attribute("aria-invalid", "true")
    variables.get_by_label("Name of the variable").last.fill("LEVEL")
    expect(variables.get_by_text("There is another “LEVEL”.")).to_be_visible()
    variables.get_by_label("Name of the variable").last.fill("EMPTY")
    variables.get_by_label("Value", exact=True).last.fill("")
    value.fill("${{parameters.lev}}")
    expect(variables.get_by_text("The pipeline has no parameter “lev”")).to_be_visible()
    value.fill("${{parameters.level}}")
    add_variable(page, "GONE", "1")
    variables.get_by_role("button", name="Remove variable GONE").click()
    expect(page.locator("[data-builder=problems]")).to_be_hidden()

    # The parameter's new name goes into the value as it goes into arguments.
    form(page).get_by_role("button", name="Close the step, show the pipeline").click()
    section(page, "Parameters").get_by_label("Name", exact=True).fill("loudness")
    saved(page, 1)
    (step,) = definition_of(studio, place, page)["steps"]
    assert step["environment_variables"] == [
        {"name": "LEVEL", "value": "${{parameters.loudness}}"},
        {"name": "EMPTY", "value": ""},
    ]
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_label("loudness").fill("very high")
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    page.goto(f"{page.url.partition('?')[0]}?step={step['name']}&tab=log")
    expect(page.get_by_text("level [very high] empty [] is set")).to_be_visible(timeout=RUN_MS)
    page.get_by_role("tab", name="Environment").click()
    expect(page.get_by_text("Variables of the step")).to_be_visible()
    expect(page.locator(".run-command", has_text="LEVEL=very high")).to_be_visible()


def add_parameter(page: Page, name: str, kind: str, default: str) -> None:
    section(page, "Parameters").get_by_role("button", name="Add parameter").click()
    page.keyboard.type(name)
    row = section(page, "Parameters").get_by_role("listitem").last
    row.get_by_label("Type").select_option(kind)
    row.get_by_label("Default", exact=True).fill(default)


def test_settings_come_from_parameters(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Settings")
    add_parameter(page, "target", "Text", "local")
    add_parameter(page, "tries", "Whole number", "2")
    add_parameter(page, "memory", "Whole number", "1000000000")
    page.locator(".builder-start").get_by_role("button", name="Command").click()
    form(page).get_by_label("Command", exact=True).fill("echo attempt; exit 3")
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()

    form(page).get_by_label("Compute target").select_option(label="target")
    limits = form(page).locator("details[data-more=limits]")
    limits.locator("summary").click()
    attempts = limits.get_by_label("Attempts at most")
    assert page.evaluate(
        "id => [...document.getElementById(id).options].map((o) => o.value)", attempts.get_attribute("list")
    ) == [
        "${{parameters.tries}}",
        "${{parameters.memory}}",
    ]
    attempts.fill("${{parameters.trie}}")
    expect(form(page).get_by_text("The pipeline has no parameter “trie”.")).to_be_visible()
    attempts.fill("${{parameters.target}}")
    expect(form(page).get_by_text("has the type string, and this wants a whole number")).to_be_visible()
    attempts.fill("${{ parameters.tries }}")
    limits.get_by_label("Memory limit in GB").fill("${{parameters.memory}}")
    expect(limits.get_by_text("A parameter gives bytes")).to_be_visible()
    limits.get_by_label("CPU limit").fill("2")
    limits.get_by_label("CPU limit").fill("many")
    limits.get_by_label("Log limit in GB").focus()  # what is no number is not kept
    expect(limits.get_by_label("CPU limit")).to_have_value("2")
    expect(limits.locator(".builder-more__said")).to_have_text("attempts by tries, memory by memory, 2 CPUs")
    expect(page.locator("[data-builder=problems]")).to_be_hidden()
    saved(page, 1)
    page.reload()
    expect(page.locator("#builder[data-ready]")).to_be_attached()
    (step,) = definition_of(studio, place, page)["steps"]
    assert (step["compute"], step["retry"]["max_attempts"]) == ("${{parameters.target}}", "${{parameters.tries}}")
    assert (step["limits"]["memory_bytes"], step["limits"]["cpus"]) == ("${{parameters.memory}}", 2)

    page.get_by_role("button", name="Submit", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("target").fill("big")
    dialog.get_by_role("button", name="Submit").click()
    expect(
        dialog.get_by_text(f"As the compute target of “{step['name']}”: There is no compute target “big”.")
    ).to_be_visible()
    dialog.get_by_label("target").fill("local")
    dialog.get_by_label("tries").fill("1")
    dialog.get_by_label("memory").fill("512000000")
    dialog.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("[data-run=status]")).to_contain_text("Failed", timeout=RUN_MS)
    page.goto(f"{page.url.partition('?')[0]}?step={step['name']}")
    expect(page.get_by_text("1 attempt", exact=True)).to_be_visible()
    facts = page.locator("dl.kv")
    expect(facts.get_by_role("link", name="local")).to_be_visible()
    expect(facts.get_by_text("512 MB memory")).to_be_visible()

"""Building a pipeline in a browser: by clicking and typing alone, from nothing to a run that completes."""

import io
import re
import zipfile
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

RUN_MS = 60_000

MAKE = """
import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int)
parser.add_argument("--numbers", type=Path)
args = parser.parse_args()
args.numbers.mkdir(parents=True, exist_ok=True)
(args.numbers / "numbers.txt").write_text("\\n".join(map(str, range(args.count))))
"""
SUM = """
import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--numbers", type=Path)
parser.add_argument("--total", type=Path)
args = parser.parse_args()
total = sum(map(int, (args.numbers / "numbers.txt").read_text().split()))
args.total.mkdir(parents=True, exist_ok=True)
(args.total / "total.txt").write_text(str(total))
"""
TELL = """
import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--total", type=Path)
print("the total is", (parser.parse_args().total / "total.txt").read_text())
"""


def new_pipeline(page: Page, place: Place, name: str) -> None:
    page.goto(f"/w/{place.slug}/pipelines/new/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create and add steps").click()
    ready(page)


def ready(page: Page) -> None:
    expect(page.locator("#builder[data-ready]")).to_be_attached()


def form(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Properties")


def section(page: Page, name: str) -> Locator:
    return form(page).get_by_role("region", name=name)


def state(page: Page) -> Locator:
    return page.locator("[data-builder=state]")


def node(page: Page, title: str) -> Locator:
    return page.locator(".graph-node--step").filter(
        has=page.locator(".graph-node__title", has_text=re.compile(f"^{title}$"))
    )


def add_step(page: Page, name: str) -> None:
    """What is focused after adding is the name, selected: typing replaces it."""
    page.locator(".builder-tools").get_by_role("button", name="Add step").click()
    expect(form(page).get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type(name)
    expect(node(page, name)).to_be_visible()


def write_script(page: Page, text: str) -> None:
    """Replace the whole of main.py in the editor, as somebody who pastes does."""
    section(page, "Source files").get_by_role("button", name="Open main.py").click()
    editor = page.locator(".builder-editor .cm-content")
    expect(editor).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)
    page.get_by_role("button", name="Back to the graph").click()


def name_row(page: Page, title: str, add: str, name: str) -> Locator:
    """Add an input or output and type its name; gives the row."""
    part = section(page, title)
    part.get_by_role("button", name=add).click()
    page.keyboard.type(name)
    row = part.get_by_role("listitem").last
    expect(row.get_by_role("textbox").first).to_have_value(name)
    return row


def chips(page: Page) -> Locator:
    return form(page).get_by_role("group", name="Insert into the arguments")


def saved(page: Page, number: int) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(state(page)).to_have_text(f"Saved as version {number}")


def definition_of(studio: Studio, place: Place, page: Page) -> Any:
    number = re.search(r"/pipelines/(\d+)/", page.url)
    assert number
    return studio.api(place.owner).get(f"/api/workspaces/{place.slug}/pipelines/{number[1]}/")["definition"]


def test_three_steps_are_built_by_clicking_and_typing_alone(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Sum of numbers")
    expect(page.get_by_role("heading", name="The first step")).to_be_visible()

    # A parameter, while no step is selected.
    form(page).get_by_role("button", name="Add parameter").click()
    page.keyboard.type("count")
    form(page).get_by_label("Type").select_option("Whole number")
    form(page).get_by_label("Default", exact=True).fill("5")

    add_step(page, "make")
    write_script(page, MAKE)
    outputs = section(page, "Outputs")
    outputs.get_by_role("textbox").fill("numbers")
    form(page).get_by_role("textbox", name="Arguments").fill("")
    chips(page).get_by_role("button", name="parameter count").click()
    chips(page).get_by_role("button", name="output numbers").click()
    expect(form(page).get_by_role("textbox", name="Arguments")).to_have_value(
        "--count ${{parameters.count}} --numbers ${{outputs.numbers}}"
    )
    expect(form(page).locator(".builder-command")).to_have_text("python main.py --count 5 --numbers …/numbers")

    add_step(page, "sum")
    write_script(page, SUM)
    section(page, "Outputs").get_by_role("textbox").fill("total")
    row = name_row(page, "Inputs", "Add input", "numbers")
    row.get_by_role("combobox").select_option("make → numbers")
    form(page).get_by_role("textbox", name="Arguments").fill("")
    chips(page).get_by_role("button", name="input numbers").click()
    chips(page).get_by_role("button", name="output total").click()

    # The third one by the button that connects it.
    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    page.keyboard.type("tell")
    expect(node(page, "tell")).to_be_visible()
    write_script(page, TELL)
    section(page, "Inputs").get_by_role("textbox").fill("total")
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()
    form(page).get_by_role("textbox", name="Arguments").fill("--total ${{inputs.total}}")

    expect(page.locator(".graph-edge")).to_have_count(2)
    expect(state(page)).to_have_text("Unsaved changes")
    saved(page, 1)
    assert [step["name"] for step in definition_of(studio, place, page)["steps"]] == ["make", "sum", "tell"]

    page.get_by_role("button", name="Submit", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("count")).to_have_value("5")
    dialog.get_by_label("count").fill("11")
    dialog.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)
    expect(page.locator(".graph-node.tone-good")).to_have_count(3)
    page.goto(f"{page.url.partition('?')[0]}?step=tell&tab=log")
    expect(page.get_by_text("the total is 55")).to_be_visible()


def test_a_new_step_can_be_submitted_as_it_stands(page: Page, place: Place) -> None:
    new_pipeline(page, place, "As it stands")
    page.locator(".builder-start").get_by_role("button", name="Python script").click()
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)


def test_problems_stand_at_their_fields_while_they_last(page: Page, place: Place) -> None:
    new_pipeline(page, place, "Problems")
    add_step(page, "first")
    add_step(page, "second")
    problems = page.locator("[data-builder=problems]")
    expect(problems).to_be_hidden()

    row = name_row(page, "Inputs", "Add input", "data")
    binding = row.get_by_role("combobox")
    expect(binding).to_have_attribute("aria-invalid", "true")
    described = binding.get_attribute("aria-describedby")
    expect(page.locator(f"#{described}")).to_contain_text("not bound")
    expect(node(page, "second").locator(".graph-node__problems")).to_have_text("1")

    entry = form(page).get_by_label("Entry script", exact=True)
    entry.fill("missing.py")
    expect(entry).to_have_attribute("aria-invalid", "true")
    form(page).get_by_role("textbox", name="Arguments").fill("${{parameters.unknown}}")
    expect(form(page).get_by_role("textbox", name="Arguments")).to_have_attribute("aria-invalid", "true")
    name_row(page, "Outputs", "Add output", "output")
    expect(page.locator("[data-builder=problem-count]")).to_have_text("4 problems")

    # From the list to the field, also from another step.
    node(page, "first").click()
    expect(form(page).get_by_label("Name", exact=True)).to_have_value("first")
    page.locator(".builder-problems").click()
    page.locator("[data-builder=problem-list]").get_by_role("button", name="second · entry script").click()
    expect(form(page).get_by_label("Entry script", exact=True)).to_be_focused()

    # A circle can't be chosen at all: the choice says why.
    section(page, "Inputs").get_by_role("combobox").select_option("first → output")
    node(page, "first").click()
    row = name_row(page, "Inputs", "Add input", "back")
    choice = row.get_by_role("combobox").locator("option", has_text="second → output").first
    expect(choice).to_be_disabled()
    expect(choice).to_have_text("second → output (waits for first)")
    row.get_by_role("button", name="Remove input back").click()

    node(page, "second").click()
    form(page).get_by_label("Entry script", exact=True).fill("main.py")
    expect(form(page).get_by_label("Entry script", exact=True)).not_to_have_attribute("aria-invalid", "true")
    form(page).get_by_role("textbox", name="Arguments").fill("")
    section(page, "Outputs").get_by_role("listitem").last.get_by_role("button").click()
    expect(problems).to_be_hidden()
    expect(node(page, "second").locator(".graph-node__problems")).to_have_count(0)


def test_a_step_is_told_to_run_after_another(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "In order")
    add_step(page, "first")
    node(page, "first").click()  # what is added now reads from nothing
    page.keyboard.press("Escape")
    add_step(page, "second")
    after = section(page, "Runs after")
    after.get_by_role("button", name="Add step").click()
    expect(page.locator(".builder-problems")).to_be_visible()
    after.get_by_role("combobox").select_option("first")
    expect(page.locator(".builder-problems")).to_be_hidden()
    expect(page.locator(".graph-edge.is-order")).to_have_count(1)
    node(page, "first").click()
    after.get_by_role("button", name="Add step").click()
    choice = after.get_by_role("combobox").locator("option", has_text="second")
    expect(choice).to_be_disabled()
    expect(choice).to_have_text("second (waits for first)")
    after.get_by_role("button", name="Do not wait for it").click()
    form(page).get_by_label("Name", exact=True).fill("begin")
    saved(page, 1)
    steps = {step["name"]: step for step in definition_of(studio, place, page)["steps"]}
    assert steps["second"]["run_after"] == ["begin"]
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    node(page, "second").click()
    expect(page.get_by_text("Runs after")).to_be_visible()
    expect(page.locator("[data-run=status], .run-head").get_by_text("Completed").first).to_be_visible(timeout=RUN_MS)


def test_a_command_is_built_beside_a_script(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Commands")
    page.locator(".builder-start").get_by_role("button", name="Command").click()
    expect(form(page).get_by_label("Name", exact=True)).to_be_focused()
    expect(form(page).get_by_role("heading", name="Command", exact=True)).to_be_visible()
    expect(form(page).get_by_label("Entry script", exact=True)).to_have_count(0)
    page.keyboard.type("make")
    expect(node(page, "make")).to_contain_text("Hello from this step.")
    form(page).get_by_label("Command", exact=True).fill("")
    expect(form(page).locator(".field-error", has_text="Write the command to run")).to_be_visible()
    form(page).get_by_label("Command", exact=True).fill("seq 3 > ")
    form(page).get_by_role("group", name="Insert into the command").get_by_role("button", name="output output").click()
    form(page).get_by_label("Command", exact=True).press_sequentially("/numbers.txt")
    section(page, "Outputs").get_by_label("Name of the output").fill("numbers")
    expect(form(page).get_by_label("Command", exact=True)).to_have_value("seq 3 > ${{outputs.numbers}}/numbers.txt")

    page.get_by_text("Choose the kind of the new step").or_(
        page.locator("summary[aria-label='Choose the kind of the new step']")
    ).click()
    page.locator(".builder-kinds").get_by_role("button", name="Command").click()
    expect(page.locator(".builder-kinds")).to_be_hidden()
    expect(form(page).get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("count")
    row = name_row(page, "Inputs", "Add input", "numbers")
    row.get_by_role("combobox").select_option("make → numbers")
    form(page).get_by_label("Command", exact=True).fill("wc -l < ${{inputs.numbers}}/numbers.txt")
    section(page, "Outputs").get_by_role("button", name="Remove output output").click()
    section(page, "Source files").get_by_role("button", name="New file").click()
    page.get_by_role("dialog").get_by_label("Name, with its folders").fill("notes.md")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.locator(".builder-editor .cm-content")).to_be_focused()
    page.get_by_role("button", name="Back to the graph").click()
    saved(page, 1)
    make, count = definition_of(studio, place, page)["steps"]
    assert (make["source"], count["source"] is None) == (None, False)
    page.get_by_role("button", name="Submit", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    node(page, "count").click()
    expect(page.locator(".run-command")).to_have_text("wc -l < ${{inputs.numbers}}/numbers.txt")
    page.get_by_role("tab", name="Log").click()
    expect(page.locator(".run-tab-log")).to_contain_text("3", timeout=RUN_MS)
    page.get_by_role("tab", name="Code").click()
    expect(page.locator(".run-code-files")).to_contain_text("notes.md")
    node(page, "make").click()
    expect(page.get_by_text("The step has no files of its own.")).to_be_visible()


def test_what_another_tab_saved_is_not_overwritten(
    page: Page, visitors: Visitors, place: Place, studio: Studio
) -> None:
    new_pipeline(page, place, "Two tabs")
    add_step(page, "shared")
    saved(page, 1)
    theirs = visitors.open(place.contributor)
    theirs.goto(page.url)
    ready(theirs)

    form(theirs).get_by_label("Description").fill("theirs")
    saved(theirs, 2)
    form(page).get_by_label("Description").fill("mine")
    page.keyboard.press("ControlOrMeta+s")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"{place.contributor.username} saved version 2")
    dialog.get_by_role("button", name="Keep editing").click()
    expect(state(page)).to_have_text("Unsaved changes")
    expect(form(page).get_by_label("Description")).to_have_value("mine")

    page.get_by_role("button", name="Save", exact=True).click()
    with page.context.expect_page() as opened:
        dialog.get_by_role("button", name="Look at theirs").click()
    expect(opened.value.locator("[data-builder=state]")).to_contain_text("version 2")
    opened.value.close()

    page.get_by_role("button", name="Save", exact=True).click()
    dialog.get_by_role("button", name="Save mine as the newest version").click()
    expect(state(page)).to_have_text("Saved as version 3")
    assert definition_of(studio, place, page)["steps"][0]["description"] == "mine"

    # Theirs is still there, and can be had back.
    address = page.url.partition("?")[0]
    page.goto(f"{address}?version=2")
    ready(page)
    expect(page.get_by_text("This is version 2")).to_be_visible()
    page.get_by_role("button", name="Restore as new version").click()
    expect(state(page)).to_have_text("Saved as version 4")


def test_nothing_is_lost_while_the_network_is_away(page: Page, visitors: Visitors, place: Place) -> None:
    visitors.expect_error("ERR_INTERNET_DISCONNECTED")
    new_pipeline(page, place, "Away")
    add_step(page, "one")
    saved(page, 1)
    page.context.set_offline(offline=True)
    form(page).get_by_label("Description").fill("typed on a train")
    page.get_by_role("button", name="Save", exact=True).click()
    banner = page.get_by_role("alert").filter(has_text="Could not save")
    expect(banner).to_contain_text("Your changes are still here")
    expect(state(page)).to_have_text("Unsaved changes")
    page.context.set_offline(offline=False)
    banner.get_by_role("button", name="Try again").click()
    expect(state(page)).to_have_text("Saved as version 2")
    expect(banner).to_be_hidden()
    expect(form(page).get_by_label("Description")).to_have_value("typed on a train")


def test_a_deleted_step_comes_back_with_what_reads_from_it(page: Page, place: Place) -> None:
    new_pipeline(page, place, "Undo")
    add_step(page, "first")
    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    page.keyboard.type("second")
    expect(page.locator(".graph-edge")).to_have_count(1)
    node(page, "first").click()
    form(page).get_by_role("button", name="Delete step").click()
    expect(page.locator(".graph-node--step")).to_have_count(1)
    expect(page.locator(".graph-edge")).to_have_count(0)
    toast = page.locator("#toasts").get_by_role("status").filter(has_text="Deleted first")
    expect(toast).to_contain_text("What second read from it is unbound now")
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".graph-edge")).to_have_count(1)
    # A rename follows, and is undone and redone.
    node(page, "first").click()
    form(page).get_by_label("Name", exact=True).fill("renamed")
    node(page, "second").click()
    expect(section(page, "Inputs").get_by_role("combobox").locator("option:checked")).to_have_text("renamed → output")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(node(page, "first")).to_be_visible()
    page.get_by_role("button", name="Redo", exact=True).click()
    expect(node(page, "renamed")).to_be_visible()


def test_files_come_by_upload_zip_and_by_name(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Files")
    add_step(page, "files")
    files = section(page, "Source files")
    expect(files.get_by_text("main.py")).to_be_visible()
    page.locator("[data-upload=files]").set_input_files(
        [{"name": "train.py", "mimeType": "text/x-python", "buffer": b"print('training')\n"}]
    )
    # The untouched example made room, and the entry script follows.
    expect(files.get_by_text("train.py")).to_be_visible()
    expect(files.get_by_text("main.py")).to_have_count(0)
    expect(form(page).get_by_label("Entry script", exact=True)).to_have_value("train.py")

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("lib/features.py", "X = 1\n")
    page.locator("[data-upload=zip]").set_input_files(
        [{"name": "more.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}]
    )
    expect(files.get_by_role("button", name="Open lib/features.py")).to_be_visible()

    files.get_by_role("button", name="Rename train.py").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("lib/features.py")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog).to_contain_text("There is a “lib/features.py” already.")
    dialog.get_by_role("textbox").fill("fit.py")
    dialog.get_by_role("button", name="Rename").click()
    expect(form(page).get_by_label("Entry script", exact=True)).to_have_value("fit.py")

    files.get_by_role("button", name="New file").click()
    dialog.get_by_role("textbox").fill("notes.md")
    dialog.get_by_role("button", name="Create").click()
    editor = page.locator(".builder-editor .cm-content")
    expect(editor).to_be_focused()
    page.keyboard.type("# Notes")
    saved(page, 1)
    files.get_by_role("button", name="Delete lib/features.py").click()
    expect(files.get_by_role("button", name="Open lib/features.py")).to_have_count(0)
    saved(page, 2)
    source = definition_of(studio, place, page)["steps"][0]["source"]
    listing = studio.api(place.owner).get(f"/api/workspaces/{place.slug}/sources/{source}/")
    assert [file["path"] for file in listing["files"]] == ["fit.py", "notes.md"]

    bad = io.BytesIO()
    with zipfile.ZipFile(bad, "w") as zipped:
        zipped.writestr("../escape.py", "")
    page.locator("[data-upload=zip]").set_input_files(
        [{"name": "bad.zip", "mimeType": "application/zip", "buffer": bad.getvalue()}]
    )
    expect(page.locator("#toasts").get_by_role("alert")).to_contain_text("Could not upload")
    expect(files.get_by_role("button", name="Open fit.py")).to_be_visible()


def test_the_editor_can_be_left_by_keyboard_and_the_graph_walked(page: Page, place: Place) -> None:
    new_pipeline(page, place, "Keys")
    add_step(page, "first")
    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    page.keyboard.type("second")
    section(page, "Source files").get_by_role("button", name="Open main.py").click()
    editor = page.locator(".builder-editor .cm-content")
    expect(editor).to_be_focused()
    page.keyboard.press("Tab")
    expect(editor).to_be_focused()
    expect(state(page)).to_have_text("Unsaved changes")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(editor).not_to_be_focused()
    page.get_by_role("button", name="Back to the graph").click()

    expect(page.get_by_role("application", name="Pipeline")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(node(page, "first")).to_have_attribute("aria-current", "true")
    expect(form(page).get_by_label("Name", exact=True)).to_have_value("first")
    page.keyboard.press("ArrowDown")
    expect(node(page, "second")).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?step=second$"))
    page.keyboard.press("Enter")
    expect(form(page).get_by_label("Name", exact=True)).to_be_focused()


def test_a_reader_looks_and_changes_nothing(page: Page, visitors: Visitors, place: Place) -> None:
    new_pipeline(page, place, "Read me")
    add_step(page, "only")
    saved(page, 1)
    reader = visitors.open(place.reader)
    reader.goto(page.url)
    ready(reader)
    expect(reader.get_by_text("You can look at this pipeline, not change it")).to_be_visible()
    expect(form(reader).get_by_label("Name", exact=True)).to_have_value("only")
    expect(form(reader).get_by_label("Name", exact=True)).not_to_be_editable()
    for name in ("Save", "Submit", "Add step"):
        expect(reader.get_by_role("button", name=name, exact=True)).to_have_count(0)
    section(reader, "Source files").get_by_role("button", name="Open main.py").click()
    expect(reader.locator(".cm-content")).to_contain_text("argparse")


def test_a_stranger_finds_no_builder(page: Page, visitors: Visitors, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Private")
    stranger = visitors.open(studio.place().owner)
    answer = stranger.goto(page.url)
    assert answer is not None
    assert answer.status == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_builder_can_be_used_by_everybody(visitors: Visitors, place: Place, scheme: str) -> None:
    page = visitors.open(place.owner, color_scheme=scheme)
    new_pipeline(page, place, f"Accessible {scheme}")
    add_step(page, "first")
    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    page.keyboard.type("second")
    name_row(page, "Inputs", "Add input", "more")
    expect(page.locator("[data-builder=problem-count]")).to_have_text("1 problem")
    page.emulate_media(reduced_motion="reduce")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert not found.response["violations"], found.generate_report()


def test_where_an_output_goes_is_folded_away_until_it_is_wanted(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Destinations")
    add_step(page, "first")
    output = section(page, "Outputs").get_by_role("listitem")
    expect(output.get_by_role("textbox", name="Destination")).to_be_hidden()
    output.get_by_text("More", exact=True).click()
    output.get_by_label("Datastore", exact=True).select_option("workspacefilestore")
    destination = output.get_by_role("textbox", name="Destination")
    destination.fill("models/{run}")
    expect(destination).to_have_attribute("aria-invalid", "true")
    expect(output).to_contain_text("“{run}” stands for nothing.")

    # Folded, it says what was said; from the list of problems it opens at the field.
    output.get_by_text("More", exact=True).click()
    expect(output.locator(".builder-more__said")).to_have_text("to workspacefilestore: models/{run}")
    page.locator(".builder-problems").click()
    page.locator("[data-builder=problem-list]").get_by_role("button", name="first · output output").click()
    expect(destination).to_be_focused()
    destination.fill("models/")
    output.get_by_role("button", name="{run-id}").click()
    expect(destination).to_have_value("models/{run-id}")
    expect(page.locator("[data-builder=problems]")).to_be_hidden()

    output.get_by_label("Must be written").check()
    output.get_by_label("Register as a dataset").check()
    output.get_by_label("Dataset", exact=True).fill("model")
    output.get_by_label("Tags", exact=True).fill("stage=trial, draft")
    saved(page, 1)
    (said,) = definition_of(studio, place, page)["steps"][0]["outputs"]
    assert said == {
        "name": "output",
        "datastore": "workspacefilestore",
        "path": "models/{run-id}",
        "file": None,
        "mode": "upload",
        "required": True,
        "register_as": {"dataset": "model", "description": "", "tags": {"stage": "trial", "draft": ""}},
        "taken_from": None,
    }

    # One step back at a time.
    output.get_by_label("Register as a dataset").uncheck()
    page.get_by_role("button", name="Undo").click()
    expect(output.get_by_label("Dataset", exact=True)).to_have_value("model")

    # An input's way of arriving stands with the input.
    form(page).get_by_role("button", name="Add a step that reads this one's output").click()
    given = section(page, "Inputs").get_by_role("listitem")
    given.get_by_text("More", exact=True).click()
    given.get_by_label("How the data arrives").select_option("Mount")
    expect(given).to_contain_text("fetch what they need")
    saved(page, 2)
    assert definition_of(studio, place, page)["steps"][1]["inputs"][0]["mode"] == "mount"


def test_a_choice_with_bounds_beside_it_and_what_may_be_left_out(page: Page, place: Place, studio: Studio) -> None:
    new_pipeline(page, place, "Options")
    form(page).get_by_role("button", name="Add parameter").click()
    page.keyboard.type("size")
    form(page).get_by_label("Type").select_option("One of several")
    expect(form(page).get_by_label("Minimum")).to_be_hidden()
    form(page).get_by_label("Choices, one a line").fill("small\nlarge")
    form(page).get_by_label("Default", exact=True).fill("medium")
    expect(form(page).locator(".field-error", has_text="one of: “small”, “large”")).to_be_visible()
    form(page).get_by_label("Ask each time, without a default").check()
    form(page).get_by_label("May be left out").check()
    form(page).get_by_role("button", name="Add parameter").click()
    page.keyboard.type("folds")
    row = form(page).get_by_role("listitem").last
    row.get_by_label("Type").select_option("Whole number")
    row.get_by_label("Minimum").fill("2")
    row.get_by_label("Maximum").fill("9")
    row.get_by_label("Default", exact=True).fill("5")

    add_step(page, "tell")
    write_script(page, "import sys\nprint(*sys.argv[1:])\n")
    chips(page).get_by_role("button", name="parameter size").click()
    chips(page).get_by_role("button", name="parameter folds").click()
    saved(page, 1)
    arguments = definition_of(studio, place, page)["steps"][0]["arguments"]
    assert arguments.endswith(" $[[--size ${{parameters.size}}]] --folds ${{parameters.folds}}")

    page.get_by_role("button", name="Submit", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("folds").fill("10")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.locator(".field-error", has_text="9 or less")).to_be_visible()
    dialog.get_by_label("folds").fill("2")
    expect(dialog.get_by_label("size").locator("option")).to_have_text(["None", "small", "large"])
    dialog.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    number = int(re.search(r"/runs/(\d+)/", page.url)[1])
    state = studio.api(place.owner).get(f"/api/workspaces/{place.slug}/runs/{number}/")
    assert state["parameters"] == {"folds": 2}


def test_data_is_chosen_at_submission(page: Page, place: Place, studio: Studio) -> None:
    for name in ("monday", "tuesday"):
        studio.inside(NAMED, slug=place.slug, name=name, text=f"it was {name}\n")
    new_pipeline(page, place, "Days")
    form(page).get_by_role("button", name="Add parameter").click()
    page.keyboard.type("day")
    form(page).get_by_label("Type").select_option("Dataset")
    form(page).get_by_label("Default", exact=True).select_option("monday (latest)")
    form(page).get_by_role("button", name="Add parameter").click()
    page.keyboard.type("place")
    row = form(page).get_by_role("listitem").last
    row.get_by_label("Type").select_option("Data path")
    row.get_by_label("Default", exact=True).fill("nowhere/a")
    expect(row.locator(".field-error", has_text="There is no datastore “nowhere”")).to_be_visible()
    row.get_by_label("Ask each time, without a default").check()

    add_step(page, "tell")
    write_script(page, "import pathlib, sys\nfor path in sys.argv[1:]:\n    print(pathlib.Path(path).read_text())\n")
    for parameter in ("day", "place"):
        row = name_row(page, "Inputs", "Add input", f"from_{parameter}")
        row.get_by_role("combobox").first.select_option(parameter)
    form(page).get_by_role("textbox", name="Arguments").fill("${{inputs.from_day}} ${{inputs.from_place}}")
    expect(page.locator(".graph-node--parameter", has_text="day")).to_have_attribute("aria-label", "Parameter day")
    expect(page.locator(".graph-edge")).to_have_count(2)
    saved(page, 1)

    page.get_by_role("button", name="Submit", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("day")).to_have_value("monday")
    dialog.get_by_label("day").fill("tuesdy")
    dialog.get_by_label("place").fill("workspaceblobstore/days/monday.txt")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.locator(".field-error", has_text="Did you mean “tuesday”?")).to_be_visible()
    dialog.get_by_label("day").fill("tuesday")
    dialog.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    expect(page.locator("[data-run=status]")).to_contain_text("Completed", timeout=RUN_MS)
    address = page.url.partition("?")[0]
    page.goto(f"{address}?step=tell&tab=log")
    expect(page.get_by_text("it was tuesday")).to_be_visible()
    expect(page.get_by_text("it was monday")).to_be_visible()
    page.goto(f"{address}?step=tell&tab=files")
    expect(page.get_by_role("link", name="tuesday:1")).to_be_visible()
    expect(page.get_by_role("link", name="workspaceblobstore: days/monday.txt")).to_be_visible()
    page.get_by_role("listitem").filter(has_text="from_place").get_by_role("link", name="Lineage").click()
    expect(page.locator(".graph-node", has_text="monday.txt")).to_be_visible()


NAMED = """
from io import BytesIO
from datastores.backends import get_backend
from datastores.models import DataPath, Datastore
from datastores.services import create_dataset
from studio.workspaces.models import Workspace
store = Datastore.objects.get(workspace__slug=slug, is_default=True)
get_backend(store).write(f"days/{name}.txt", BytesIO(text.encode()))
paths = [DataPath(datastore_id=store.pk, path=f"days/{name}.txt")]
create_dataset(Workspace.objects.get(slug=slug), name=name, paths=paths, actor=None)
"""

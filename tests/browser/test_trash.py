"""The trash in a real browser: runs are chosen, put there, restored, pinned; rules are seen before they are saved."""

from playwright.sync_api import Page, expect

from tests.browser.runs import Script, address, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio
from tests.support.waiting import wait_for


def ended(studio: Studio, place: Place, run: int) -> int:
    """The run, once it is over."""
    api = studio.api(place.contributor)
    wait_for(
        lambda: api.get(f"/api/workspaces/{place.slug}/runs/{run}/")["status"] == "completed",
        what="the run completes",
        timeout_s=60,
    )
    return run


def test_runs_are_chosen_put_in_the_trash_and_restored(
    studio: Studio, place: Place, page: Page, visitors: Visitors
) -> None:
    first = ended(studio, place, submit(studio, place, Script("one", "import sys"), name="first"))
    second = ended(studio, place, submit(studio, place, Script("two", "print(2)"), name="second"))
    page.goto(f"/w/{place.slug}/runs/")
    bar = page.locator("#runs-chosen")
    expect(bar).to_be_hidden()
    page.get_by_label(f"Choose run {first}").check()
    page.get_by_label(f"Choose run {second}").check()
    expect(bar).to_contain_text("2 runs chosen")
    # What another person does draws the list anew, and what was ticked stays so.
    third = ended(studio, place, submit(studio, place, Script("three", "print(3)"), name="third"))
    expect(page.locator(f"#run-{third}")).to_contain_text("Completed")
    expect(page.get_by_label(f"Choose run {first}")).to_be_checked()
    page.get_by_label(f"Choose run {second}").uncheck()
    bar.get_by_role("button", name="Put in the trash").click()
    page.get_by_role("button", name="Put them in the trash").click()
    expect(page.locator("#toasts")).to_contain_text("1 run is in the trash.")
    expect(page.locator(f"#run-{first}")).to_have_count(0)
    expect(bar).to_be_hidden()

    page.goto(address(place, first))
    expect(page.get_by_text("This run is in the trash.")).to_be_visible()
    expect(page.get_by_role("button", name="Resubmit")).to_have_count(0)
    page.get_by_role("link", name="Delete now").click()
    expect(page.get_by_text("No other run and no dataset needs anything of it.")).to_be_visible()
    page.get_by_role("link", name="Keep it in the trash").click()
    reader = visitors.open(place.reader)
    reader.goto(f"/w/{place.slug}/trash/")
    expect(reader.locator(f"#trash-{first}")).to_be_visible()
    expect(reader.get_by_role("button", name="Restore")).to_have_count(0)
    page.get_by_role("button", name=f"Restore run {first}").click()
    expect(page.locator("#toasts")).to_contain_text(f"Run {first} is back.")
    expect(page.get_by_text("The trash is empty")).to_be_visible()
    expect(reader.get_by_text("The trash is empty")).to_be_visible()


def test_a_run_and_a_step_are_pinned_and_rules_pass_them_over(studio: Studio, place: Place, page: Page) -> None:
    run = ended(studio, place, submit(studio, place, Script("one", "print(1)")))
    page.goto(address(place, run, "?view=table&step=one"))
    panel = page.locator("#step-panel")
    panel.get_by_role("button", name="Pin this step").click()
    page.locator("#step-pin-note").fill("the model of March")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("the model of March")
    panel.get_by_role("button", name="Take the pin off").click()
    expect(panel.get_by_role("button", name="Pin this step")).to_be_visible()
    page.get_by_label("More").click()
    page.get_by_role("button", name="Pin this run").click()
    page.locator("#pin-note").fill("the baseline")
    page.locator("#pin-dialog").get_by_role("button", name="Pin").click()
    expect(page.locator(".run-facts")).to_contain_text("the baseline")
    page.goto(f"/w/{place.slug}/runs/")
    expect(page.locator(f"#run-{run} .pin-mark")).to_be_visible()
    expect(page.get_by_label(f"Choose run {run}")).to_be_visible()  # to be compared; the trash refuses it

    page.goto(f"/w/{place.slug}/retention/")
    page.get_by_label("Keep at most so many GB").fill("0.001")
    page.get_by_role("button", name="What would go?").click()
    expect(page.locator("#preview")).to_have_text("This would put no run in the trash now.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("The rules are saved.")

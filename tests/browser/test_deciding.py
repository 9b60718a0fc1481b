"""Conditions, approvals and waits in a real browser: built, watched, and answered."""

from playwright.sync_api import Page, expect

from tests.browser.runs import address
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

QUESTION = "Shall <b>it</b> be published?"
STEPS = [
    {"kind": "condition", "name": "large", "expression": "${{parameters.size}} > 1000"},
    {"kind": "approval", "name": "ask", "message": QUESTION, "only_if": {"step": "large", "answer": True}},
    {"kind": "wait", "name": "short", "duration": "1 s", "only_if": {"step": "large", "answer": False}},
    {"kind": "wait", "name": "end", "duration": "0.1 s", "run_after": ["ask", "short"]},
]


def pipeline_of(studio: Studio, place: Place, *, steps: list[dict[str, object]], name: str = "deciding") -> int:
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    pipeline: int = api.post(f"{base}/pipelines/", {"name": name, "description": ""})["id"]
    parameters = [{"name": "size", "type": "integer", "default": 1500}]
    definition = {"parameters": parameters, "steps": steps}
    api.post(f"{base}/pipelines/{pipeline}/versions/", {"definition": definition, "base_version": 0})
    return pipeline


def submit(studio: Studio, place: Place, pipeline: int) -> int:
    base = f"/api/workspaces/{place.slug}/pipelines/{pipeline}/runs/"
    run: int = studio.api(place.contributor).post(base, {"parameters": {}})["id"]
    return run


def test_a_question_waits_above_everything_else_and_is_answered_once(
    studio: Studio, place: Place, page: Page, visitors: Visitors
) -> None:
    run = submit(studio, place, pipeline_of(studio, place, steps=STEPS))
    reader = visitors.open(place.reader)
    reader.goto(address(place, run))
    expect(reader.locator(".run-approval")).to_contain_text("waits for a contributor or an owner")
    expect(reader.get_by_role("button", name="Approve")).to_have_count(0)

    page.goto(f"/w/{place.slug}/runs/")
    page.get_by_role("link", name="Show it").click()
    page.get_by_role("link", name=f"#{run}").click()
    expect(page.locator(".run-approval")).to_contain_text(QUESTION)  # as text
    expect(page.locator(".graph-edge-label")).to_have_text(["true", "false"])
    page.get_by_label("Comment").fill("Looks good.")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("[data-run=status]")).to_have_text("Completed", timeout=30_000)
    expect(page.locator(".run-approval")).to_have_count(0)
    expect(page.locator("[data-run=steps]")).to_have_text("3 of 4 steps completed, 1 not taken")
    expect(reader.locator(".run-approval")).to_have_count(0)

    page.get_by_role("button", name="Table").click()
    page.get_by_role("link", name="ask").click()
    panel = page.locator("#step-panel")
    expect(panel).to_contain_text("Looks good.")
    expect(panel.get_by_role("tab", name="Log")).to_be_hidden()
    page.get_by_role("link", name="large").click()
    expect(panel).to_contain_text("It is true.")
    expect(panel.locator(".run-outcome")).to_contain_text("parameters.size")
    expect(panel.locator(".run-outcome")).to_contain_text("1500")
    page.goto(f"/w/{place.slug}/runs/?status=approval")
    expect(page.get_by_text("Nothing waits for your answer")).to_be_visible()


def test_a_branch_is_built(studio: Studio, place: Place, page: Page) -> None:
    pipeline = pipeline_of(studio, place, steps=STEPS[:1], name="built")
    page.goto(f"/w/{place.slug}/pipelines/{pipeline}/edit/")
    page.locator(".graph-node", has_text="large").click()
    form = page.locator("[data-builder=form]")
    expression = form.get_by_role("textbox", name="Is true when")
    expect(expression).to_have_value("${{parameters.size}} > 1000")
    expression.fill("open('/etc/passwd')")
    expect(form.locator(".field", has_text="Is true when").locator(".field-error")).to_contain_text(
        "Nothing can be called here"
    )
    expression.fill("")
    form.get_by_role("button", name="parameter size").click()
    expression.press_sequentially(" > 10")
    form.get_by_role("button", name="Add a step that reads this one's output").click()
    only_if = form.get_by_label("Only if")
    expect(only_if.locator("option:checked")).to_have_text("large is true")
    only_if.select_option(label="large is false")
    expect(page.locator(".graph-edge-label")).to_have_text("false")
    page.locator("[data-builder=save]").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    saved = studio.api(place.contributor).get(f"/api/workspaces/{place.slug}/pipelines/{pipeline}/versions/2/")
    first, second = saved["definition"]["steps"]
    assert first["expression"] == "${{parameters.size}} > 10"
    assert second["only_if"] == {"step": "large", "answer": False}

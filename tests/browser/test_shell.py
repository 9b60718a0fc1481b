"""The frame around every page, and the lists, in a real browser against a whole studio."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.runs import Script, gate, submit
from tests.support.browser import Visitors
from tests.support.studio import Place, Studio

PHONE = {"width": 390, "height": 844}
PAGES = ("pipelines/", "runs/", "datastores/", "datasets/", "models/", "compute/", "environments/", "members/")


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A file that a step waits for; touched at the end, so that no step outlives its test."""
    path = tmp_path / "go"
    yield path
    path.touch()


def make_pipeline(studio: Studio, place: Place, name: str, parameters: list[dict[str, object]] | None = None) -> int:
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    source = api.post(f"{base}/sources/edit/", {"put": [{"path": "main.py", "text": "import sys; print(sys.argv)\n"}]})
    arguments = " ".join(f"${{{{parameters.{each['name']}}}}}" for each in parameters or [])
    step = {"name": "only", "source": source["digest"], "entry": "main.py", "arguments": arguments}
    number: int = api.post(f"{base}/pipelines/", {"name": name, "description": ""})["id"]
    definition = {"steps": [step], "parameters": parameters or []}
    api.post(f"{base}/pipelines/{number}/versions/", {"definition": definition, "base_version": 0})
    return number


def test_somebody_signs_in_goes_round_and_signs_out(visitors: Visitors, place: Place) -> None:
    page = visitors.open()
    page.goto(f"/w/{place.slug}/runs/")
    page.get_by_label("Username").fill(place.reader.username)
    page.get_by_label("Password").fill(place.reader.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(f"/w/{place.slug}/runs/$"))
    for name in ("Pipelines", "Datastores", "Datasets", "Compute", "Environments", "Members", "Runs"):
        page.locator("#nav").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.locator("#nav [aria-current=page]")).to_have_text(name)
    page.locator("#nav summary").last.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_theme_follows_the_system_until_somebody_chooses(visitors: Visitors, place: Place) -> None:
    page = visitors.open(place.reader, color_scheme="dark")
    page.goto(f"/w/{place.slug}/pipelines/")
    html = page.locator("html")
    expect(html).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="Light theme").click()
    expect(html).to_have_attribute("data-bs-theme", "light")
    page.reload()
    expect(html).to_have_attribute("data-bs-theme", "light")


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_no_page_is_wider_than_its_screen(visitors: Visitors, place: Place, studio: Studio, width: int) -> None:
    make_pipeline(studio, place, "a pipeline with a name that is longer than a phone is wide")
    page = visitors.open(place.owner, viewport={"width": width, "height": 844})
    for path in [f"/w/{place.slug}/{each}" for each in PAGES] + ["/help/", "/workspaces/new/", "/accounts/password/"]:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path


def test_on_a_phone_the_navigation_is_a_drawer(visitors: Visitors, place: Place) -> None:
    page = visitors.open(place.reader, viewport=PHONE)
    page.goto(f"/w/{place.slug}/pipelines/")
    link = page.locator("#nav").get_by_role("link", name="Runs")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(page.get_by_role("button", name="Menu")).to_be_focused()
    page.get_by_role("button", name="Menu").click()
    link.click()
    expect(page).to_have_url(re.compile(r"/runs/$"))


@pytest.mark.parametrize(("size", "part"), [({"width": 1280, "height": 700}, "#nav"), (PHONE, ".topbar")])
def test_the_navigation_stays_however_long_the_page_is(page: Page, size: ViewportSize, part: str) -> None:
    page.set_viewport_size(size)
    page.goto("/help/")
    page.locator("#main :is(h2, h3)").last.scroll_into_view_if_needed()
    assert page.evaluate("window.scrollY") > 2 * size["height"]
    box = page.locator(part).bounding_box()
    assert box is not None
    assert abs(box["y"]) < 1


def test_the_keyboard_reaches_content_search_and_menus(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/pipelines/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    switcher = page.locator(".switcher summary")
    switcher.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="New workspace")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="New workspace")).to_be_hidden()
    expect(switcher).to_be_focused()


def test_the_list_of_runs_moves_by_itself_and_cancels(studio: Studio, place: Place, page: Page, go: Path) -> None:
    page.goto(f"/w/{place.slug}/runs/")
    expect(page.get_by_text("Nothing has run yet")).to_be_visible()
    expect(page.locator("[data-live-note]")).to_have_text("Live")
    page.evaluate("() => { window.sameDocument = true }")
    run = submit(studio, place, Script("wait", gate(go)), name="slow")
    row = page.locator(f"#run-{run}")
    expect(row.locator(".status")).to_have_text("Running", timeout=60_000)
    first = row.locator("[data-since]").inner_text()
    expect(row.locator("[data-since]")).not_to_have_text(first)

    row.get_by_role("button", name=f"Cancel run {run}").focus()
    other = submit(studio, place, Script("quick", "print(1)"), name="quick")
    expect(page.locator(f"#run-{other} .status")).to_have_text("Completed", timeout=60_000)
    expect(row.get_by_role("button", name=f"Cancel run {run}")).to_be_focused()

    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(row.locator(".status")).to_have_text("Cancelled", timeout=30_000)
    assert page.evaluate("() => window.sameDocument")


def test_filters_go_to_the_address_and_back(studio: Studio, place: Place, page: Page) -> None:
    runs = {name: submit(studio, place, Script("quick", "print(1)"), name=name) for name in ("alpha", "beta")}
    page.goto(f"/w/{place.slug}/runs/")
    search = page.get_by_role("searchbox")
    search.press_sequentially("alph", delay=30)
    expect(page.locator(f"#run-{runs['beta']}")).to_have_count(0)
    expect(page.locator(f"#run-{runs['alpha']}")).to_be_visible()
    expect(search).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?q=alph$"))
    page.get_by_label("Pipeline").select_option("alpha")
    expect(page).to_have_url(re.compile(r"q=alph&pipeline=\d+$"))
    page.go_back()
    expect(page.get_by_label("Pipeline")).to_have_value("")
    search.fill("nowhere")
    expect(page.get_by_text("No run fits these filters")).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(page.locator(f"#run-{runs['beta']}")).to_be_visible()


def test_a_pipeline_is_submitted_with_its_parameters(studio: Studio, place: Place, page: Page) -> None:
    parameters = [
        {"name": "text", "type": "string", "default": "some"},
        {"name": "size", "type": "integer", "description": "Pixels a side"},
        {"name": "shuffle", "type": "boolean", "default": True},
    ]
    number = make_pipeline(studio, place, "typed", parameters)
    page.goto(f"/w/{place.slug}/pipelines/{number}/")
    expect(page.locator("#graph-preview").get_by_text("only", exact=True)).to_be_visible()
    page.get_by_role("button", name="Submit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Pixels a side")).to_be_visible()
    dialog.get_by_label("text").fill("")
    dialog.get_by_label("shuffle").select_option("false")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.get_by_text("Give a whole number, as in 10.")).to_be_visible()
    expect(dialog.get_by_label("size")).to_be_focused()
    dialog.get_by_label("size").fill("0")
    dialog.get_by_label("Experiment").fill("not a name!")
    dialog.get_by_role("button", name="Submit").click()
    expect(dialog.get_by_text("Use 1 to 100 letters")).to_be_visible()
    dialog.get_by_label("Experiment").fill("tests")
    dialog.get_by_role("button", name="Submit").click()
    expect(page).to_have_url(re.compile(r"/runs/\d+/"))
    run = studio.api(place.reader).get(f"/api/workspaces/{place.slug}/runs/{page.url.rstrip('/').split('/')[-1]}/")
    assert run["parameters"] == {"text": "", "size": 0, "shuffle": False}
    assert run["experiment"] == "tests"


def test_a_pipeline_is_renamed_and_deleted(studio: Studio, place: Place, page: Page) -> None:
    make_pipeline(studio, place, "taken")
    number = make_pipeline(studio, place, "old name")
    page.goto(f"/w/{place.slug}/pipelines/{number}/")
    more = page.locator("summary[aria-label=More]")
    more.click()
    page.get_by_role("button", name="Rename or describe").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("taken")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[data-error-for=name]")).not_to_be_empty()
    dialog.get_by_label("Name").fill("new name")
    dialog.get_by_label("Description").fill("What it is for")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("new name")
    expect(page.locator(".page-heading p")).to_have_text("What it is for")
    more.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("new name")
    more.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the pipeline").click()
    expect(page).to_have_url(re.compile(r"/pipelines/$"))
    expect(page.get_by_role("link", name="taken")).to_be_visible()
    expect(page.get_by_role("link", name="new name")).to_have_count(0)


def test_an_owner_changes_a_role_and_removes_a_member(page: Page, place: Place) -> None:
    page.goto(f"/w/{place.slug}/members/")
    page.get_by_label(f"Role of {place.reader.username}").select_option("contributor")
    expect(page.get_by_text("is a contributor now")).to_be_visible()
    page.get_by_role("button", name=f"Remove {place.reader.username}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("They are no longer a member.")).to_be_visible()
    expect(page.get_by_role("button", name=f"Remove {place.reader.username}")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_a_readers_way(visitors: Visitors, studio: Studio, place: Place, scheme: str) -> None:
    """axe-core finds no violation of WCAG 2 A and AA, contrast included."""
    from axe_playwright_python.sync_playwright import Axe

    number = make_pipeline(studio, place, "seen by all")
    submit(studio, place, Script("quick", "print(1)"), name="quick")
    page = visitors.open(place.owner, color_scheme=scheme, bypass_csp=True)
    paths = [f"/w/{place.slug}/{path}" for path in ("pipelines/", f"pipelines/{number}/", "runs/", "members/")]
    for path in [*paths, "/help/", "/workspaces/new/"]:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"


def test_a_page_says_which_part_of_the_studio_is_silent_and_that_it_is_over(visitors: Visitors, place: Place) -> None:
    page = visitors.open(place.reader)
    parts = {"status": "unhealthy", "database": "ok", "redis": "ok", "control_worker": "silent for more than 15 s"}
    page.route("**/healthz", lambda route: route.fulfill(json=parts))
    page.goto(f"/w/{place.slug}/runs/")
    expect(page.locator("#toasts").get_by_role("alert")).to_contain_text(
        "The control worker is silent: steps of a lost"
    )
    page.unroute("**/healthz")
    expect(page.locator("#toasts").get_by_role("status")).to_have_text("All parts of the studio answer again.")
    expect(page.locator("#toasts").get_by_role("alert")).to_have_count(0)

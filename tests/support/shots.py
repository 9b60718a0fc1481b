"""`make shots`: the README's pictures, of a real installation after its sample has run, into static/img/shots."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from studio.installation.temporary import Installation, temporary_installation
from tests.support.browser import chromium
from tests.support.studio import Api
from tests.support.waiting import wait_for

FOLDER = Path(__file__).resolve().parent.parent.parent / "static" / "img" / "shots"
RUN_TIMEOUT_S = 300.0
SIZE = {"width": 1280, "height": 800}


@dataclass(frozen=True)
class Shot:
    """A picture: a page, and the words that must stand in a part of it before it is taken."""

    name: str
    path: str
    part: str = "main"
    words: str = ""


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with temporary_installation(demo=True) as studio, chromium() as browser:
        api = Api(studio.address, studio.manage("token", "admin"))
        first = _wait_for_run(api)
        page = _signed_in(browser, studio, "light")
        _take(page, Shot("builder", f"/w/demo/pipelines/{first['pipeline']['id']}/edit/", words="train-forest"))
        _take(page, Shot("outputs", f"/w/demo/runs/{first['id']}/?step=compare&tab=files", words="confusion.png"))
        for seed, scheme in ((11, "light"), (12, "dark")):
            page = _signed_in(browser, studio, scheme)
            # More trees than by default, so that there is something to see while it lasts.
            body = {"parameters": {"random_seed": seed, "trees": 900}}
            run = api.post(f"/api/workspaces/demo/pipelines/{first['pipeline']['id']}/runs/", body)["id"]
            path = f"/w/demo/runs/{run}/?step=train-forest&tab=log"
            _take(page, Shot("run" if scheme == "light" else "run-dark", path, ".log-view, #step-panel", "fold 2 of"))
            if scheme == "light":
                _take(page, Shot("compute", "/w/demo/compute/1/", "#live", "Running"))
            _wait_for_run(api)


def _wait_for_run(api: Api) -> dict:
    """The state of the newest run once it is completed."""
    return wait_for(lambda: _completed(api), what="the sample's run completes", timeout_s=RUN_TIMEOUT_S, every_s=0.5)


def _completed(api: Api) -> dict | None:
    runs = api.get("/api/workspaces/demo/runs/")["results"]
    state = api.get(f"/api/workspaces/demo/runs/{runs[0]['id']}/") if runs else None
    assert state is None or state["status"] not in {"failed", "cancelled"}, state["reason"]
    return state if state and state["status"] == "completed" else None


def _signed_in(browser: Browser, studio: Installation, scheme: str) -> Page:
    context = browser.new_context(base_url=studio.address, viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill((studio.home / "admin-password").read_text().strip())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def _take(page: Page, shot: Shot) -> None:
    page.goto(shot.path)
    expect(page.locator(shot.part).first).to_contain_text(shot.words, timeout=30_000)
    page.evaluate("() => document.fonts.ready")
    path = FOLDER / f"{shot.name}.png"
    page.screenshot(path=path)
    print(f"{path.relative_to(FOLDER.parent.parent.parent)}: {path.stat().st_size // 1000} KB", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

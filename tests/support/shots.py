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
    """A picture: a page, and what must be on it before it is taken."""

    name: str
    path: str
    wanted: str
    scheme: str = "light"


def shots(run: int, pipeline: int) -> list[Shot]:
    return [
        Shot("run", f"/w/demo/runs/{run}/?step=compare&tab=log", ".log-row"),
        Shot("run-dark", f"/w/demo/runs/{run}/?step=compare&tab=log", ".log-row", "dark"),
        Shot("builder", f"/w/demo/pipelines/{pipeline}/edit/", "main"),
        Shot("outputs", f"/w/demo/runs/{run}/?step=compare&tab=files", "main"),
        Shot("runs", "/w/demo/runs/", "table"),
        Shot("compute", "/w/demo/compute/1/", "table"),
    ]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with temporary_installation(demo=True) as studio, chromium() as browser:
        api = Api(studio.address, studio.manage("token", "admin"))
        state = wait_for(
            lambda: _completed(api), what="the sample's run completes", timeout_s=RUN_TIMEOUT_S, every_s=0.5
        )
        for scheme in ("light", "dark"):
            page = _signed_in(browser, studio, scheme)
            for shot in shots(state["id"], state["pipeline"]["id"]):
                if shot.scheme == scheme:
                    _take(page, shot)


def _completed(api: Api) -> dict | None:
    runs = api.get("/api/workspaces/demo/runs/")["results"]
    state = api.get(f"/api/workspaces/demo/runs/{runs[-1]['id']}/") if runs else None
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
    expect(page.locator(shot.wanted).first).to_be_visible(timeout=15_000)
    page.evaluate("() => document.fonts.ready")
    page.wait_for_load_state("networkidle")
    path = FOLDER / f"{shot.name}.png"
    page.screenshot(path=path)
    print(f"{path.relative_to(FOLDER.parent.parent.parent)}: {path.stat().st_size // 1000} KB", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

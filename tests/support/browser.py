"""A headless Chromium, and pages that are signed in and watched: an error on the console fails the test."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect, sync_playwright

from tests.support.studio import Person, Studio

# The shell first: the others draw a window of their own around each page, which nobody sees and which costs most.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
# The browser's own remark on a refusal that the page handles; what the page makes of it is the test's business.
REFUSALS = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
RESULTS = Path(__file__).resolve().parent.parent.parent / "test-results"
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own browser: Playwright's downloads do not work on closed networks."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path is not None, (
        "The page tests need Chromium: install it (Debian: apt-get install chromium-headless-shell)."
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitors:
    """Opens pages for people, and keeps what went wrong in them."""

    def __init__(self, browser: Browser, studio: Studio) -> None:
        self._browser, self._studio = browser, studio
        self._contexts: list[BrowserContext] = []
        self._expected: list[re.Pattern[str]] = [REFUSALS]
        self.errors: list[str] = []

    def open(self, person: Person | None = None, **options: Any) -> Page:
        """A page in a browser of its own, signed in as `person`. Addresses in it may be relative."""
        context = self._browser.new_context(
            base_url=self._studio.address, **{"viewport": {"width": 1440, "height": 900}, **options}
        )
        context.set_default_timeout(PATIENCE_MS)
        if person is not None:
            context.add_cookies([{"name": "studio_session", "value": person.session_key, "url": self._studio.address}])
        self._contexts.append(context)
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.errors.append(f"uncaught: {error.error}"))
        context.on("response", self._answered)
        return context.new_page()

    def expect_error(self, pattern: str) -> None:
        """What matches on the console is part of this test."""
        self._expected.append(re.compile(pattern))

    def unexpected_errors(self) -> list[str]:
        return [error for error in self.errors if not any(pattern.search(error) for pattern in self._expected)]

    def take_pictures(self, name: str) -> None:
        RESULTS.mkdir(exist_ok=True)
        pages = [page for context in self._contexts for page in context.pages]
        for number, page in enumerate(pages):
            page.screenshot(path=RESULTS / f"{name}-{number}.png")

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _answered(self, response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and "/static/" in response.url):
            self.errors.append(f"{response.status} for {response.url}")

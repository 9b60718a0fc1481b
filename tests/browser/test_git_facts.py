"""Which commit a step's files are, in a real browser: pushed from a checkout, or uploaded as a folder with `.git`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from compute.execution.sdk import SDK
from tests.browser.runs import address
from tests.browser.test_builder import add_step, definition_of, new_pipeline, saved, section
from tests.support.studio import Place, Studio

CODE = "print('hello')\n"


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", *settings, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "main.py").write_text(CODE)
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", "https://ada:hidden@example.org/team/code.git")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def push(studio: Studio, place: Place, folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "studio_sdk", "push", str(folder), "--pipeline", "pushed", "--step", "greet"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SDK),
            "STUDIO_URL": studio.address,
            "STUDIO_WORKSPACE": place.slug,
            "STUDIO_TOKEN": place.contributor.token,
        },
        check=True,
        timeout=60,
    )


def test_the_code_tab_says_the_commit_and_shows_what_was_not_committed(
    studio: Studio, place: Place, page: Page, checkout: Path
) -> None:
    api, base = studio.api(place.contributor), f"/api/workspaces/{place.slug}"
    pipeline = api.post(f"{base}/pipelines/", {"name": "pushed", "description": ""})["id"]
    body = {
        "definition": {"steps": [{"kind": "python_script", "name": "greet", "entry": "main.py"}]},
        "base_version": 0,
    }
    api.post(f"{base}/pipelines/{pipeline}/versions/", body)
    (checkout / "main.py").write_text("print('<b>changed</b>')\n")
    (checkout / "notes.txt").write_text("new")
    push(studio, place, checkout)
    run = api.post(f"{base}/pipelines/{pipeline}/runs/", {"parameters": {}})["id"]

    page.goto(address(place, run, "?step=greet&tab=code"))
    origin = page.get_by_role("region", name="Where the files come from")
    commit = git(checkout, "rev-parse", "HEAD")
    expect(origin).to_contain_text(f"Commit {commit[:10]}")
    expect(origin).to_contain_text("on main")
    expect(origin).to_contain_text("with uncommitted changes")
    link = origin.get_by_role("link", name="example.org/team/code.git")
    expect(link).to_have_attribute("href", "https://example.org/team/code.git")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(origin).not_to_contain_text("edited here since")
    origin.get_by_text("Uncommitted changes", exact=True).click()
    expect(origin.locator(".why-line-added")).to_have_text("print('<b>changed</b>')")
    expect(origin.locator(".why-line-removed")).to_have_text("print('hello')")
    expect(origin).to_contain_text("notes.txt")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    origin.get_by_role("button", name="Copy the commit").click()
    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert page.evaluate("() => navigator.clipboard.readText()") == commit


def test_a_folder_with_a_checkout_in_it_says_its_commit_and_keeps_gits_files(
    studio: Studio, place: Place, page: Page, checkout: Path
) -> None:
    new_pipeline(page, place, "From a folder")
    add_step(page, "greet")
    page.locator("[data-upload=folder]").set_input_files(checkout)
    files = section(page, "Source files")
    origin = files.get_by_role("region", name="Where the files come from")
    commit = git(checkout, "rev-parse", "HEAD")
    expect(origin).to_contain_text(f"Commit {commit[:10]}")
    expect(origin).to_contain_text("a browser can't tell")
    expect(origin).not_to_contain_text("edited here since")
    saved(page, 1)
    step = definition_of(studio, place, page)["steps"][0]
    assert step["git"]["repository"] == "https://example.org/team/code.git"
    assert (step["git"]["branch"], step["git"]["dirty"]) == ("main", None)
    assert step["git"]["source"] == step["source"]
    listing = studio.api(place.owner).get(f"/api/workspaces/{place.slug}/sources/{step['source']}/")
    assert [file["path"] for file in listing["files"]] == ["main.py"]

    files.get_by_role("button", name="Open main.py").click()
    page.locator(".builder-editor .cm-content").click()
    page.keyboard.type("# here")
    expect(origin).to_contain_text("edited here since")

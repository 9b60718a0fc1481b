"""Setting up: what is missing is installed, what was broken off is made again, and a failure is one line."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
BASE_PYTHON = sys._base_executable  # a virtual environment's own could not make another one's pip
BUNDLE = "import { writeFileSync } from 'node:fs'; writeFileSync('built.txt', 'yes');"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project of the same build: uv is its only Python package, and it has none for the front end."""
    folder = tmp_path / "checkout"
    (folder / "studio" / "installation").mkdir(parents=True)
    shutil.copy(ROOT / "studio" / "installation" / "setup.py", folder / "studio" / "installation")
    uv = re.search(r"^uv==(?:.*\\\n)*.*\n", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert uv
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (folder / lock).write_text(uv.group())
    (folder / "package.json").write_text('{"name": "small", "version": "1.0.0"}')
    (folder / "package-lock.json").write_text(
        '{"name": "small", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {"": {}}}'
    )
    (folder / "build.mjs").write_text(BUNDLE)
    return folder


GO_ON = ("/bin/sh", "-c", "echo went on")


def set_up(
    checkout: Path, target: str = "up", *, then: Sequence[str] = GO_ON, **variables: str
) -> "subprocess.CompletedProcess[str]":
    own = {"STUDIO_HOME", "VIRTUAL_ENV", "PYTHONPYCACHEPREFIX"}
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    command = [BASE_PYTHON, "studio/installation/setup.py", target, "--", *then]
    return subprocess.run(
        command, cwd=checkout, env=inherited | variables, capture_output=True, text=True, check=False, timeout=110
    )


def test_it_installs_once_and_mends_what_was_broken_off(checkout: Path) -> None:
    first = set_up(checkout)
    assert first.returncode == 0, first.stderr
    assert "Installing Python packages" in first.stdout
    assert first.stdout.endswith("went on\n")
    assert (checkout / "built.txt").exists()
    assert {path.name for path in checkout.iterdir()} >= {".venv", ".studio", "node_modules"}

    assert set_up(checkout).stdout == "went on\n", "a second time there is nothing to do"

    # Each of the studio's processes would compile all that it imports. Beside the sources nothing is written.
    (checkout / "imported.py").write_text("print('imported')")
    importing = [BASE_PYTHON, "-c", "import imported"]
    assert set_up(checkout, then=importing, PYTHONDONTWRITEBYTECODE="1").stdout == "imported\n"
    (compiled,) = checkout.rglob("imported.*.pyc")
    assert compiled.is_relative_to(checkout / ".studio")

    # Killed in the middle of the second try: no stamp, and half a package.
    (checkout / ".venv" / ".studio-stamp").unlink()
    (checkout / ".venv" / "bin" / "uv").write_text("half")
    mended = set_up(checkout)
    assert mended.returncode == 0, mended.stderr
    assert "Installing Python packages" in mended.stdout

    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# another one\n")
    (checkout / "requirements-dev.lock").write_text((checkout / "requirements.lock").read_text())
    assert "Installing Python packages" in set_up(checkout).stdout, "a changed lock file is noticed"

    # A machine that lost its index meanwhile still starts what it has.
    assert set_up(checkout, PIP_INDEX_URL="http://127.0.0.1:9/simple").stdout == "went on\n"


def test_without_an_index_one_line_says_so(checkout: Path) -> None:
    done = set_up(checkout, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "PIP_INDEX_URL" in done.stderr
    assert "went on" not in done.stdout


def test_a_home_that_cannot_be_written_to(checkout: Path) -> None:
    done = set_up(checkout, STUDIO_HOME="/proc/studio")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Make sure that you may write" in done.stderr


def test_what_the_tests_start_is_installed_in_one_go_or_named(tmp_path: Path) -> None:
    """With apt-get and everything else played by scripts: this machine's own packages are left alone."""
    programs = tmp_path / "bin"
    programs.mkdir()
    calls = tmp_path / "calls"
    (programs / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {calls}\ntest ! -e {tmp_path}/broken\n')
    (programs / "apt-get").chmod(0o755)
    script = f"""
import runpy, sys
from pathlib import Path
names = runpy.run_path({str(ROOT / "studio/installation/setup.py")!r}, run_name="setup")
there = {{"HOME": Path({str(tmp_path)!r}), "POLICY": Path({str(tmp_path / "policy")!r})}}
missing = lambda: False
install = names["_debian_packages"]
install.__globals__.update(there, _PROGRAMS={{"sh": lambda: True, "one": missing, "two": missing}})
install.__globals__["os"].geteuid = lambda: int(sys.argv[1])
try:
    install()
except names["SetupError"] as error:
    print(error)
"""
    (tmp_path / "logs").mkdir()

    def run(user: int) -> str:
        command = [sys.executable, "-c", script, str(user)]
        path = f"{programs}:{os.environ['PATH']}"
        done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True)
        return done.stdout

    advice = "The tests need one two: install them (Debian: apt-get install one two), then try again.\n"
    assert run(1000) == advice
    assert not calls.exists()
    assert run(0) == "Installing one, two …\n"
    assert calls.read_text().splitlines() == ["update", "install -y --no-install-recommends one two"]
    assert not (tmp_path / "policy").exists()
    (tmp_path / "broken").touch()
    assert run(0).endswith(advice)


def test_both_lock_files_name_no_host() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "package-lock.json"):
        text = (ROOT / name).read_text()
        assert '"resolved"' not in text
        assert "--index-url" not in text
        assert "--find-links" not in text

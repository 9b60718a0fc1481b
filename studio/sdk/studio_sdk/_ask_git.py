"""Asking the program `git`: nothing that a checkout configures is run, and no question takes longer than `LIMIT_S`."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading

LIMIT_S = 20.0  # of each question
MAX_ANSWER_BYTES = 32 * 1024 * 1024
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "core.pager": "cat",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "safe.bareRepository": "explicit",
}
_PROGRAM = "git.exe" if os.name == "nt" else "git"


def text(folder: str, *arguments: str) -> str | None:
    said = ask(folder, *arguments)
    return None if said is None else said.decode("utf-8", "replace").strip()


def entries(folder: str, *arguments: str, given: bytes = b"") -> list[str] | None:
    """What stands between the zeros of an answer, as names of files; None also where the answer is too long."""
    said = ask(folder, *arguments, given=given)
    if said is None or len(said) == MAX_ANSWER_BYTES:
        return None
    return [os.fsdecode(each) for each in said.split(b"\0") if each]


def ask(folder: str, *arguments: str, given: bytes = b"", most: int = MAX_ANSWER_BYTES) -> bytes | None:
    """What git says, `most` bytes of it; None where it fails, is not there, or says nothing for too long."""
    program = _program()
    if program is None:
        return None
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    with tempfile.TemporaryFile() as told:
        told.write(given)
        told.seek(0)
        try:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [program, "--no-pager", *settings, "-C", folder, *arguments],
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        except OSError:
            return None
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    with process:
        assert process.stdout is not None
        said: bytes = process.stdout.read(most)
        is_whole = len(said) < most or not process.stdout.read(1)
        if not is_whole:
            process.kill()
        code = process.wait()
    was_late = not timer.is_alive()
    timer.cancel()
    if was_late or (is_whole and code != 0):
        return None
    return said


def _program() -> str | None:
    """By its absolute path: where PATH, or Windows, says the current folder, that may be the checkout."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        place = os.path.join(folder, _PROGRAM)
        if os.path.isabs(folder) and os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return None


def _environment() -> dict[str, str]:
    """The user's own, without what would lead git elsewhere or have it run something."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PAGER": "cat",
        "LC_ALL": "C",
    }

"""Which commit a folder is of, and what is changed in it since: asked of the program `git`, and never an error.

The checkout may be somebody else's work, so nothing that it configures is run: no hook, no watcher of files, no pager,
no program for differences, no fetching. Where its own settings name filters or hooks, git can't be kept from running
them while it compares, so the changes are not looked at, and the note says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from typing import Any

MAX_DIFF_BYTES = 1024 * 1024
MOST_UNTRACKED = 200  # names
UNTRACKED = "# untracked: "
LIMIT_S = 20.0  # of each question
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "core.pager": "cat",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
    "safe.bareRepository": "explicit",
}
_LEFT_OUT = "It was left out when the files were sent."
_RUNS_PROGRAMS = "The checkout's own settings name programs that git would run, so its changes were not looked at."
_TOO_LARGE = "The diff is larger than 1 MB, so it was not sent."
_NO_ANSWER = "Git gave no answer about the changes in time."
_SCHEME = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST = re.compile(r"\A(?:\[[0-9A-Fa-f:.%]+\]|[^\s:@\\]*)(?::\d*)?\Z")
_HELPER = re.compile(r"\A[A-Za-z0-9]+::")
_USER_OF_SCP = re.compile(r"\A[\w.-]{1,32}\Z")


class Facts:
    """Of a folder in a checkout. What is not known is empty; `dirty` is None then."""

    def __init__(self, repository: str, branch: str, commit: str) -> None:
        self.repository, self.branch, self.commit = repository, branch, commit
        self.dirty: bool | None = None
        self.diff = b""
        self.diff_note = ""

    def as_json(self) -> dict[str, Any]:
        """As the studio takes them; the diff goes beside them."""
        return {
            "repository": self.repository,
            "branch": self.branch,
            "commit": self.commit,
            "dirty": self.dirty,
            "diff_note": self.diff_note,
        }

    @property
    def words(self) -> str:
        commit = f"commit {self.commit[:10]}" if self.commit else "no commit yet"
        on = f" on {self.branch}" if self.branch else ""
        return f"{commit}{on}{', with uncommitted changes' if self.dirty else ''}"


def facts_of(folder: str, *, with_diff: bool = True) -> Facts | None:
    """None where the folder lies in no checkout, git ignores it, or git is not there or refuses to answer."""
    if _text(folder, "rev-parse", "--is-inside-work-tree") != "true" or _is_ignored(folder):
        return None
    commit = _text(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") or ""
    facts = Facts(_repository(folder), _text(folder, "symbolic-ref", "--quiet", "--short", "HEAD") or "", commit)
    if _runs_programs(folder):
        facts.diff_note = _RUNS_PROGRAMS
        return facts
    untracked = _untracked(folder, with_staged=not commit)
    diff = _diff(folder) if commit else b""
    if diff is None or untracked is None:
        facts.diff_note = _NO_ANSWER
        return facts
    facts.dirty = bool(diff or untracked)
    if not facts.dirty:
        return facts
    names = [f"{UNTRACKED}{name}\n" for name in untracked[:MOST_UNTRACKED]]
    if len(untracked) > MOST_UNTRACKED:
        names.append(f"{UNTRACKED}{len(untracked) - MOST_UNTRACKED} more files\n")
    whole = "".join(names).encode("utf-8", "replace") + diff
    if not with_diff:
        facts.diff_note = _LEFT_OUT
    elif len(whole) > MAX_DIFF_BYTES:
        facts.diff_note = _TOO_LARGE
    else:
        facts.diff = whole
    return facts


def plain_address(address: str) -> str:
    """Without user, password, token, query and fragment; empty where it can't be read. The studio does it again."""
    address = "".join(character for character in address if character.isprintable()).strip()
    scheme, mark, rest = address.partition("://")
    if _HELPER.match(address):
        return ""
    if not mark:
        return _without_user_of_scp(address)
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    said, slash, path = place.partition("/")
    host = said.rpartition("@")[2]
    is_cut = ":" in host and "@" in rest[len(said) :]
    if is_cut or not _SCHEME.match(scheme) or not _HOST.match(host):
        return ""
    return f"{scheme}://{host}{slash}{path}"


def _without_user_of_scp(address: str) -> str:
    before, mark, after = address.partition("@")
    if not mark or "/" in before or (_USER_OF_SCP.match(before) and ":" in after):
        return address
    return after.rpartition("@")[2]


def _repository(folder: str) -> str:
    """That of `origin`; else of the only remote that there is."""
    # Not `git remote get-url`, which puts in what `url.….insteadOf` says, a token maybe.
    address = _text(folder, "config", "--get", "remote.origin.url")
    if not address:
        remotes = (_text(folder, "remote") or "").splitlines()
        address = _text(folder, "config", "--get", f"remote.{remotes[0]}.url") if len(remotes) == 1 else ""
    return plain_address(address or "")


def _is_ignored(folder: str) -> bool:
    """As a build folder within a checkout is: the commit says nothing of what lies there."""
    tracked = _ask(folder, "ls-files", "-z", "--", ".", most=1)
    return not tracked and _ask(folder, "check-ignore", "--quiet", ".") is not None


def _runs_programs(folder: str) -> bool:
    """Whether settings of the checkout itself, not of the user or the machine, name filters or hooks."""
    said = _ask(folder, "config", "--show-scope", "-z", "--name-only", "--list")
    if said is None:
        return True  # an old git, which can't tell whose settings they are
    parts = said.decode("utf-8", "replace").split("\0")
    scopes, names = parts[::2], parts[1::2]
    return any(
        scope not in ("system", "global") and name.lower().startswith(("filter.", "hook."))
        for scope, name in zip(scopes, names)  # noqa: B905 (Python 3.9)
    )


def _untracked(folder: str, *, with_staged: bool) -> list[str] | None:
    """Names. Before the first commit what is staged is of none either."""
    staged = ["--cached"] if with_staged else []
    names = _ask(folder, "ls-files", "-z", "--others", *staged, "--exclude-standard", "--", ".")
    if names is None:
        return None
    # What can't be printed could look like a line of its own.
    found = names.decode("utf-8", "replace").split("\0")
    return ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name) for name in found if name]


def _diff(folder: str) -> bytes | None:
    """Of what git tracks below the folder, against the commit; at most a byte more than may be sent."""
    return _ask(
        folder,
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--find-renames",
        "--ignore-submodules=dirty",
        "--submodule=short",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--relative",
        "HEAD",
        "--",
        ".",
        most=MAX_DIFF_BYTES + 1,
    )


def _text(folder: str, *arguments: str) -> str | None:
    said = _ask(folder, *arguments)
    return None if said is None else said.decode("utf-8", "replace").strip()


def _ask(folder: str, *arguments: str, most: int = _MAX_ANSWER_BYTES) -> bytes | None:
    """What git says, `most` bytes of it; None where it fails, is not there, or says nothing for too long."""
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            ["git", "--no-pager", *settings, "-C", folder, *arguments],
            stdin=subprocess.DEVNULL,
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

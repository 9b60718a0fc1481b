"""Which commit a folder is of, and what of that which is sent is changed since: asked of git, and never an error.

The checkout may be somebody else's work, so nothing that it configures is run: no hook, no watcher of files, no pager,
no program for differences, no fetching. Where its own settings name filters or hooks, git can't be kept from running
them while it compares, so the changes are not looked at, and the note says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from studio_sdk._address import plain_address
from studio_sdk._ask_git import ask, entries, text
from studio_sdk._folder import SourceFolder

MAX_DIFF_BYTES = 1024 * 1024
MOST_UNTRACKED = 200  # names
UNTRACKED = "# untracked: "
_ARGUMENTS = 16_000  # characters of them that any system takes
_NO_DIFF = "It was left out when the files were sent."
_LEFT_OUT = "Changes of files that are not sent, being ignored, are left out."
_RUNS_PROGRAMS = "The checkout's own settings name programs that git would run, so its changes were not looked at."
_TOO_LARGE = "The diff is larger than 1 MB, so it was not sent."
_NO_ANSWER = "Git gave no answer about the changes in time."
_SUBMODULE = "Files of a submodule are not compared with its commit."
_HIDDEN = "Git is told to take some files as unchanged (assume-unchanged or skip-worktree), so they are not compared."
_SUBMODULE_MODE = "160000"
_COMPARED = ("--relative", "--ignore-submodules=dirty", "--submodule=short")
_OF_PROGRAMS = ("filter.", "hook.", "lfs.")
# Notes that git-lfs makes for itself.
_HARMLESS = re.compile(r"\Alfs\.(?:repositoryformatversion|https?://.*\.(?:access|locksverify))\Z")


class Facts:
    """Of a folder in a checkout. What is not known is empty; `dirty` is None then.

    `ignored` has the files that are sent although git ignores them.
    """

    def __init__(self, repository: str, branch: str, commit: str) -> None:
        self.repository, self.branch, self.commit = repository, branch, commit
        self.dirty: bool | None = None
        self.diff = b""
        self.diff_note = ""
        self.ignored: list[str] = []

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


def facts_of(folder: SourceFolder, paths: list[str], *, with_diff: bool = True) -> Facts | None:
    """Of the files `paths` of a folder, which are sent.

    None where the folder lies in no checkout, git ignores it, or git is not there or refuses to answer.
    """
    place = folder.path
    if text(place, "rev-parse", "--is-inside-work-tree") != "true" or _is_ignored(place):
        return None
    commit = text(place, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") or ""
    facts = Facts(_repository(place), text(place, "symbolic-ref", "--quiet", "--short", "HEAD") or "", commit)
    tracked = _tracked(place)
    if tracked is None:
        facts.diff_note = _NO_ANSWER
        return facts
    own, of_submodules = tracked.parted(paths)
    facts.ignored = _ignored(place, own)
    if _runs_programs(place):
        facts.diff_note = _RUNS_PROGRAMS
        return facts
    untracked = [path for path in own if not commit or path not in tracked.names]
    changed = _changed(place) if commit else []
    kept = None if changed is None else _without_left_out(changed, folder.leaves_out)
    diff = None if kept is None else _diff(place, kept)
    if changed is None or kept is None or diff is None:
        facts.diff_note = _NO_ANSWER
        return facts
    unsure = [_SUBMODULE] if of_submodules else []
    unsure += [_HIDDEN] if any(not folder.leaves_out(name) for name in tracked.hidden) else []
    facts.dirty = True if diff or untracked else (None if unsure else False)
    listed = _listed(untracked) + diff
    notes = [*unsure, *([_LEFT_OUT] if len(kept) < len(changed) else [])]
    if facts.dirty and not with_diff:
        notes.insert(0, _NO_DIFF)
    elif len(listed) > MAX_DIFF_BYTES:
        notes.insert(0, _TOO_LARGE)
    else:
        facts.diff = listed
    facts.diff_note = " ".join(notes)
    return facts


class _Tracked:
    """What the index has below a folder. Nothing is known of changes to what is `hidden`, or lies in `submodules`."""

    def __init__(self, lines: list[str]) -> None:
        self.names: set[str] = set()
        self.submodules: set[str] = set()
        self.hidden: list[str] = []
        for line in lines:  # as `H 100644 OBJECT 0<TAB>NAME`
            said, _, name = line.partition("\t")
            tag, mode = said.split(" ")[:2]
            self.names.add(name)
            if mode == _SUBMODULE_MODE:
                self.submodules.add(name)
            elif tag.islower() or tag == "S":
                self.hidden.append(name)

    def parted(self, paths: list[str]) -> tuple[list[str], list[str]]:
        """Those of the checkout itself, and those of its submodules."""
        inner = {path for path in paths if not self.submodules.isdisjoint(_above(path))}
        return [path for path in paths if path not in inner], sorted(inner)


def _tracked(place: str) -> _Tracked | None:
    lines = entries(place, "ls-files", "-v", "--stage", "-z", "--", ".")
    return None if lines is None else _Tracked(lines)


def _ignored(place: str, paths: list[str]) -> list[str]:
    # With “./”, a name that begins with a colon is a name.
    given = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
    return [name[2:] for name in entries(place, "check-ignore", "--stdin", "-z", given=given) or []]


def _repository(place: str) -> str:
    """That of `origin`; else of the only remote that there is."""
    # Not `git remote get-url`, which puts in what `url.….insteadOf` says, a token maybe.
    address = text(place, "config", "--get", "remote.origin.url")
    if not address:
        remotes = (text(place, "remote") or "").splitlines()
        address = text(place, "config", "--get", f"remote.{remotes[0]}.url") if len(remotes) == 1 else ""
    return plain_address(address or "")


def _is_ignored(place: str) -> bool:
    """As a build folder within a checkout is: the commit says nothing of what lies there."""
    tracked = ask(place, "ls-files", "-z", "--", ".", most=1)
    return not tracked and ask(place, "check-ignore", "--quiet", ".") is not None


def _runs_programs(place: str) -> bool:
    """Whether settings of the checkout itself, not of the user or the machine, name filters, hooks or git-lfs's own."""
    said = ask(place, "config", "--show-scope", "-z", "--name-only", "--list")
    if said is None:
        return True  # an old git, which can't tell whose settings they are
    parts = said.decode("utf-8", "replace").split("\0")
    scopes, names = parts[::2], [name.lower() for name in parts[1::2]]
    return any(
        scope not in ("system", "global") and name.startswith(_OF_PROGRAMS) and not _HARMLESS.match(name)
        for scope, name in zip(scopes, names)
    )


def _changed(place: str) -> list[str] | None:
    """Names, below the folder, of what git tracks and is not as in the commit."""
    return entries(place, "diff", "--name-only", "-z", "--no-renames", *_COMPARED, "HEAD", "--", ".")


def _without_left_out(names: list[str], leaves_out: Callable[[str], bool]) -> list[str]:
    out = [name for name in names if leaves_out(name)]
    # A file that became a folder stands for all that is in the folder now.
    out_of_question = {*out, *(above for name in out for above in _above(name))}
    return [name for name in names if name not in out_of_question]


def _diff(place: str, names: list[str]) -> bytes | None:
    """Of these names, against the commit; not much more than may be sent."""
    found = b""
    for some in _in_pieces(names):
        said = ask(
            place,
            "--literal-pathspecs",
            "diff",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--find-renames",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            *_COMPARED,
            "HEAD",
            "--",
            *some,
            most=MAX_DIFF_BYTES + 1,
        )
        if said is None:
            return None
        found += said
        if len(found) > MAX_DIFF_BYTES:
            break
    return found


def _in_pieces(names: list[str]) -> Iterator[list[str]]:
    some: list[str] = []
    length = 0
    for name in names:
        if some and length + len(name) > _ARGUMENTS:
            yield some
            some, length = [], 0
        some.append(name)
        length += len(name) + 1
    if some:
        yield some


def _listed(untracked: list[str]) -> bytes:
    # What can't be printed could look like a line of its own.
    names = ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name) for name in untracked]
    lines = [f"{UNTRACKED}{name}\n" for name in names[:MOST_UNTRACKED]]
    if len(names) > MOST_UNTRACKED:
        lines.append(f"{UNTRACKED}{len(names) - MOST_UNTRACKED} more files\n")
    return "".join(lines).encode("utf-8", "replace")


def _above(path: str) -> Iterator[str]:
    """The folders that it lies in."""
    return (path[:at] for at, character in enumerate(path) if character == "/")

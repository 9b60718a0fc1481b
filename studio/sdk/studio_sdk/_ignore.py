"""What ignore files leave out, in git's syntax, as the studio reads them: `.amlignore`, else `.gitignore`."""

from __future__ import annotations

import re
from collections.abc import Iterable

AML, GIT = ".amlignore", ".gitignore"
_SPECIAL_IN_A_SET = re.compile(r"[\[&~|^]")  # to Python, and not to a shell
MAX_BYTES = 1024 * 1024  # of an ignore file that counts


class Rules:
    """Of one ignore file. `said(path)` is True for what it leaves out, False for what it takes back, else None."""

    def __init__(self, text: str) -> None:
        found = (_rule(line) for line in text.splitlines())
        self._rules = [rule for rule in found if rule is not None]

    def said(self, path: str, *, is_folder: bool) -> bool | None:
        """`path` is relative to the ignore file's folder, with `/`."""
        for pattern, takes_back, folders_only in reversed(self._rules):
            if (is_folder or not folders_only) and pattern.match(path):
                return not takes_back
        return None


def is_left_out(path: str, *, is_folder: bool, rules: Iterable[tuple[str, Rules]]) -> bool:
    """`rules` by folder ("" or `a/b`), those of the nearest folder first; the folders of `path` are not left out."""
    if path.rpartition("/")[2] == ".git":
        return True
    for folder, each in rules:
        said = each.said(path[len(folder) + 1 :] if folder else path, is_folder=is_folder)
        if said is not None:
            return said
    return False


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool] | None:
    """The pattern, whether it takes back, and whether it is of folders alone; None for what is no pattern."""
    line = _without_blanks_at_the_end(line)
    if not line or line.startswith("#"):
        return None
    takes_back = line.startswith("!")
    if takes_back:
        line = line[1:]
    folders_only = line.endswith("/")
    body = line.rstrip("/") if folders_only else line
    if not body.strip("/"):
        return None
    is_anchored = "/" in body
    parts = body.lstrip("/").split("/") if is_anchored else ["**", body]
    try:
        return re.compile(_expression(parts) + r"\Z", re.DOTALL), takes_back, folders_only
    except re.error:
        return None


def _without_blanks_at_the_end(line: str) -> str:
    bare = line.rstrip()
    # A blank behind a backslash belongs to the name.
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return f"{bare} " if backslashes % 2 and len(bare) < len(line) else bare


def _expression(parts: list[str]) -> str:
    found = []
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        if part == "**":
            found.append(".+" if is_last else "(?:[^/]+/)*")
        else:
            found.append(_of_part(part) + ("" if is_last else "/"))
    return "".join(found)


def _of_part(part: str) -> str:
    """One name, in which `*`, `?`, `[…]` and a backslash stand for what they do in a shell."""
    found, at = [], 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            while part[at : at + 1] == "*":
                at += 1
            found.append("[^/]*")
        elif character == "?":
            found.append("[^/]")
        elif character == "[":
            end = _end_of_set(part, at)
            if end < 0:
                raise re.error("no end of the set")
            found.append(_set(part[at:end]))
            at = end + 1
        elif character == "\\":
            if at == len(part):
                raise re.error("nothing behind the backslash")
            found.append(re.escape(part[at]))
            at += 1
        else:
            found.append(re.escape(character))
    return "".join(found)


def _end_of_set(part: str, at: int) -> int:
    first = at + 1 if part[at : at + 1] in ("!", "^") else at
    return part.find("]", first + 1)


def _set(said: str) -> str:
    negated = said[:1] in ("!", "^")
    inner = _SPECIAL_IN_A_SET.sub(r"\\\g<0>", said[1:] if negated else said)
    return f"(?!/)[{'^' if negated else ''}{inner}]"

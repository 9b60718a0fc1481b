"""Paths below a datastore's root, and globs over them: text only, nothing here looks at a disk."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from studio.lib.problems import UserError

ANY_DEPTH = "**"


def clean_path(path: str, *, loc: tuple[str | int, ...] = ("path",)) -> str:
    """`path` without needless parts; the root is the empty text.

    Raises UserError at `loc` where it is not a relative path of `/`-separated names that stays below the root.
    """
    if "\0" in path:
        raise UserError("A path can't hold a NUL character.", loc=loc)
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise UserError("A path must be valid Unicode text.", loc=loc)
    if path.startswith("/"):
        raise UserError("Write the path without a leading slash: it begins at the datastore's root.", loc=loc)
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UserError("A path can't hold “..”: it must stay below the datastore's root.", loc=loc)
    return "/".join(parts)


def clean_name(name: str, *, loc: tuple[str | int, ...] = ("name",)) -> str:
    """The name of one file or folder. Raises UserError at `loc` where it is none."""
    if not name.strip() or "/" in name or name in {".", ".."}:
        raise UserError("Give a name, without slashes.", loc=loc)
    return clean_path(name, loc=loc)


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def crumbs(path: str) -> Iterator[tuple[str, str]]:
    """Each folder on the way to `path`, and `path` itself: (name, path)."""
    parts = path.split("/") if path else []
    for depth, name in enumerate(parts, 1):
        yield name, "/".join(parts[:depth])


def fixed_folder(path: str) -> str:
    """`path`, and of a pattern the folder that all it matches lies below."""
    return Glob(path).folder if is_glob(path) else path


def is_glob(path: str) -> bool:
    """Whether `path` is a pattern. Square brackets are not: they are common in the names of downloaded files."""
    return "*" in path or "?" in path


class Glob:
    """A pattern over paths, matched name by name on the way down a tree.

    `*` and `?` stand within one name, `**` for any number of folders, and at the end for every file at any depth. The
    state is the set of parts that may come next, so that a hostile pattern costs no more than its length per name.
    """

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        fixed = next((number for number, part in enumerate(parts[:-1]) if is_glob(part)), len(parts) - 1)
        self.folder = "/".join(parts[:fixed])  # the deepest folder that every match lies in
        # “**/**” says no more than “**”, and closing over a state is simpler without it.
        self._parts = [part for part, run in groupby(parts[fixed:]) for part in (run if part != ANY_DEPTH else [part])]
        self.start = self._closure({0})

    def step(self, state: frozenset[int], name: str) -> frozenset[int]:
        """The state after the next name of a path; empty where nothing below can match."""
        following: set[int] = set()
        for number in state:
            if number == len(self._parts):
                continue
            part = self._parts[number]
            if part == ANY_DEPTH:
                following |= {number} if number < len(self._parts) - 1 else {number, number + 1}
            elif _name_pattern(part).fullmatch(name):
                following.add(number + 1)
        return self._closure(following)

    def accepts(self, state: frozenset[int]) -> bool:
        return len(self._parts) in state

    def is_deep(self, state: frozenset[int]) -> bool:
        """Whether folders of any depth may match from here on."""
        return any(part == ANY_DEPTH for part in self._next(state))

    def name_prefix(self, state: frozenset[int]) -> str:
        """What every name that can come next begins with."""
        following = self._next(state)
        return re.split(r"[*?]", following[0], maxsplit=1)[0] if len(following) == 1 else ""

    def _next(self, state: frozenset[int]) -> list[str]:
        return [self._parts[number] for number in state if number < len(self._parts)]

    def _closure(self, state: set[int]) -> frozenset[int]:
        last = len(self._parts) - 1
        skipped = {number + 1 for number in state if number < last and self._parts[number] == ANY_DEPTH}
        return frozenset(state | skipped)


@lru_cache(maxsize=256)
def _name_pattern(part: str) -> re.Pattern[str]:
    """Each stretch between stars takes its first fit for good: no backtracking, however many stars there are."""
    first, *rest = [re.escape(fixed).replace(r"\?", ".") for fixed in re.split(r"\*+", part)]
    if not rest:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>.*?{fixed})" for fixed in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)

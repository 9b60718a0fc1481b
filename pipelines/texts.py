"""Texts of a definition: what no process can be given, and what was probably meant."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

MAX_TEXT = 100_000  # characters of one value or one line of arguments: Linux takes 128 KiB for one argument


def unfit_text(data: Any, loc: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Where there is text with a NUL or a lone surrogate: neither a process nor PostgreSQL can take it."""
    stack = [(data, loc)]
    while stack:
        value, at = stack.pop()
        if isinstance(value, str):
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                yield at
        elif isinstance(value, dict):
            stack += [(name, at) for name in value]
            stack += [(each, (*at, str(name))) for name, each in value.items()]
        elif isinstance(value, list):
            stack += [(each, (*at, index)) for index, each in enumerate(value)]


def near(name: str, known: Iterable[str]) -> str:
    """What was probably meant, as a sentence, or nothing."""
    there = sorted(known)
    if not there:
        return ""
    # A file is often named without its folder.
    matches = [path for path in there if path.rpartition("/")[2] == name.rpartition("/")[2]][:2]
    matches = matches or get_close_matches(name, there[:2000], n=2, cutoff=0.5)
    if not matches:
        return ""
    return f" Did you mean {' or '.join(f'“{match}”' for match in matches)}?"

"""Names as the studio takes them, of names as programs give them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

_NOT_IN_A_STEP = re.compile(r"[^A-Za-z0-9_.-]+")
_MOST = 100
_FIELD = re.compile(r"\A[A-Za-z_][A-Za-z0-9_-]{0,99}\Z")


def step_name(name: str) -> str:
    """The name that a step has in the studio: there are no blanks in it, as in `prepare-data` for “Prepare data”.

    ```python
    step_name("prepare data (v2)")  # "prepare-data-v2"
    ```
    """
    kept = _NOT_IN_A_STEP.sub("-", name).strip("-._")[:_MOST].rstrip("-.")
    return kept or "step"


def unique_name(name: str, taken: Collection[str]) -> str:
    """`name`, or with a number behind a dot where another step has it."""
    if name not in taken:
        return name
    number = next(number for number in range(2, len(taken) + 3) if f"{name}.{number}" not in taken)
    return f"{name}.{number}"


def is_name_of(shown: str, asked: str) -> bool:
    """Whether a step of a run is one that a program called `asked`; several may be called the same."""
    name = step_name(asked)
    return shown == name or re.fullmatch(re.escape(name) + r"\.\d+", shown) is not None


def field_name(name: str, what: str) -> str:
    """Raises ValueError where `name` is no name for an input, an output or a parameter."""
    if not isinstance(name, str) or not _FIELD.match(name):
        raise ValueError(f"“{name}” is no name for {what}: use letters, digits, _ and -, and begin with a letter or _.")
    return name

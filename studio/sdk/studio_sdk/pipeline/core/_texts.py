"""A step's arguments as the one line that the studio keeps: quoted where a blank would part them. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from studio_sdk.exceptions import UserErrorException

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./^~-]+")
_PLACEHOLDER = re.compile(r"\$\{\{\s*[A-Za-z_]\w*\s*\.\s*[^\s{}]+?\s*\}\}")
_VARIABLE = re.compile(r"\$(?:AZUREML_DATAREFERENCE_(\w+)|\{AZUREML_DATAREFERENCE_(\w+)\})")


def argument(text: str) -> str:
    """One argument as it stands in the line. `${{…}}` in it stays a placeholder."""
    pieces = _PLACEHOLDER.split(text)
    if text and all(not piece or _PLAIN.fullmatch(piece) for piece in pieces):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'(["\\]|\$(?!\{\{))', r"\\\1", text) + '"'


def plain_text(value: Any) -> str | None:
    """A value that is text on a command line: a text, a number, a truth value, a path; else None."""
    if isinstance(value, (str, bool, int, float)):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if type(value).__module__ == "numpy" and callable(getattr(value, "item", None)):
        return str(value.item())
    return None


def with_references(text: str, placeholder: Callable[[str], str | None]) -> str:
    """With a placeholder in the place of each `$AZUREML_DATAREFERENCE_NAME`.

    Raises UserErrorException for a name that is none of the step's data.
    """

    def put(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        found = placeholder(name)
        if found is None:
            raise UserErrorException(
                f"“{match[0]}” speaks of “{name}”, which is none of the step's inputs and outputs."
            )
        return found

    return _VARIABLE.sub(put, text)

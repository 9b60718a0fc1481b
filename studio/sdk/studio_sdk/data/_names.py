"""Names of inputs and outputs, as azureml takes them: letters, digits and underscores, no digit first."""

from __future__ import annotations

import re
import threading

from studio_sdk.exceptions import UserErrorException

_NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_lock = threading.Lock()
_counts: dict[str, int] = {}


def checked(name: str, of: str) -> str:
    """Raises UserErrorException."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise UserErrorException(
            f"“{name}” is no name for {of}: use letters, digits and underscores, and begin with no digit."
        )
    return name


def numbered(word: str) -> str:
    """`word_0`, `word_1` and so on, for what was given no name. The same order of calls gives the same names."""
    with _lock:
        number = _counts.get(word, 0)
        _counts[word] = number + 1
    return f"{word}_{number}"

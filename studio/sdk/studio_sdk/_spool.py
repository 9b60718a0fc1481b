"""Where an attempt writes what it says: a file of JSON lines, `[KIND, NAME, …]`, that its node reads.

A line is one write, with nothing held back: what was said before the process is killed is there, and lines of several
processes don't mix.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

VARIABLE = "STUDIO_SPOOL"

SCALAR, LIST, ROW, TABLE, IMAGE, TAG, PROPERTY = "s", "l", "r", "t", "i", "tag", "property"
CONFUSION, RESIDUALS, ACCURACY, PREDICTIONS = "c", "e", "a", "p"


class Spool:
    """Never raises for a file that can't be written: a metric that is lost stops nobody's work."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._has_complained = False

    def write(self, line: str) -> None:
        """`line` ends with a newline."""
        data = line.encode("utf-8", "replace")
        try:
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self._fd = -1
            if not self._has_complained:
                self._has_complained = True
                print(f"studio_sdk: what was logged could not be written: {error}", file=sys.stderr)

    def say(self, *parts: Any) -> None:
        """Raises TypeError, ValueError for what JSON can't hold."""
        self.write(json.dumps(parts, default=plain, separators=(",", ":")) + "\n")

    def lines(self) -> list[list[Any]]:
        """All that was said so far, by whichever process."""
        found = []
        try:
            with open(self.path, "rb") as file:
                for line in file:
                    try:
                        said = json.loads(line)
                    except ValueError:
                        continue  # of somebody else
                    if isinstance(said, list) and len(said) > 2:
                        found.append(said)
        except OSError:
            pass
        return found


def plain(value: Any) -> Any:
    """NumPy's and others' values as Python's own. Raises TypeError."""
    for name in ("tolist", "item", "isoformat"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    raise TypeError(f"{type(value).__name__} can't be logged: give numbers, texts, lists or dictionaries")

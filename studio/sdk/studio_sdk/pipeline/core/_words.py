"""Lines of a log, as the studio gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def line_text(line: Mapping[str, Any]) -> str:
    """A line of a log as text."""
    return str(line["t"])


def stream_of(line: Mapping[str, Any]) -> str:
    """`stdout`, `stderr`, or `studio` for what the studio says."""
    return {"o": "stdout", "e": "stderr"}.get(str(line["s"]), "studio")

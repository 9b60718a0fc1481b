"""The studio's states and logs in azureml's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OVER = ("completed", "failed", "cancelled", "skipped", "not_taken")
_WORDS = {
    "queued": "Queued",
    "preparing": "Preparing",
    "running": "Running",
    "completed": "Finished",
    "failed": "Failed",
    "cancelled": "Canceled",
    "waiting": "NotStarted",
    "skipped": "Skipped",
    "not_taken": "NotTaken",
}


def status_word(status: str) -> str:
    """azureml's word for the state of a pipeline's run or a step's."""
    return _WORDS.get(status, status)


def line_text(line: Mapping[str, Any]) -> str:
    """A line of a log as text."""
    return str(line["t"])


def stream_of(line: Mapping[str, Any]) -> str:
    """`stdout`, `stderr`, or `studio` for what the studio says."""
    return {"o": "stdout", "e": "stderr"}.get(str(line["s"]), "studio")

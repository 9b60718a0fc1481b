"""Moments as the studio writes them, and as Python has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def moment(text: Any) -> datetime | None:
    """With its time zone."""
    if not text:
        return None
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))  # noqa: FURB162 (Python 3.9 and 3.10)

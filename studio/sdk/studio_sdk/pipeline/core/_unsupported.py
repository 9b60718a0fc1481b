"""Refusing what the studio has not, with the name of what to use instead."""

from __future__ import annotations

from typing import NoReturn

from studio_sdk.exceptions import NotSupportedException


def refuse(what: str, instead: str) -> NoReturn:
    """Raises NotSupportedException."""
    raise NotSupportedException(f"{what} is not something that the studio has. Use {instead} instead.")


def refuse_step(kind: str, instead: str) -> NoReturn:
    """Of a kind of step that the studio has not. Raises NotSupportedException."""
    raise NotSupportedException(f"The studio has no {kind}. Use {instead} instead.")

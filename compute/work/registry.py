"""The programs that nodes know, by name. Whoever makes jobs of them registers them, as `compute.programs` does it."""

from collections.abc import Callable
from typing import cast

from django.utils.module_loading import import_string

from compute.work.order import Order, Report

Work = Callable[[Order], Report]

_works: dict[str, str] = {}


def register(name: str, function: str) -> None:
    """`function` by its dotted path, as in `compute.work.sql.work`: it is imported where it runs."""
    _works[name] = function


def path_of(name: str) -> str | None:
    """None where there is none of that name."""
    return _works.get(name)


def load(path: str) -> Work:
    return cast("Work", import_string(path))

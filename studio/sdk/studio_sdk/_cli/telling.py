"""Rows for people, as a table, or for programs, as JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a name must not speak to the terminal

Columns = Mapping[str, Callable[[Mapping[str, Any]], Any]]


def tell(rows: Sequence[Mapping[str, Any]], columns: Columns, *, is_json: bool, nothing: str) -> None:
    """`nothing` is said where there are no rows. JSON has the rows as the studio's REST interface has them."""
    if is_json:
        tell_json(list(rows))
        return
    if not rows:
        click.echo(nothing, err=True)
        return
    lines = [list(columns), *([_cell(of(row)) for of in columns.values()] for row in rows)]
    widths = [max(_width(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths))
        click.echo("  ".join(padded).rstrip())


def tell_json(what: Any) -> None:
    click.echo(json.dumps(what, indent=2, ensure_ascii=False))


def moment(text: str | None) -> str:
    """An instant of the studio in this machine's time."""
    if not text:
        return ""
    with_offset = text.replace("Z", "+00:00")
    return datetime.fromisoformat(with_offset).astimezone().strftime("%Y-%m-%d %H:%M")


def count(number: Any) -> str:
    return "" if number is None else f"{number:,}"


def _cell(value: Any) -> str:
    return "" if value is None else _UNSEEN.sub(" ", str(value))


def _width(text: str) -> int:
    """In columns of a terminal."""
    wide = sum(unicodedata.east_asian_width(each) in ("W", "F") for each in text)
    return len(text) + wide - sum(1 for each in text if unicodedata.combining(each))

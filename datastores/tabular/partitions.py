"""Columns that stand in the paths of files: `{year}/{month}/{grid}.csv`, or `{when:yyyy/MM/dd}` for a timestamp.

The notation is that of Azure ML's `partition_format`.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from datastores.sources import Column
from studio.lib.problems import UserError

LOC = ("partition_format",)
# What a timestamp is written with, and what stands for each in a path.
_UNITS = {"yyyy": ("year", r"\d{4}"), "MM": ("month", r"\d{2}"), "dd": ("day", r"\d{2}"), "HH": ("hour", r"\d{2}"),
          "mm": ("minute", r"\d{2}"), "ss": ("second", r"\d{2}")}  # fmt: skip
_PLACE = re.compile(r"\{([^{}:]+)(?::([^{}]*))?\}")
_UNIT = re.compile("|".join(_UNITS))


@dataclass(frozen=True, slots=True)
class PartitionFormat:
    """The columns in it, and how they are found at the end of a path."""

    text: str
    columns: list[Column]
    pattern: re.Pattern[str]
    groups: list[list[tuple[str, str]]]  # for each column: (group, unit or nothing)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def values(self, paths: Sequence[str]) -> list[list[str]]:
        """For each path, the value of each column. Raises UserError where a path doesn't fit."""
        return [self._of(path) for path in paths]

    def _of(self, path: str) -> list[str]:
        matched = self.pattern.search(path)
        if matched is None:
            raise UserError(
                f"“{path}” doesn't end as the partition format says ({self.text}). Correct the format, "
                "or leave the file out.",
                loc=LOC,
            )
        return [self._value(path, [(matched[group], unit) for group, unit in groups]) for groups in self.groups]

    @staticmethod
    def _value(path: str, found: list[tuple[str, str]]) -> str:
        if not found[0][1]:
            return found[0][0]
        units = {unit: int(text) for text, unit in found}
        try:
            first = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (a path knows no zone)
            return first.replace(**units).isoformat(sep=" ")  # type: ignore[arg-type]
        except ValueError:
            raise UserError(f"“{path}” holds no date where the partition format has one.", loc=LOC) from None


def parsed(text: str) -> PartitionFormat:
    """Raises UserError at `partition_format` where `text` is none."""
    columns: list[Column] = []
    groups: list[list[tuple[str, str]]] = []
    pattern = ""
    at = 0
    for place in _PLACE.finditer(text):
        pattern += _fixed(text[at : place.start()])
        at = place.end()
        name, form = place[1].strip(), place[2]
        if not name or name.casefold() in {column.name.casefold() for column in columns}:
            raise UserError(f"Give each part in braces a name of its own: “{place[0]}” has none.", loc=LOC)
        if form is None:
            groups.append([(f"g{len(columns)}", "")])
            pattern += f"(?P<g{len(columns)}>[^/]*)"
            columns.append(Column(name=name, type="string"))
            continue
        more, units = _timestamp(form, f"g{len(columns)}")
        pattern += more
        groups.append(units)
        columns.append(Column(name=name, type="timestamp"))
    pattern += _fixed(text[at:])
    if not columns:
        raise UserError(
            "A partition format names columns in braces, as in {year}/{month}/{grid}.csv or {when:yyyy/MM/dd}.", loc=LOC
        )
    return PartitionFormat(text, columns, re.compile(f"(?:^|/){pattern.lstrip('/')}$", re.DOTALL), groups)


def _fixed(text: str) -> str:
    if "{" in text or "}" in text:
        raise UserError("A brace is left open. Write {name} for a column.", loc=LOC)
    return "".join("[^/]*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", text))


def _timestamp(form: str, prefix: str) -> tuple[str, list[tuple[str, str]]]:
    pattern = ""
    units: list[tuple[str, str]] = []
    at = 0
    for number, unit in enumerate(_UNIT.finditer(form)):
        name, digits = _UNITS[unit[0]]
        if name in {known for _, known in units}:
            raise UserError(f"“{unit[0]}” stands twice in the time format “{form}”.", loc=LOC)
        pattern += re.escape(form[at : unit.start()]) + f"(?P<{prefix}u{number}>{digits})"
        units.append((f"{prefix}u{number}", name))
        at = unit.end()
    pattern += re.escape(form[at:])
    if not units or units[0][1] != "year":
        raise UserError(f"Write a time format with {', '.join(_UNITS)}, the year first, as in yyyy/MM/dd.", loc=LOC)
    return pattern, units

"""Lists of items that runs are made of: how they are written, what each is called, and where its data lies. Pure."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from pipelines.parts import ParameterValue, Part
from pipelines.placeholders import as_text
from pipelines.texts import unfit_text
from studio.lib.typed_json import Document

MAX_ITEMS = 1000
MAX_LIST_BYTES = 16_000_000  # of the file; far more than a thousand items take, so that those too many can be counted
MAX_VALUE = 2000  # characters of one text
_LABEL = 80
_FOLDER_BYTES = 100
_TOO_LARGE = 10**300
MANIFEST = "items.json"  # beside the folders of a map's output: which of them is which item's


class Item(Part):
    """One of a list. `values` are of parameters, by their names."""

    label: str
    values: dict[str, ParameterValue]


class Items(Document):
    """A list as it was when its step began."""

    items: list[Item] = Field(default_factory=list)
    unfit: dict[int, str] = Field(default_factory=dict)  # by number, why no run can be submitted for it
    unfit_in: int = 0  # the attempt of the step that found that out: the next one tries again

    def unfit_at(self, attempt: int) -> dict[int, str]:
        return self.unfit if self.unfit_in == attempt else {}


class ListError(ValueError):
    """A list that can't be one, with a sentence."""


def read_list(text: str) -> list[Any]:
    """A JSON list, or a text, or a JSON object, on each line. Raises ListError."""
    if text.lstrip("\ufeff \t\r\n").startswith("["):
        return _of_json(text.lstrip("\ufeff"))
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    return [_of_line(number, line) for number, line in enumerate(lines, start=1) if line]


def items_of(entries: Sequence[Any], names: Sequence[str]) -> list[Item]:
    """What each entry gives to the parameters `names`. Raises ListError, with what is wrong with which of them.

    With one name an entry is its value, or an object that has it; with several it is an object that has them all.
    """
    if len(entries) > MAX_ITEMS:
        raise ListError(
            f"The list has {len(entries):,} items, and a map makes at most {MAX_ITEMS:,} runs. Let each run take "
            "several of them, or divide the list among several maps."
        )
    found: dict[str, int] = {}
    items: list[Item] = []
    for number, entry in enumerate(entries, start=1):
        values = _values(number, entry, names)
        words = _words(values)
        if words in found:
            raise ListError(
                f"Items {found[words]:,} and {number:,} of the list are the same, “{_short(words)}”. Take one of them "
                "out: each item has one run."
            )
        found[words] = number
        items.append(Item(label=words, values=values))
    return [each.model_copy(update={"label": label}) for each, label in zip(items, _labels(items), strict=True)]


def folder_names(items: Sequence[Item]) -> list[str]:
    """For each item the folder that its data lies in: what it is called, as far as every disk can hold that."""
    taken: set[str] = {MANIFEST}
    names: list[str] = []
    for number, item in enumerate(items, start=1):
        plain = re.sub(r"[^\w.,=+@ -]+", "_", item.label).strip(" .")
        plain = plain.encode()[:_FOLDER_BYTES].decode(errors="ignore").rstrip(" .") or "item"
        # Some disks take upper and lower case for the same.
        name = plain if plain.casefold() not in taken else f"{plain} ({number})"
        while name.casefold() in taken:
            name = f"{name}_"
        taken.add(name.casefold())
        names.append(name)
    return names


def _of_json(text: str) -> list[Any]:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        sentence = "It begins like a JSON list, and can't be read as one"
        raise ListError(f"{sentence}{where}. Mend it, or write an item on each line.") from error
    assert isinstance(found, list), "what begins with a bracket is a list"
    return found


def _of_line(number: int, line: str) -> Any:
    if not line.startswith("{"):
        return line
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ListError(f"Line {number:,} begins like a JSON object, and can't be read as one. Mend it.") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _values(number: int, entry: Any, names: Sequence[str]) -> dict[str, ParameterValue]:
    if isinstance(entry, dict):
        missing = next((name for name in names if name not in entry), None)
        if missing is not None:
            raise ListError(f"Item {number:,} of the list has no “{missing}”. Give it one.")
        return {name: _value(entry[name], f"“{name}” of item {number:,}") for name in names}
    if len(names) > 1:
        listed = ", ".join(f"“{name}”" for name in names)
        raise ListError(f"Item {number:,} of the list is no JSON object with {listed}. Write it as one.")
    return {names[0]: _value(entry, f"Item {number:,}")}


def _value(value: Any, what: str) -> ParameterValue:
    if not isinstance(value, (bool, str, int, float)):
        raise ListError(f"{what} of the list must be a text, a number, true or false.")
    if isinstance(value, str):
        if len(value) > MAX_VALUE:
            raise ListError(f"{what} of the list has more than {MAX_VALUE:,} characters. Put them into a file instead.")
        if next(unfit_text(value, ()), None) is not None:
            raise ListError(f"{what} of the list has a character that can't be kept (NUL, or half of one). Remove it.")
    elif not math.isfinite(value) if isinstance(value, float) else abs(value) > _TOO_LARGE:
        raise ListError(f"{what} of the list is too large a number.")
    return value


def _words(values: dict[str, ParameterValue]) -> str:
    if len(values) == 1:
        return as_text(next(iter(values.values())))
    return ", ".join(f"{name}={as_text(value)}" for name, value in values.items())


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}…"


def _labels(items: Sequence[Item]) -> Iterator[str]:
    """Short, and each of its own."""
    taken: set[str] = set()
    for number, item in enumerate(items, start=1):
        label = _short(item.label) or "(empty)"
        while label in taken:
            label = f"{label} ({number})"
        taken.add(label)
        yield label

"""`${{ scope.name }}` in the texts of a step: what it may stand for, and what is wrong where it stands for nothing."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.parts import ParameterValue

PLACEHOLDER = re.compile(r"\$\{\{\s*(?P<scope>[A-Za-z_]\w*)\s*\.\s*(?P<name>[^\s{}]+?)\s*\}\}")
# What a node would take for a placeholder, were it in a value.
_READ_BY_THE_NODE = re.compile(r"\$\{\{\s*(inputs|outputs|programs)\s*\.")


@dataclass(frozen=True, slots=True)
class Placeholder:
    scope: str
    name: str

    def __str__(self) -> str:
        return f"${{{{{self.scope}.{self.name}}}}}"


# `[…]` as azureml's component files have it; a blank behind the bracket makes it bash's own test.
_BRACKETED = re.compile(r"\[(?![\s\[])[^\[\]\n]*\](?![^\s;|&)])")

STEPS = "steps"  # the scope of `${{steps.NAME.metrics.METRIC}}`
_METRICS = ".metrics"


def metric_meant(part: Placeholder) -> tuple[str, str] | None:
    """The step and the metric that a placeholder speaks of; an empty metric for all of the step's.

    None where it speaks of none. A step's name may hold dots, and a metric's anything but blanks and braces.
    """
    step, found, metric = part.name.partition(_METRICS)
    if part.scope != STEPS or not step or not found or metric == "." or (metric and metric[0] != "."):
        return None
    return step, metric[1:]


class Piece(Protocol):
    """A part of a text that stays or goes as a whole."""

    @property
    def is_optional(self) -> bool: ...

    @property
    def placeholders(self) -> Sequence[Placeholder]: ...


class InPieces:
    """A text that was read, of whatever pieces."""

    __slots__ = ()

    pieces: Sequence[Piece]

    @property
    def placeholders(self) -> list[Placeholder]:
        return [part for piece in self.pieces for part in piece.placeholders]

    @property
    def required(self) -> list[Placeholder]:
        """Those that are in no piece which could be left out."""
        return [part for piece in self.pieces if not piece.is_optional for part in piece.placeholders]


class HasPlaceholders(Protocol):
    """A text of a step that was read."""

    @property
    def placeholders(self) -> Sequence[Placeholder]:
        """All of them."""

    @property
    def required(self) -> Sequence[Placeholder]:
        """Those that are in no piece which could be left out."""

    @property
    def texts(self) -> Sequence[str]:
        """What stands between them."""

    @property
    def problems(self) -> Sequence[str]:
        """Sentences for what it does not say well."""


def read_placeholder(text: str, at: int) -> tuple[Placeholder | None, int, str]:
    """What stands at a `${{`: the placeholder and where it ends, or None, the end of that sign, and what is wrong."""
    match = PLACEHOLDER.match(text, at)
    if match:
        return Placeholder(match["scope"], match["name"]), match.end(), ""
    rest = text[at : at + 40].splitlines()[0]
    rest = rest[: rest.index("}}") + 2] if "}}" in rest else rest
    return None, at + 3, f"“{rest}” is no placeholder. Write one as ${{{{inputs.NAME}}}}."


def begins_bracketed(text: str, at: int, optional_inputs: Collection[str]) -> bool:
    """Whether a bracket `[` at this place opens a piece that may be left out: one that speaks of an optional input."""
    match = _BRACKETED.match(text, at) if optional_inputs else None
    found = PLACEHOLDER.finditer(match[0]) if match else ()
    return any(part["scope"] == "inputs" and part["name"] in optional_inputs for part in found)


def outputs_in(texts: Iterable[str]) -> set[str]:
    """The names that these texts may speak of as outputs, wherever it is."""
    found = (match for text in texts for match in PLACEHOLDER.finditer(text))
    return {match["name"] for match in found if match["scope"] == "outputs"}


def unknown_placeholders(
    text: HasPlaceholders, *, inputs: Collection[str], outputs: Collection[str], parameters: Collection[str]
) -> list[str]:
    """A sentence for each placeholder that stands for nothing."""
    known: dict[str, tuple[Collection[str], str]] = {
        "inputs": (inputs, "This step has no input"),
        "outputs": (outputs, "This step has no output"),
        "parameters": (parameters, "The pipeline has no parameter"),
    }
    problems: list[str] = []
    for part in dict.fromkeys(text.placeholders):
        if part.scope not in known:
            problems.append(
                f"“{part}” stands for nothing. Write ${{{{inputs.NAME}}}}, ${{{{outputs.NAME}}}} "
                "or ${{parameters.NAME}}."
            )
            continue
        names, sentence = known[part.scope]
        if part.name not in names:
            there = f" There are: {', '.join(sorted(names))}." if names else " There are none yet."
            problems.append(f"{sentence} “{part.name}”.{there}")
    return problems


def missing_pieces(text: HasPlaceholders, *, inputs: Collection[str], parameters: Collection[str]) -> list[str]:
    """A sentence for each placeholder that may stand for nothing, and is in no piece that could be left out."""
    absent = {"inputs": inputs, "parameters": parameters}
    return [
        f"“{part}” is optional and may be absent. Put $[[ and ]] around what goes with it, "
        f"as in $[[--{part.name} {part}]]."
        for part in dict.fromkeys(text.required)
        if part.name in absent.get(part.scope, ())
    ]


def stands_for_something(
    part: Placeholder, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]
) -> bool:
    """Whether there is a value of this parameter, or such an input; an output always is."""
    if part.scope == "parameters":
        return part.name in values
    return part.scope != "inputs" or part.name not in absent_inputs


def as_text(value: ParameterValue) -> str:
    """A value as a script gets it: `true` and `false` as in JSON, numbers as Python writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def holds_placeholder(value: str) -> bool:
    """Whether a node would read a placeholder in this plain value."""
    return bool(_READ_BY_THE_NODE.search(value))

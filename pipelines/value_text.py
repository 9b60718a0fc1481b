"""Plain texts with placeholders, as the values of variables and of notebooks' parameters are. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipelines.parts import ParameterValue
from pipelines.placeholders import InPieces, Placeholder, as_text, read_placeholder, stands_for_something


@dataclass(frozen=True, slots=True)
class Whole:
    """A value, which is left out as a whole where a placeholder in it stands for nothing."""

    parts: tuple[str | Placeholder, ...]
    is_optional: bool = True

    @property
    def placeholders(self) -> list[Placeholder]:
        return [part for part in self.parts if isinstance(part, Placeholder)]


@dataclass(frozen=True, slots=True)
class ValueText(InPieces):
    """What a value says, and sentences for what it does not say well."""

    pieces: tuple[Whole]
    problems: tuple[str, ...] = ()

    @property
    def texts(self) -> list[str]:
        return [part for part in self.pieces[0].parts if isinstance(part, str)]


def parse(text: str) -> ValueText:
    """Never raises: what can't be read stays text and is told in `problems`."""
    parts: list[str | Placeholder] = []
    problems: list[str] = []
    at = 0
    while (sign := text.find("${{", at)) >= 0:
        found, end, problem = read_placeholder(text, sign)
        if problem:
            problems.append(problem)
        parts += [text[at:sign], found or text[sign:end]]
        at = end
    parts.append(text[at:])
    return ValueText((Whole(tuple(part for part in parts if part != "")),), tuple(problems))


def filled(value: ValueText, values: Mapping[str, ParameterValue], absent_inputs: Collection[str]) -> str | None:
    """Parameters filled in; inputs and outputs stay as `${{inputs.NAME}}` for the node.

    `""`, `0` and `false` are values like any other. None where it speaks of a parameter without a value, or of an
    absent input: it is left out as a whole.
    """
    (whole,) = value.pieces
    if not all(stands_for_something(part, values, absent_inputs) for part in whole.placeholders):
        return None
    return "".join(
        as_text(values[part.name]) if isinstance(part, Placeholder) and part.scope == "parameters" else str(part)
        for part in whole.parts
    )


def placeholders_left(text: str) -> bool:
    """Whether something stands for a value in it that is told elsewhere to be wrong."""
    return "${{" in text

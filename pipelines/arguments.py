"""The arguments of a step: one line as on a command line, with placeholders that stand for paths and values.

The grammar is a shell's without expansion: blanks and line ends separate, `'…'` is literal, in `"…"` a backslash
keeps `"`, `\\` and `$`, elsewhere it keeps the next character, and joins lines at a line's end. `${{ scope.name }}`
is a placeholder wherever it stands, within quotes too. What a placeholder stands for is never split or read again.
`$[[ … ]]` around whole arguments makes them optional: they are left out where a placeholder in them stands for nothing.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipelines.definition import ParameterValue

Scope = Literal["inputs", "outputs", "parameters"]
_PLACEHOLDER = re.compile(r"\$\{\{\s*(?P<scope>[A-Za-z_]\w*)\s*\.\s*(?P<name>[^\s{}]+?)\s*\}\}")
# What a node would take for a placeholder, were it in a value.
_READ_BY_THE_NODE = re.compile(r"\$\{\{\s*(inputs|outputs)\s*\.")


@dataclass(frozen=True, slots=True)
class Placeholder:
    scope: str
    name: str

    def __str__(self) -> str:
        return f"${{{{{self.scope}.{self.name}}}}}"


Token = tuple[str | Placeholder, ...]  # one argument: text and placeholders side by side


@dataclass(frozen=True, slots=True)
class Piece:
    """Arguments that stay or go together."""

    tokens: tuple[Token, ...]
    is_optional: bool = False

    @property
    def placeholders(self) -> list[Placeholder]:
        return [part for token in self.tokens for part in token if isinstance(part, Placeholder)]


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a line of arguments says, and sentences for what it doesn't say well."""

    pieces: tuple[Piece, ...]
    problems: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        return tuple(token for piece in self.pieces for token in piece.tokens)

    def names(self, scope: Scope) -> set[str]:
        """The names used in placeholders of `scope`."""
        return {
            part.name
            for token in self.tokens
            for part in token
            if isinstance(part, Placeholder) and part.scope == scope
        }


def parse(text: str) -> Arguments:
    """Split `text` into arguments. Never raises: what can't be read is left out and told in `problems`."""
    return _Parser(text).parse()


def unknown_placeholders(
    arguments: Arguments, *, inputs: Collection[str], outputs: Collection[str], parameters: Collection[str]
) -> list[str]:
    """A sentence for each placeholder that stands for nothing."""
    known: dict[str, tuple[Collection[str], str]] = {
        "inputs": (inputs, "This step has no input"),
        "outputs": (outputs, "This step has no output"),
        "parameters": (parameters, "The pipeline has no parameter"),
    }
    problems: list[str] = []
    for part in dict.fromkeys(part for token in arguments.tokens for part in token):
        if not isinstance(part, Placeholder):
            continue
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


def missing_pieces(arguments: Arguments, *, inputs: Collection[str], parameters: Collection[str]) -> list[str]:
    """A sentence for each placeholder that may stand for nothing, and is in no piece that could be left out."""
    absent = {"inputs": inputs, "parameters": parameters}
    told = (part for piece in arguments.pieces if not piece.is_optional for part in piece.placeholders)
    return [
        f"“{part}” is optional and may be absent. Put $[[ and ]] around what goes with it, "
        f"as in $[[--{part.name} {part}]]."
        for part in dict.fromkeys(told)
        if part.name in absent.get(part.scope, ())
    ]


def command_arguments(
    arguments: Arguments, values: Mapping[str, ParameterValue], *, absent_inputs: Collection[str] = ()
) -> list[str]:
    """The argument list with parameters filled in; inputs and outputs stay as `${{inputs.NAME}}` for the node.

    A value is one argument or a part of one, whatever is in it; an empty string is an empty argument. An optional piece
    that speaks of a parameter without a value, or of one of `absent_inputs`, is left out.
    Raises KeyError for a parameter without a value elsewhere.
    """

    def is_there(part: Placeholder) -> bool:
        if part.scope == "parameters":
            return part.name in values
        return part.scope != "inputs" or part.name not in absent_inputs

    return [
        "".join(
            as_text(values[part.name]) if isinstance(part, Placeholder) and part.scope == "parameters" else str(part)
            for part in token
        )
        for piece in arguments.pieces
        if not piece.is_optional or all(map(is_there, piece.placeholders))
        for token in piece.tokens
    ]


def as_text(value: ParameterValue) -> str:
    """A value as a script gets it: `true` and `false` as in JSON, numbers as Python writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def holds_placeholder(value: str) -> bool:
    """Whether a node would read a placeholder in this plain value."""
    return bool(_READ_BY_THE_NODE.search(value))


@dataclass
class _Parser:
    text: str
    at: int = 0
    quote: str = ""
    parts: list[str | Placeholder] | None = None  # of the argument being read; None between arguments
    tokens: list[Token] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    is_optional: bool = False  # the piece being read
    problems: list[str] = field(default_factory=list)

    def parse(self) -> Arguments:
        while self.at < len(self.text):
            self._step()
        if self.quote:
            self.problems.append(f"A quotation mark ({self.quote}) is opened and never closed. Close it.")
        if self.is_optional:
            self.problems.append("$[[ is opened and never closed. Write ]] at the end of what may be left out.")
        self._end_piece(is_optional=False)
        return Arguments(tuple(self.pieces), tuple(self.problems))

    def _step(self) -> None:
        character = self.text[self.at]
        if self.text.startswith("${{", self.at):
            self._placeholder()
        elif not self.quote and self.parts is None and self.text.startswith("$[[", self.at):
            if self.is_optional:
                self.problems.append("$[[ stands within another $[[. Close the first with ]] before.")
            self._end_piece(is_optional=True)
            self.at += 3
        elif not self.quote and self.is_optional and self.text.startswith("]]", self.at):
            self._end_piece(is_optional=False)
            self.at += 2
        elif self.quote:
            self._quoted(character)
        elif character in "'\"":
            self.quote = character
            self._add("")
            self.at += 1
        elif character == "\\":
            self._escaped()
        elif character.isspace():
            self._end()
            self.at += 1
        else:
            self._add(character)
            self.at += 1

    def _placeholder(self) -> None:
        match = _PLACEHOLDER.match(self.text, self.at)
        if match:
            self._add(Placeholder(match["scope"], match["name"]))
            self.at = match.end()
            return
        rest = self.text[self.at : self.at + 40].splitlines()[0]
        rest = rest[: rest.index("}}") + 2] if "}}" in rest else rest
        self.problems.append(f"“{rest}” is no placeholder. Write one as ${{{{inputs.NAME}}}}.")
        self._add("${{")
        self.at += 3

    def _quoted(self, character: str) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if character == self.quote:
            self.quote = ""
            self.at += 1
        elif self.quote == '"' and character == "\\" and following in {'"', "\\", "$"}:
            self._add(following)
            self.at += 2
        else:
            self._add(character)
            self.at += 1

    def _escaped(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            self.problems.append("A backslash stands at the end and keeps nothing. Write two for one.")
        elif following == "\r" and self.text[self.at + 2 : self.at + 3] == "\n":
            self.at += 1
        elif following != "\n":
            self._add(following)
        self.at += 2

    def _add(self, part: str | Placeholder) -> None:
        if self.parts is None:
            self.parts = []
        if isinstance(part, str) and self.parts and isinstance(self.parts[-1], str):
            self.parts[-1] += part
        else:
            self.parts.append(part)

    def _end(self) -> None:
        if self.parts is not None:
            self.tokens.append(tuple(part for part in self.parts if part != ""))
            self.parts = None

    def _end_piece(self, *, is_optional: bool) -> None:
        """The next one is of the other sort."""
        self._end()
        if self.tokens:
            self.pieces.append(Piece(tuple(self.tokens), self.is_optional))
        self.tokens, self.is_optional = [], is_optional

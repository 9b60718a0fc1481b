"""The arguments of a step: one line as on a command line, with placeholders that stand for paths and values.

The grammar is a shell's without expansion: blanks and line ends separate, `'…'` is literal, in `"…"` a backslash
keeps `"`, `\\` and `$`, elsewhere it keeps the next character, and joins lines at a line's end. `${{ scope.name }}`
is a placeholder wherever it stands, within quotes too. What a placeholder stands for is never split or read again.
`$[[ … ]]` around whole arguments makes them optional: they are left out where a placeholder in them stands for nothing.
So does `[ … ]` without a blank behind its bracket, where an optional input is spoken of in it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pipelines.parts import ParameterValue
from pipelines.placeholders import (
    InPieces,
    Placeholder,
    as_text,
    begins_bracketed,
    read_placeholder,
    stands_for_something,
)

Token = tuple[str | Placeholder, ...]  # one argument: text and placeholders side by side


@dataclass(frozen=True, slots=True)
class Piece:
    """Arguments that stay or go together."""

    tokens: tuple[Token, ...]
    is_optional: bool = False

    @property
    def placeholders(self) -> list[Placeholder]:
        return [part for token in self.tokens for part in token if isinstance(part, Placeholder)]


_LINE = 500  # characters


@dataclass(frozen=True, slots=True)
class Arguments(InPieces):
    """What a line of arguments says, and sentences for what it doesn't say well."""

    pieces: tuple[Piece, ...]
    problems: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        return tuple(token for piece in self.pieces for token in piece.tokens)

    @property
    def texts(self) -> list[str]:
        return [part for token in self.tokens for part in token if isinstance(part, str)]


def parse(text: str, optional_inputs: Collection[str] = ()) -> Arguments:
    """Split `text` into arguments. Never raises: what can't be read is left out and told in `problems`."""
    names = frozenset(optional_inputs)
    return _of_a_line(text, names) if len(text) <= _LINE else _Parser(text, names).parse()


@lru_cache(maxsize=10_000)  # a run's submission reads those of each step twice
def _of_a_line(text: str, optional_inputs: frozenset[str]) -> Arguments:
    return _Parser(text, optional_inputs).parse()


def command_arguments(
    arguments: Arguments, values: Mapping[str, ParameterValue], *, absent_inputs: Collection[str] = ()
) -> list[str]:
    """The argument list with parameters filled in; inputs and outputs stay as `${{inputs.NAME}}` for the node.

    A value is one argument or a part of one, whatever is in it; an empty string is an empty argument. An optional piece
    that speaks of a parameter without a value, or of one of `absent_inputs`, is left out.
    Raises KeyError for a parameter without a value elsewhere.
    """

    def is_there(part: Placeholder) -> bool:
        return stands_for_something(part, values, absent_inputs)

    return [
        "".join(
            as_text(values[part.name]) if isinstance(part, Placeholder) and part.scope == "parameters" else str(part)
            for part in token
        )
        for piece in arguments.pieces
        if not piece.is_optional or all(map(is_there, piece.placeholders))
        for token in piece.tokens
    ]


@dataclass
class _Parser:
    text: str
    optional_inputs: Collection[str] = ()
    at: int = 0
    quote: str = ""
    parts: list[str | Placeholder] | None = None  # of the argument being read; None between arguments
    tokens: list[Token] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    closing: str = ""  # of the piece being read, where it is optional
    problems: list[str] = field(default_factory=list)

    def parse(self) -> Arguments:
        while self.at < len(self.text):
            self._step()
        if self.quote:
            self.problems.append(f"A quotation mark ({self.quote}) is opened and never closed. Close it.")
        if self.closing:
            self.problems.append("$[[ is opened and never closed. Write ]] at the end of what may be left out.")
        self._end_piece(closing="")
        return Arguments(tuple(self.pieces), tuple(self.problems))

    def _step(self) -> None:
        character = self.text[self.at]
        if self.text.startswith("${{", self.at):
            self._placeholder()
        elif not self.quote and self.parts is None and self.text.startswith("$[[", self.at):
            if self.closing:
                self.problems.append("$[[ stands within another $[[. Close the first with ]] before.")
            self._end_piece(closing="]]")
            self.at += 3
        elif self._opens_a_bracket():
            self._end_piece(closing="]")
            self.at += 1
        elif not self.quote and self.closing and self.text.startswith(self.closing, self.at):
            self.at += len(self.closing)
            self._end_piece(closing="")
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

    def _opens_a_bracket(self) -> bool:
        if self.quote or self.closing or self.parts is not None:
            return False
        return begins_bracketed(self.text, self.at, self.optional_inputs)

    def _placeholder(self) -> None:
        found, self.at, problem = read_placeholder(self.text, self.at)
        if problem:
            self.problems.append(problem)
        self._add(found or "${{")

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

    def _end_piece(self, *, closing: str) -> None:
        """The next one is of the other sort: optional, where something closes it."""
        self._end()
        if self.tokens:
            self.pieces.append(Piece(tuple(self.tokens), bool(self.closing)))
        self.tokens, self.closing = [], closing

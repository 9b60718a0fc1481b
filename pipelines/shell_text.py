"""Commands of bash with placeholders. A value never becomes a part of the command: bash gets it as a variable.

`${{ scope.name }}` may stand wherever bash would put a variable in, and in single quotes and here-documents: it becomes
one word outside of quotes, and a part of the text within them. `$[[ … ]]` around a piece, outside of quotes, makes it
optional, as does `[ … ]` as a word without a blank behind its bracket, where an optional input is spoken of in it.
Comments are left alone.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipelines.parts import ParameterValue
from pipelines.placeholders import (
    InPieces,
    Placeholder,
    as_text,
    begins_bracketed,
    read_placeholder,
    stands_for_something,
)

# bash's contexts that matter here; brackets are those of `( … )` and `$( … )`, which hold commands again.
Context = Literal["command", "brackets", "arithmetic", '"', "'", "here"]
_HERE = re.compile(r"<<(?P<dash>-?)[ \t]*(?P<quote>['\"\\]?)(?P<word>[A-Za-z_][\w.-]*)['\"]?")
_BEFORE_A_WORD = " \t\n;&|("
_PLAIN, _QUOTED = "${{{}}}", '"${{{}}}"'
_AS = {
    "command": _QUOTED,
    "brackets": _QUOTED,
    "arithmetic": _PLAIN,
    '"': _PLAIN,
    "here": _PLAIN,
    "'": f"'{_QUOTED}'",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A placeholder where it stands."""

    placeholder: Placeholder
    context: Context


@dataclass(frozen=True, slots=True)
class Piece:
    """Text and values that stay or go together."""

    parts: tuple[str | Value, ...]
    is_optional: bool = False

    @property
    def placeholders(self) -> list[Placeholder]:
        return [part.placeholder for part in self.parts if isinstance(part, Value)]


@dataclass(frozen=True, slots=True)
class ShellText(InPieces):
    """What was written, and sentences for what it does not say well."""

    pieces: tuple[Piece, ...]
    problems: tuple[str, ...] = ()

    @property
    def texts(self) -> list[str]:
        return [part for piece in self.pieces for part in piece.parts if isinstance(part, str)]


def parse(text: str, optional_inputs: Collection[str] = ()) -> ShellText:
    """Never raises: what can't be read stays text and is told in `problems`."""
    return _Parser(text.replace("\r\n", "\n"), optional_inputs).parse()


def bash_argv(
    text: ShellText, values: Mapping[str, ParameterValue], *, absent_inputs: Collection[str] = ()
) -> list[str]:
    """bash with the command; it ends with the first line, or part of a pipe, that fails.

    The values come as arguments and are put into variables before the command's first line, so that line numbers and
    the arguments of functions stay what they are. Raises KeyError for a parameter without a value that is not optional.
    """
    names: dict[Placeholder, str] = {}
    script: list[str] = []
    for piece in text.pieces:
        if piece.is_optional and not all(
            stands_for_something(part, values, absent_inputs) for part in piece.placeholders
        ):
            continue
        for part in piece.parts:
            if isinstance(part, str):
                script.append(part)
            else:
                name = names.setdefault(part.placeholder, f"__{len(names) + 1}")
                script.append(_AS[part.context].format(name))
    given = [as_text(values[part.name]) if part.scope == "parameters" else str(part) for part in names]
    taken = " ".join(f'{name}="${{{number}}}"' for number, name in enumerate(names.values(), start=1))
    before = f"{taken}; set --; " if taken else ""
    return ["bash", "-e", "-o", "pipefail", "-c", before + "".join(script), "bash", *given]


@dataclass
class _Parser:
    text: str
    optional_inputs: Collection[str] = ()
    at: int = 0
    contexts: list[Context] = field(default_factory=lambda: ["command"])
    here: list[tuple[str, bool, bool]] = field(default_factory=list)  # begun in this line: word, is quoted, has tabs
    said: list[str] = field(default_factory=list)  # text since the last part
    parts: list[str | Value] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    closing: str = ""  # of the piece being read, where it is optional
    problems: list[str] = field(default_factory=list)

    def parse(self) -> ShellText:
        while self.at < len(self.text):
            self._step()
        for context in self.contexts[1:]:
            what = f"A quotation mark ({context})" if context in "'\"" else "A bracket"
            self.problems.append(f"{what} is opened and never closed. Close it.")
        if self.closing:
            self.problems.append("$[[ is opened and never closed. Write ]] at the end of what may be left out.")
        self._end_piece(closing="")
        return ShellText(tuple(self.pieces), tuple(dict.fromkeys(self.problems)))

    @property
    def _context(self) -> Context:
        return self.contexts[-1]

    def _step(self) -> None:
        if self.text.startswith("${{", self.at):
            self._placeholder(self._context)
        elif self._context == "'":
            self._single_quoted()
        elif self.text[self.at] == "\\":
            self._add(self.text[self.at : self.at + 2])
        elif self._context == '"':
            self._double_quoted()
        else:
            self._plain()

    def _placeholder(self, context: Context) -> None:
        found, end, problem = read_placeholder(self.text, self.at)
        if found is None:
            self.problems.append(problem)
            self._add(self.text[self.at : end])
            return
        self._end_text()
        self.parts.append(Value(found, context))
        self.at = end

    def _single_quoted(self) -> None:
        if self.text[self.at] == "'":
            self.contexts.pop()
        self._add(self.text[self.at])

    def _double_quoted(self) -> None:
        if self.text.startswith("$(", self.at):
            self._add("$")
            self._open()
        else:
            if self.text[self.at] == '"':
                self.contexts.pop()
            self._add(self.text[self.at])

    def _plain(self) -> None:
        character = self.text[self.at]
        if len(self.contexts) == 1 and self._marks_a_piece():
            return
        if character in "'\"":
            self.contexts.append("'" if character == "'" else '"')
            self._add(character)
        elif character == "#" and (self.at == 0 or self.text[self.at - 1] in _BEFORE_A_WORD):
            end = self.text.find("\n", self.at)
            self._add(self.text[self.at : end if end >= 0 else len(self.text)])
        elif character == "(":
            self._open()
        elif character == ")" and self._context in {"brackets", "arithmetic"}:
            self._add("))" if self.contexts.pop() == "arithmetic" and self.text.startswith("))", self.at) else ")")
        elif self.text.startswith("<<<", self.at):
            self._add("<<<")
        elif self._context != "arithmetic" and (match := _HERE.match(self.text, self.at)):
            self.here.append((match["word"], bool(match["quote"]), bool(match["dash"])))
            self._add(match[0])
        elif character == "\n" and self.here:
            self._add(character)
            while self.here:
                self._here_document(*self.here.pop(0))
        else:
            self._add(character)

    def _marks_a_piece(self) -> bool:
        if self.text.startswith("$[[", self.at):
            if self.closing:
                self.problems.append("$[[ stands within another $[[. Close the first with ]] before.")
            self._end_piece(closing="]]")
            self.at += 3
            return True
        if self._opens_a_bracket():
            self._end_piece(closing="]")
            self.at += 1
            return True
        if self.closing and self.text.startswith(self.closing, self.at):
            self.at += len(self.closing)
            self._end_piece(closing="")
            return True
        return False

    def _opens_a_bracket(self) -> bool:
        if self.closing or (self.at and self.text[self.at - 1] not in _BEFORE_A_WORD):
            return False
        return begins_bracketed(self.text, self.at, self.optional_inputs)

    def _here_document(self, word: str, is_quoted: bool, has_tabs: bool) -> None:
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = end if end >= 0 else len(self.text)
            line = self.text[self.at : end]
            while self.at < end:
                if not self.text.startswith("${{", self.at):
                    self._add(self.text[self.at])
                elif is_quoted:
                    self.problems.append(
                        f"Nothing is put in within <<'{word}'. Write <<{word} without quotes, or use a variable."
                    )
                    self._add("${{")
                else:
                    self._placeholder("here")
            if end < len(self.text):
                self._add("\n")
            if (line.lstrip("\t") if has_tabs else line) == word:
                return

    def _open(self) -> None:
        """A bracket. One within a sum is closed by one; the sum itself by two."""
        is_sum = self.text.startswith("((", self.at)
        self.contexts.append("arithmetic" if is_sum or self._context == "arithmetic" else "brackets")
        self._add("((" if is_sum else "(")

    def _add(self, text: str) -> None:
        """Keep it as it is, and go on behind it."""
        self.said.append(text)
        self.at += len(text)

    def _end_text(self) -> None:
        if self.said:
            self.parts.append("".join(self.said))
            self.said.clear()

    def _end_piece(self, *, closing: str) -> None:
        """The next one is of the other sort: optional, where something closes it."""
        self._end_text()
        if self.parts:
            self.pieces.append(Piece(tuple(self.parts), bool(self.closing)))
        self.parts, self.closing = [], closing

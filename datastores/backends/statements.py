"""A text of SQL taken apart: its statements, where each begins, and where values stand in them. Pure.

`${{parameters.NAME}}` stands for a value that goes to the server apart from the text, or as a literal that can't end
early; so it can stand where a value can, and in no quotes. Comments are left alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from studio.lib.problems import UserError

STATEMENTS_LOC = ("statements",)
MOST_CHARACTERS = 200_000
Tongue = Literal["postgresql", "mysql", "sqlite"]
PARAMETER = re.compile(r"\$\{\{\s*parameters\s*\.\s*(?P<name>[^\s{}]+?)\s*\}\}")

_DOLLAR = re.compile(r"\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$")
# To the servers every character beyond ASCII is one of a name.
_WORD = re.compile(r"(?:[^\W\d]|[\u0080-\U0010ffff])(?:[\w$]|[\u0080-\U0010ffff])*")
_IN_A_NAME = re.compile(r"[\w$\u0080-\U0010ffff]")
_TRIGGER = re.compile(r"create\s+(?:or\s+replace\s+)?(?:temp\s+|temporary\s+)?trigger\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mark:
    """A value where it stands."""

    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, without the semicolon. `line` is that of its first word, the first of the text is 1."""

    parts: tuple[str | Mark, ...]
    line: int

    def text(self, write: Callable[[str], str], plain: Callable[[str], str] = lambda text: text) -> str:
        """With each value written by `write`, which is given its name, and the rest by `plain`."""
        return "".join(write(part.name) if isinstance(part, Mark) else plain(part) for part in self.parts)

    @property
    def names(self) -> set[str]:
        """Of the values in it."""
        return {part.name for part in self.parts if isinstance(part, Mark)}

    @property
    def first_word(self) -> str:
        """In small letters."""
        found = _WORD.search(self.parts[0]) if isinstance(self.parts[0], str) else None
        return found.group().lower() if found else ""

    @property
    def shown(self) -> str:
        """Its first line, for a log."""
        first = self.text(lambda name: f"${{{{parameters.{name}}}}}").splitlines()[0]
        return first if len(first) <= 100 else f"{first[:99]}…"


def statements_of(text: str, tongue: Tongue) -> list[Statement]:
    """Raises UserError with the line, for what can't be sent: nothing, a quote without its end, a value in quotes."""
    if len(text) > MOST_CHARACTERS:
        raise UserError(f"SQL can have {MOST_CHARACTERS:,} characters at most.", loc=STATEMENTS_LOC)
    found = list(_Reader(text.replace("\r\n", "\n"), tongue).statements())
    if not found:
        raise UserError("Write a statement, such as SELECT * FROM sales.", loc=STATEMENTS_LOC)
    return found


class _Reader:
    """Goes through a text once."""

    def __init__(self, text: str, tongue: Tongue) -> None:
        self.text, self.tongue = text, tongue
        self.at = 0
        self.parts: list[str | Mark] = []
        self.said: list[str] = []
        self.began = -1  # where the statement's first word stands
        self.blocks = 0  # of the body of a trigger in SQLite: semicolons within are its own

    def statements(self) -> Iterator[Statement]:
        while self.at < len(self.text):
            if self.text[self.at] == ";" and not self.blocks:
                self.at += 1
                yield from self._taken()
            else:
                self._step()
        yield from self._taken()

    def _taken(self) -> Iterator[Statement]:
        self._flush()
        parts, began = self.parts, self.began
        self.parts, self.began, self.blocks = [], -1, 0
        if began < 0:
            return
        if isinstance(parts[-1], str):
            parts[-1] = parts[-1].rstrip()
        yield Statement(tuple(part for part in parts if part != ""), self._line(began))

    def _step(self) -> None:
        text, at = self.text, self.at
        here, two = text[at], text[at : at + 2]
        if two == "--" or (here == "#" and self.tongue == "mysql"):
            end = text.find("\n", at)
            self._skip(len(text) if end < 0 else end)
        elif two == "/*" and text[at : at + 3] != "/*!":
            self._skip(self._comment_end(at))
        elif here in "'\"" or (here == "`" and self.tongue != "postgresql"):
            self._keep(self._quote_end(at, here), is_quoted=True)
        elif here == "$" and (mark := PARAMETER.match(text, at)):
            self._begin()
            self._flush()
            self.parts.append(Mark(mark["name"]))
            self.at = mark.end()
        elif here == "$" and self.tongue == "postgresql" and (dollar := self._dollar(at)):
            end = text.find(dollar, at + len(dollar))
            if end < 0:
                raise self._problem(at, f"The text that begins with {dollar} has no end.")
            self._keep(end + len(dollar), is_quoted=True)
        elif word := _WORD.match(text, at):
            self._note_block(word.group().lower())
            self._keep(word.end())
        elif here.isspace():
            self._skip(at + 1)
        else:
            self._keep(at + 1)

    def _keep(self, end: int, *, is_quoted: bool = False) -> None:
        if is_quoted and (mark := PARAMETER.search(self.text, self.at, end)):
            raise self._problem(
                mark.start(),
                f"{mark.group()} stands in quotes. Take the quotes away: a value needs none, whatever it holds.",
            )
        self._begin()
        self.said.append(self.text[self.at : end])
        self.at = end

    def _skip(self, end: int) -> None:
        """Spaces and comments: a comment becomes a space, with the lines that it had."""
        if self.began >= 0:
            skipped = self.text[self.at : end]
            self.said.append(skipped if skipped.isspace() else " " + "\n" * skipped.count("\n"))
        self.at = end

    def _begin(self) -> None:
        if self.began < 0:
            self.began = self.at

    def _flush(self) -> None:
        if self.said:
            self.parts.append("".join(self.said))
            self.said = []

    def _note_block(self, word: str) -> None:
        if self.tongue != "sqlite" or self.began < 0 or word not in {"begin", "case", "end"}:
            return
        if self.blocks:
            self.blocks += -1 if word == "end" else 1
        elif word == "begin" and _TRIGGER.match(self.text, self.began):
            self.blocks = 1

    def _dollar(self, at: int) -> str:
        """`$tag$`, where it begins a text; within a name it is a part of that."""
        found = _DOLLAR.match(self.text, at)
        return found.group() if found else ""

    def _comment_end(self, at: int) -> int:
        depth, end = 1, at + 2
        while depth:
            closing, opening = self.text.find("*/", end), self.text.find("/*", end)
            if closing < 0:
                raise self._problem(at, "The comment that begins with /* has no end.")
            if self.tongue == "postgresql" and 0 <= opening < closing:
                depth, end = depth + 1, opening + 2
            else:
                depth, end = depth - 1, closing + 2
        return end

    def _quote_end(self, at: int, sign: str) -> int:
        has_escapes = self._has_escapes(at, sign)
        end = at + 1
        while end < len(self.text):
            if has_escapes and self.text[end] == "\\":
                end += 2
            elif self.text[end] != sign:
                end += 1
            elif self.text[end + 1 : end + 2] == sign:
                end += 2
            else:
                return end + 1
        raise self._problem(at, f"The quote {sign} has no end.")

    def _has_escapes(self, at: int, sign: str) -> bool:
        if self.tongue == "mysql":
            return sign != "`"
        is_marked = self.text[at - 1 : at] in {"e", "E"} and not _IN_A_NAME.match(self.text[max(0, at - 2) : at - 1])
        return self.tongue == "postgresql" and sign == "'" and is_marked

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def _problem(self, at: int, sentence: str) -> UserError:
        return UserError(f"Line {self._line(at)}: {sentence}", loc=STATEMENTS_LOC)

"""YAML that knows where each part of it stands, read with care: it comes from anybody. Pure.

Plain values are those of YAML 1.2's core schema: `yes`, `on` and `2026-01-01` are texts. Nothing is ever made but
mappings, lists, texts, numbers, true, false and null: tags are refused, and so are merge keys, doubled keys, and
aliases that would grow to more than a file may hold.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from studio.lib.problems import Problem, UserError

MAX_BYTES = 8 * 1024**2
MAX_DEPTH = 60
MAX_PARTS = 500_000  # with what aliases stand for counted each time

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OTHER_BASE = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)

Plain = Any  # a dict, a list, a text, a number, true, false or None
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def says(self, message: str) -> Problem:
        """A problem here: its `loc` is file, line and column."""
        return Problem((self.file, self.line, self.column), message)


@dataclass(slots=True)
class Located:
    """A value with its place, and of a mapping those of its keys."""

    spot: Spot
    value: "dict[str, Located] | list[Located] | str | float | bool | None"
    keys: dict[str, Spot] = field(default_factory=dict)
    parts: int = 1  # how many values it comes to, itself included

    def plain(self) -> Plain:
        """Without places."""
        if isinstance(self.value, dict):
            return {name: each.plain() for name, each in self.value.items()}
        if isinstance(self.value, list):
            return [each.plain() for each in self.value]
        return self.value

    def spot_of(self, loc: Sequence[str | int]) -> Spot:
        """Where the way `loc` into the plain value leads; of what isn't there, the place of what it would be in."""
        at, spot = self, self.spot
        for part in loc:
            if isinstance(at.value, dict) and part in at.value:
                spot, at = at.keys[str(part)], at.value[str(part)]
            elif isinstance(at.value, list) and isinstance(part, int) and part < len(at.value):
                at = at.value[part]
                spot = at.spot
            else:
                break
        return spot


def read_located(data: bytes | str, file: str) -> Located:
    """Raises UserError with the problem at `(file, line, column)`."""
    text = _text(data, file)
    try:
        return _Composer(file).compose(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise UserError([_spot(file, error.problem_mark or error.context_mark).says(_sentence(error))]) from None
    except yaml.reader.ReaderError as error:
        spot = _spot_at(file, text, error.position if isinstance(error.position, int) else 0)
        raise UserError([spot.says("There is a character here that no YAML file may hold. Remove it.")]) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UserError([Spot(file).says("This is no YAML that can be read.")]) from None


def _text(data: bytes | str, file: str) -> str:
    size = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise UserError([Spot(file).says(f"The file is larger than {MAX_BYTES // 1024**2} MB. Split it.")])
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        spot = _spot_at(file, before, len(before))
        raise UserError([spot.says("This is no text in UTF-8. Save the file in that encoding.")]) from None


def _spot_at(file: str, text: str, position: int) -> Spot:
    before = text[:position]
    return Spot(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _spot(file: str, mark: Any) -> Spot:
    return Spot(file, mark.line + 1, mark.column + 1) if mark else Spot(file)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = (error.problem or "it can’t be read").strip()
    context = f" {error.context}" if error.context else ""
    return f"This is no YAML: {problem}{context}."


class _Composer:
    """Puts a tree together from the parser's events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, Located] = {}
        self.open: list[tuple[Located, str | None]] = []  # what is under way, and its anchor
        self.key: list[tuple[str, Spot] | None] = []  # of each that is a mapping, the key whose value comes next
        self.root: Located | None = None

    def compose(self, events: Iterator[Any]) -> Located:
        documents = 0
        for event in events:
            spot = _spot(self.file, event.start_mark)
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise UserError([spot.says("A second document begins here. Put it into a file of its own.")])
                case yaml.AliasEvent():
                    self._add(self._meant(event.anchor or "", spot), spot)
                case yaml.ScalarEvent():
                    self._refuse_tag(event, spot)
                    made = Located(spot, self._scalar(event, spot))
                    if event.value == "<<" and event.implicit[0] and self._wants_key():
                        self.problems.append(
                            spot.says("Merge keys (“<<”) are not read. Write out what they stand for.")
                        )
                    self._add(made, spot, text=event.value)
                    self._remember(event.anchor, made)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._refuse_tag(event, spot)
                    self._begin(Located(spot, {} if isinstance(event, yaml.MappingStartEvent) else []), event.anchor)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    made, anchor = self.open.pop()
                    self.key.pop()
                    self._add(made, made.spot)
                    self._remember(anchor, made)
        if self.problems:
            raise UserError(self.problems[:100])
        return self.root or Located(Spot(self.file), None)

    def _wants_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1][0].value, dict) and self.key[-1] is None

    def _begin(self, made: Located, anchor: str | None) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise UserError([made.spot.says(f"This is nested more than {MAX_DEPTH} deep.")])
        self.open.append((made, anchor))
        self.key.append(None)

    def _meant(self, anchor: str, spot: Spot) -> Located:
        found = self.anchors.get(anchor)
        if found is None:
            raise UserError([spot.says(f"“*{anchor}” stands for nothing that was written before it, to its end.")])
        return found

    def _remember(self, anchor: str | None, made: Located) -> None:
        if anchor:
            self.anchors[anchor] = made

    def _add(self, made: Located, spot: Spot, *, text: str | None = None) -> None:
        if not self.open:
            self.root = made
            return
        holder, _anchor = self.open[-1]
        holder.parts += made.parts
        if holder.parts > MAX_PARTS:
            raise UserError([spot.says(f"With its aliases the file holds more than {MAX_PARTS:,} values. Split it.")])
        if isinstance(holder.value, list):
            holder.value.append(made)
            return
        assert isinstance(holder.value, dict)
        waiting = self.key[-1]
        if waiting is None:
            self.key[-1] = (self._key(made, spot, text), spot)
            return
        self.key[-1] = None
        name, key_spot = waiting
        if name in holder.value:
            self.problems.append(key_spot.says(f"“{name}” stands here twice. Take one of them out."))
            return
        holder.value[name] = made
        holder.keys[name] = key_spot

    def _key(self, made: Located, spot: Spot, text: str | None) -> str:
        """As it is written: `on`, `1` and `null` are names like any other."""
        if text is None and isinstance(made.value, str):  # an alias
            text = made.value
        if text is None:
            raise UserError([spot.says("Only a text can be a key.")])
        return text

    def _refuse_tag(self, event: Any, spot: Spot) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(spot.says(f"The tag “{tag}” means nothing here. Leave it out."))

    def _scalar(self, event: Any, spot: Spot) -> str | float | bool | None:
        text: str = event.value
        if event.style or not event.implicit[0]:
            return text
        if text in _WORDS:
            word: bool | None = _WORDS[text]
            return word
        try:
            if _INTEGER.match(text):
                return int(text)
            if _OTHER_BASE.match(text):
                return int(text, 0)
            if _FLOAT.match(text):
                return float(text)
        except ValueError:
            self.problems.append(spot.says("This number has too many digits."))
        return text

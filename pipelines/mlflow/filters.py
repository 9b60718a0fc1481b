"""The language of MLflow's searches: comparisons joined by AND, and what to sort by. Pure.

https://mlflow.org/docs/latest/search-runs. Nothing is evaluated: a text becomes comparisons, or a sentence says where
it is none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Entity = Literal["attribute", "metric", "parameter", "tag"]
Value = str | float | tuple[str, ...] | None

MAX_FILTER = 10_000  # characters
MAX_COMPARISONS = 50
_ENTITIES: dict[str, Entity] = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "parameter"),
    **dict.fromkeys(("tag", "tags"), "tag"),
}
NUMBER_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">="})
TEXT_OPERATORS = frozenset({"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"})
_NULL_OPERATORS = frozenset({"IS NULL", "IS NOT NULL"})
_ALLOWED: dict[Entity, frozenset[str]] = {
    "metric": NUMBER_OPERATORS,
    "parameter": TEXT_OPERATORS | _NULL_OPERATORS,
    "tag": TEXT_OPERATORS | _NULL_OPERATORS,
    "attribute": NUMBER_OPERATORS | TEXT_OPERATORS,
}
_SPACE = re.compile(r"\s+")
_KEY = re.compile(r"""(?:([A-Za-z]+)\s*\.\s*)?(?:`([^`]*)`|"([^"]*)"|([\w./:-]+))""")
_OPERATOR = re.compile(
    r"(!=|<=|>=|=|<|>|(?:NOT\s+)?I?LIKE\b|NOT\s+IN\b|IN\b|IS\s+NOT\s+NULL\b|IS\s+NULL\b)", re.IGNORECASE
)
_TEXT = re.compile(r"""'((?:[^']|'')*)'|"((?:[^"]|"")*)\"""")
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)(?![\w.])", re.IGNORECASE
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_DIRECTION = re.compile(r"(ASC|DESC)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comparison:
    entity: Entity
    key: str
    operator: str  # in upper case, with single spaces
    value: Value = None  # a number for a metric; several texts for IN


@dataclass(frozen=True, slots=True)
class Order:
    entity: Entity
    key: str
    descending: bool = False


class UnfitFilterError(ValueError):
    """A sentence on where the text stops making sense."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip()
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def skip(self) -> None:
        if space := _SPACE.match(self.text, self.at):
            self.at = space.end()

    @property
    def is_done(self) -> bool:
        self.skip()
        return self.at >= len(self.text)

    def stop(self, wanted: str) -> UnfitFilterError:
        rest = self.text[self.at :]
        where = f"At “{rest[:40]}”" if rest else "At its end"
        return UnfitFilterError(f"{where} of the filter “{self.text[:200]}” there should be {wanted}.")


def parse_filter(text: str) -> list[Comparison]:
    """Raises UnfitFilterError."""
    if len(text) > MAX_FILTER:
        raise UnfitFilterError(f"A filter may have at most {MAX_FILTER:,} characters.")
    reader = _Reader(text)
    found: list[Comparison] = []
    while not reader.is_done:
        if found and not reader.take(_AND):
            raise reader.stop("AND, or nothing: comparisons are joined by AND alone")
        found.append(_comparison(reader))
        if len(found) > MAX_COMPARISONS:
            raise UnfitFilterError(f"A filter may have at most {MAX_COMPARISONS} comparisons.")
    return found


def parse_orders(texts: Sequence[str]) -> list[Order]:
    """Raises UnfitFilterError."""
    return [_order(text) for text in texts]


def like_as_regex(pattern: str) -> str:
    """As both databases read it: `%` stands for any text, `_` for one character."""
    return "(?s)^" + "".join(".*" if each == "%" else "." if each == "_" else re.escape(each) for each in pattern) + "$"


def compares(text: str | None, asked: Comparison) -> bool:
    """Whether a text, or None where there is none, compares so."""
    if asked.operator in _NULL_OPERATORS:
        return (text is None) == (asked.operator == "IS NULL")
    if text is None:
        return False
    match asked.operator, asked.value:
        case "=", wanted:
            return bool(text == wanted)
        case "!=", wanted:
            return bool(text != wanted)
        case ("LIKE" | "ILIKE") as operator, str(pattern):
            flags = re.IGNORECASE if operator == "ILIKE" else 0
            return re.match(like_as_regex(pattern), text, flags) is not None
        case "IN", tuple(values):
            return text in values
        case "NOT IN", tuple(values):
            return text not in values
    return False


def _comparison(reader: _Reader) -> Comparison:
    entity, key = _key(reader)
    found = reader.take(_OPERATOR)
    if not found:
        raise reader.stop("an operator, as in metrics.loss < 0.5")
    operator = _SPACE.sub(" ", found[1].upper())
    if operator not in _ALLOWED[entity]:
        can_be = ", ".join(sorted(_ALLOWED[entity]))
        raise UnfitFilterError(f"A comparison of the {entity} “{key}” can't be {operator}. It can be {can_be}.")
    if operator in _NULL_OPERATORS:
        return Comparison(entity, key, operator)
    if operator in {"IN", "NOT IN"}:
        return Comparison(entity, key, operator, tuple(_list(reader)))
    return Comparison(entity, key, operator, _value(reader, entity, key))


def _key(reader: _Reader) -> tuple[Entity, str]:
    found = reader.take(_KEY)
    if not found:
        raise reader.stop("what is compared, as in metrics.loss, params.lr, tags.stage or attributes.status")
    prefix, plain = found[1], found[4]
    quoted = found[2] if found[2] is not None else found[3]
    if prefix is not None and prefix.lower() in _ENTITIES:
        return _ENTITIES[prefix.lower()], plain if plain is not None else quoted
    if prefix is not None:
        kinds = "attributes, metrics, params and tags"
        raise UnfitFilterError(f"There is nothing called “{prefix}” to search by; there are {kinds}.")
    return "attribute", plain if plain is not None else quoted


def _value(reader: _Reader, entity: Entity, key: str) -> str | float:
    if entity == "metric":
        if number := reader.take(_NUMBER):
            return float(number[0])
        raise reader.stop(f"a number, to compare the metric “{key}” with")
    if text := reader.take(_TEXT):
        return _plain(text)
    if entity == "attribute" and (number := reader.take(_NUMBER)):
        return float(number[0])
    raise reader.stop(f"a text in quotes, to compare “{key}” with")


def _list(reader: _Reader) -> Iterator[str]:
    if not reader.take(re.compile(r"\(")):
        raise reader.stop("a list, as in ('a', 'b')")
    while True:
        text = reader.take(_TEXT)
        if not text:
            raise reader.stop("a text in quotes")
        yield _plain(text)
        if reader.take(re.compile(r"\)")):
            return
        if not reader.take(re.compile(",")):
            raise reader.stop("a comma, or the list's closing parenthesis")


def _plain(text: re.Match[str]) -> str:
    return text[1].replace("''", "'") if text[1] is not None else text[2].replace('""', '"')


def _order(text: str) -> Order:
    reader = _Reader(text[:MAX_FILTER])
    entity, key = _key(reader)
    found = reader.take(_DIRECTION)
    if not reader.is_done:
        raise reader.stop("ASC, DESC or nothing more")
    return Order(entity, key, descending=found is not None and found[1].upper() == "DESC")

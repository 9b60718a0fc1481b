"""Conditions on the rows of a table, as in `(table["age"] > 30) & (table["city"] == "Oslo")`.

They are kept as clauses that must all hold, each of conditions of which one must: what the studio's filters say.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from studio_sdk.exceptions import UserErrorException

_MOST_CLAUSES = 100

Clause = tuple[dict[str, Any], ...]


class RowCondition:
    """What `&` and `|` combine and `TabularDataset.filter` takes."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self.clauses = list(clauses)
        if len(self.clauses) > _MOST_CLAUSES:
            raise UserErrorException("This condition is too entangled: filter several times instead.")

    def __and__(self, other: RowCondition) -> RowCondition:
        return RowCondition([*self.clauses, *_condition(other).clauses])

    def __or__(self, other: RowCondition) -> RowCondition:
        right = _condition(other).clauses
        return RowCondition([(*ours, *theirs) for ours in self.clauses for theirs in right])

    def __invert__(self) -> RowCondition:
        raise UserErrorException("A condition can't be negated: say the opposite one, as in != for ==.")

    def __bool__(self) -> bool:
        raise UserErrorException("Combine conditions by & and |, each in brackets, and not by “and” and “or”.")

    def transformations(self) -> list[dict[str, Any]]:
        return [{"kind": "filter", "conditions": list(clause), "match": "any"} for clause in self.clauses]


class ColumnExpression:
    """A column of a table, to be compared: `table["age"]`."""

    __hash__ = None  # type: ignore[assignment] # equality is a condition

    def __init__(self, column: str) -> None:
        self.column = column

    def __eq__(self, other: object) -> RowCondition:  # type: ignore[override]
        return self.is_null() if other is None else self._compared("=", other)

    def __ne__(self, other: object) -> RowCondition:  # type: ignore[override]
        return self.is_not_null() if other is None else self._compared("!=", other)

    def __lt__(self, other: object) -> RowCondition:
        return self._compared("<", other)

    def __le__(self, other: object) -> RowCondition:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> RowCondition:
        return self._compared(">", other)

    def __ge__(self, other: object) -> RowCondition:
        return self._compared(">=", other)

    def contains(self, text: str) -> RowCondition:
        return self._compared("contains", text)

    def starts_with(self, text: str) -> RowCondition:
        return self._compared("starts_with", text)

    def isin(self, values: Iterable[Any]) -> RowCondition:
        said = {"column": self.column, "operator": "in", "values": [as_text(value) for value in values]}
        return RowCondition([(said,)])

    def is_null(self) -> RowCondition:
        return RowCondition([({"column": self.column, "operator": "is_missing"},)])

    def is_not_null(self) -> RowCondition:
        return RowCondition([({"column": self.column, "operator": "is_present"},)])

    def _compared(self, operator: str, value: object) -> RowCondition:
        return RowCondition([({"column": self.column, "operator": operator, "value": as_text(value)},)])


def as_text(value: object) -> str:
    """As a filter has it. Raises UserErrorException."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (str, int, float)):
        return str(value)
    item = getattr(value, "item", None)  # of NumPy
    if callable(item):
        return as_text(item())
    raise UserErrorException(f"A column can't be compared with a {type(value).__name__}: give a text, number or date.")


def _condition(value: object) -> RowCondition:
    if not isinstance(value, RowCondition):
        raise UserErrorException('Give a condition, as in table["age"] > 30; put brackets around each side of & and |.')
    return value

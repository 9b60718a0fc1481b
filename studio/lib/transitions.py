"""Guarded status changes: `UPDATE … WHERE status IN (allowed)`, and the count says who won."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model, QuerySet

from studio.lib.statements import update_each, update_where

Transitions = Mapping[str, frozenset[str]]


def sources_of(transitions: Transitions, to: str) -> list[str]:
    """The statuses from which `to` can be reached in one step."""
    return [status for status, targets in transitions.items() if to in targets]


def transition(
    rows: QuerySet[Model], transitions: Transitions, *, to: str, field: str = "status", **changes: Any
) -> int:
    """Move every row of `rows` that may move to `to`, with `changes`, in one UPDATE.

    Returns the number of rows moved. Fewer than asked for means that somebody else won: the caller says so.
    """
    allowed = sources_of(transitions, to)
    return rows.filter(**{f"{field}__in": allowed}).update(**{field: to}, **changes)


def transition_row(
    model: type[Model], pk: int, transitions: Transitions, *, to: str, field: str = "status", **changes: Any
) -> bool:
    """`transition` for one row by its key, with plain values: the quick way for what every step does several times."""
    return bool(update_where(model, {field: to, **changes}, {"id": pk, field: sources_of(transitions, to)}))


def transition_each(
    model: type[Model],
    moves: Sequence[tuple[int, Mapping[str, Any]]],
    transitions: Transitions,
    *,
    to: str,
    field: str = "status",
) -> int:
    """`transition_row` for many rows by their keys, each with changes of its own (the same fields in all of them).

    Returns the number of rows moved. Fewer than asked for means that somebody else won: the caller says so.
    """
    allowed = sources_of(transitions, to)
    return update_each(model, [({field: to, **changes}, {"id": pk, field: allowed}) for pk, changes in moves])

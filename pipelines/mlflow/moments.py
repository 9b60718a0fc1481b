"""Times, as MLflow's clients write them: milliseconds since 1970."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from pipelines.mlflow.failures import unfit
from pipelines.mlflow.filters import Comparison

M = TypeVar("M", bound=Model)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_000  # the end of the year 9999


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_of(value: int | None, name: str) -> datetime | None:
    """None for 0, which means that nothing was said. Raises MlflowError."""
    if not value:
        return None
    if not 0 < value <= _LAST_MS:
        raise unfit(f"{name} must be a time in milliseconds since 1970.")
    return _EPOCH + timedelta(milliseconds=value)


def moment_lookup(rows: QuerySet[M], column: str, asked: Comparison) -> QuerySet[M]:
    """Those whose time in a column compares so. Raises MlflowError."""
    return rows.filter(moment_condition(column, asked))


def moment_condition(column: str, asked: Comparison) -> Q:
    value = asked.value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = float(value)
    if not isinstance(value, float) or not math.isfinite(value) or abs(value) > _LAST_MS:
        raise unfit(f"Compare {asked.key} with a number of milliseconds since 1970.")
    at = _EPOCH + timedelta(milliseconds=math.floor(value))
    end = at + timedelta(milliseconds=1)  # times here are finer than milliseconds
    there: dict[str, Any] = {f"{column}__isnull": False}
    within = Q(**{f"{column}__gte": at, f"{column}__lt": end})
    match asked.operator:
        case "=":
            return within
        case "!=":
            return Q(**there) & ~within
        case "<":
            return Q(**{f"{column}__lt": at})
        case "<=":
            return Q(**{f"{column}__lt": end})
        case ">":
            return Q(**{f"{column}__gte": end})
        case ">=":
            return Q(**{f"{column}__gte": at})
    raise unfit(f"{asked.key} can't be compared by {asked.operator}.")

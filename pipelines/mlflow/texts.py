"""A column that is a text, compared as a filter says."""

from django.db.models import Q

from pipelines.mlflow.failures import unfit
from pipelines.mlflow.filters import Comparison, like_as_regex


def text_condition(column: str, asked: Comparison) -> Q:
    """Raises MlflowError."""
    match asked.operator, asked.value:
        case "=", str(value):
            return Q(**{column: value})
        case "!=", str(value):
            return ~Q(**{column: value})
        case "LIKE", str(value):
            return Q(**{f"{column}__regex": like_as_regex(value)})
        case "ILIKE", str(value):
            return Q(**{f"{column}__iregex": like_as_regex(value)})
        case "IN", tuple(values):
            return Q(**{f"{column}__in": values})
        case "NOT IN", tuple(values):
            return ~Q(**{f"{column}__in": values})
    raise unfit(f"“{asked.key[:80]}” is a text, and can't be compared by {asked.operator} with that.")

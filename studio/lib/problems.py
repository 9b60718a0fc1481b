"""A user's mistakes, as data: where, and a sentence that says what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `loc` is the path to the field, as in `("steps", 2, "inputs", "images")`; empty means the whole."""

    loc: tuple[str | int, ...]
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"loc": list(self.loc), "message": self.message}


class UserError(Exception):
    """The user can mend it. Becomes a 400 with `problems` in the API and messages at the fields of a form."""

    status_code: int = status.HTTP_400_BAD_REQUEST

    def __init__(self, problems: Sequence[Problem] | str, *, loc: tuple[str | int, ...] = ()) -> None:
        self.problems = [Problem(loc, problems)] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class ConflictError(UserError):
    """Somebody else changed it first. Becomes a 409."""

    status_code = status.HTTP_409_CONFLICT

    def __init__(self, message: str, **current: Any) -> None:
        super().__init__(message)
        self.current = current


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler, and ours for `UserError`: `{"detail", "problems": [{"loc", "message"}], …}`."""
    if isinstance(error, ValidationError):  # a serializer's own findings, in the same shape
        error = UserError(list(_flattened(error.detail, ())))
    if isinstance(error, UserError):
        body: dict[str, Any] = {"detail": str(error), "problems": [problem.as_json() for problem in error.problems]}
        if isinstance(error, ConflictError):
            body["current"] = error.current
        return Response(body, status=error.status_code)
    return drf_exception_handler(error, context)


def _flattened(detail: Any, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    """A problem for each sentence in the nested lists and objects of a serializer's errors."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flattened(inner, loc if name == "non_field_errors" else (*loc, name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _flattened(inner, loc if isinstance(inner, str) else (*loc, index))
    else:
        yield Problem(loc, str(detail))

"""What the API answers when something is wrong. Not beside `problems`: workers know those, and no REST framework."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from studio.lib.database_away import RETRY_S
from studio.lib.problems import ConflictError, Problem, UserError
from studio.lib.unreadable import UnreadableDocumentError

logger = logging.getLogger(__name__)


PROBLEM_JSON = "application/problem+json"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Problem details, RFC 9457, for whatever is wrong: `type`, `title`, `status` and `detail`, a sentence.

    Where fields are wrong, `problems` has a row for each: `loc`, `pointer` (the same as a JSON pointer) and `message`.
    """
    answer = _answer(error, context)
    if answer is None:
        return None
    said = answer.data if isinstance(answer.data, dict) else {"detail": "; ".join(map(str, answer.data))}
    title = HTTPStatus(answer.status_code).phrase
    answer.data = {"type": "about:blank", "title": title, "status": answer.status_code, **said}
    answer.content_type = PROBLEM_JSON
    return answer


def _answer(error: Exception, context: dict[str, Any]) -> Response | None:
    if isinstance(error, ValidationError):  # a serializer's own findings, in the same shape
        error = UserError(list(_flattened(error.detail, ())))
    if isinstance(error, UserError):
        body: dict[str, Any] = {"detail": str(error), "problems": [_row(problem) for problem in error.problems]}
        if isinstance(error, ConflictError):
            body["current"] = error.current
        return Response(body, status=error.status_code)
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.error("the API was asked while the database was busy or away", exc_info=error)
        body = {"detail": "The database does not answer now. Try again in a moment; /healthz says more."}
        return Response(body, status=503, headers={"Retry-After": str(RETRY_S)})
    if isinstance(error, UnreadableDocumentError):
        logger.error("the API was asked for what can't be read: %s", error)
        return Response({"detail": str(error)}, status=HTTPStatus.CONFLICT)
    if isinstance(error, SuspiciousOperation):  # Django would answer it with a page
        is_large = isinstance(error, RequestDataTooBig)
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_large else HTTPStatus.BAD_REQUEST
        return Response({"detail": _refusal_of(error)}, status=status)
    return drf_exception_handler(error, context)


def _refusal_of(error: SuspiciousOperation) -> str:
    match error:
        case RequestDataTooBig():
            return "This request is too large. Send less at once, or files as an upload."
        case TooManyFieldsSent():
            return (
                f"A form may have {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} fields. Send it as JSON, or fewer at once."
            )
        case TooManyFilesSent():
            return f"A form may have {settings.DATA_UPLOAD_MAX_NUMBER_FILES:,} files. Send fewer at once."
    return "This request can't be read: something in it does not look as it should."


def _row(problem: Problem) -> dict[str, Any]:
    return {**problem.as_json(), "pointer": problem.pointer}


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

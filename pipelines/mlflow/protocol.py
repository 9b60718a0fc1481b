"""One endpoint as it is declared, and the view that serves all of them: parse, authorise, call, answer."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from pydantic import BaseModel, ConfigDict, ValidationError
from rest_framework.exceptions import APIException, AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pipelines.mlflow.caller import AUTHENTICATION, Caller, caller_of
from pipelines.mlflow.failures import MlflowError, unfit
from pipelines.texts import unfit_text
from studio.lib.json_bodies import ReadableJSON
from studio.lib.problems import ConflictError, UserError
from studio.lib.unreadable import UnreadableDocumentError
from studio.workspaces.permissions import Permission

logger = logging.getLogger(__name__)
MAX_BODY_BYTES = 1_000_000  # of one request but an upload: https://mlflow.org/docs/latest/rest-api.html#request-limits


class Asked(BaseModel):
    """What a request holds. As in the protocol, what a newer client says beside it is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Nothing(Asked):
    """A request that says nothing."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer(caller, asked)` gives the JSON of the answer. `permission` is what a person needs in the workspace."""

    asked: type[Asked]
    answer: Callable[[Caller, Any], Mapping[str, Any]]
    permission: Permission = Permission.RUN


class ProtocolView(APIView):
    """Base of the views: authentication by token alone, and failures in MLflow's words."""

    schema = None  # described at mlflow.org
    authentication_classes = AUTHENTICATION
    parser_classes = (ReadableJSON,)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return answer_to_failure

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        raise MlflowError("ENDPOINT_NOT_FOUND", f"There is no {request.method} here in this interface.")


class EndpointView(ProtocolView):
    """The endpoints of one address, by method."""

    endpoints: Mapping[str, Endpoint] = {}

    def get(self, request: Request, slug: str | None = None, **named: str) -> Response:
        return self._answer(request, slug, named)

    def post(self, request: Request, slug: str | None = None, **named: str) -> Response:
        return self._answer(request, slug, named)

    def patch(self, request: Request, slug: str | None = None, **named: str) -> Response:
        return self._answer(request, slug, named)

    def delete(self, request: Request, slug: str | None = None, **named: str) -> Response:
        return self._answer(request, slug, named)

    def _answer(self, request: Request, slug: str | None, named: Mapping[str, str]) -> Response:
        endpoint = self.endpoints.get(request.method or "")
        if endpoint is None:
            self.http_method_not_allowed(request)
            raise AssertionError
        caller = caller_of(request, slug)
        caller.access.require(endpoint.permission)
        return Response(endpoint.answer(caller, _read(request, endpoint.asked, named)))


class NoEndpointView(ProtocolView):
    """What of the protocol is not served."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.unserved = request.path
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise MlflowError(
            "ENDPOINT_NOT_FOUND",
            f"The studio does not serve {request.method} {self.unserved[:200]} of MLflow's interface.",
        )


def answer_to_failure(error: Exception, context: dict[str, Any]) -> Response | None:  # noqa: ARG001 (given by the framework)
    """None for what is our fault: Django reports that, and answers 500."""
    failure = _failure(error)
    if failure is None:
        return None
    body = {"error_code": failure.code, "message": failure.message}
    headers = {"WWW-Authenticate": "Bearer"} if failure.code == "UNAUTHENTICATED" else {}
    if failure.code == "TEMPORARILY_UNAVAILABLE":
        logger.error("the tracking interface was asked while the database was busy or away", exc_info=error)
        headers["Retry-After"] = "5"
    return Response(body, status=int(failure.status), headers=headers)


def _failure(error: Exception) -> MlflowError | None:
    match error:
        case MlflowError():
            return error
        case NotAuthenticated() | AuthenticationFailed():
            return MlflowError("UNAUTHENTICATED", f"{error.detail} Set MLFLOW_TRACKING_TOKEN to a token of the studio.")
        case PermissionDenied():
            return MlflowError("PERMISSION_DENIED", str(error))
        case Http404():
            return MlflowError("RESOURCE_DOES_NOT_EXIST", str(error))
        case ConflictError():
            return MlflowError("INVALID_STATE", str(error))
        case UserError():
            return unfit(" ".join(problem.message for problem in error.problems))
        case APIException():
            return MlflowError("BAD_REQUEST", str(error.detail))
        case UnreadableDocumentError():
            return MlflowError("INVALID_STATE", str(error))
        case OperationalError() | InterfaceError():
            return MlflowError("TEMPORARILY_UNAVAILABLE", "The database does not answer now. Try again in a moment.")
    return None


def _read(request: Request, asked: type[Asked], named: Mapping[str, str]) -> Asked:
    size_bytes = request.META.get("CONTENT_LENGTH") or "0"
    if size_bytes.isdecimal() and int(size_bytes) > MAX_BODY_BYTES:
        raise unfit(f"A request may have at most {MAX_BODY_BYTES:,} bytes. Send it in several.")
    data: dict[str, Any] = {}
    if request.method == "GET" or (request.method == "DELETE" and not int(size_bytes or 0)):
        for name in request.query_params:
            field = asked.model_fields.get(name)
            is_list = field is not None and get_origin(field.annotation) is list
            values = request.query_params.getlist(name)
            data[name] = values if is_list else values[-1]
    elif int(size_bytes or 0) or request.headers.get("Transfer-Encoding"):
        given = request.data
        if not isinstance(given, dict):
            raise unfit("The body of the request must be a JSON object.")
        data |= given
    data |= named
    if next(unfit_text(data, ()), None) is not None:
        raise unfit("There is a character in this request that can't be kept (NUL, or half of one). Remove it.")
    data = {name: value for name, value in data.items() if value is not None}
    try:
        return asked.model_validate(data)
    except ValidationError as error:
        raise unfit(" ".join(_sentence(each) for each in error.errors()[:5])) from error


def _sentence(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"Missing value for required parameter '{where}'."
    if problem["type"] == "value_error":
        return f"Parameter '{where}': {problem['ctx']['error']}"
    return f"Parameter '{where}' is not what it should be: {problem['msg']}."

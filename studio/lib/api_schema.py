"""What the API's description says of every call, whatever it is about: how it answers when something is wrong."""

from http import HTTPStatus
from typing import Any

from studio.lib.api_errors import PROBLEM_JSON

PROBLEM = "ProblemDetails"
_ANY = (400, 401, 403, 404, 409, 413, 429, 503)
_WITH_BODY = (415,)
_METHODS = ("get", "post", "put", "patch", "delete", "head")
_SHAPE: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `problems` names the fields that are wrong; `current` what there is instead (409).",
    "properties": {
        "type": {"type": "string", "example": "about:blank"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string", "example": "There is no compute target “gpus”. Did you mean “gpu”?"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {}, "example": ["definition", "steps", 0, "compute"]},
                    "pointer": {"type": "string", "example": "#/definition/steps/0/compute"},
                    "message": {"type": "string"},
                },
                "required": ["loc", "pointer", "message"],
            },
        },
        "current": {"type": "object", "additionalProperties": {}},
    },
    "required": ["type", "title", "status", "detail"],
}


def tell_what_may_go_wrong(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: ARG001 (drf-spectacular's)
    """A hook after generation: problem details for every call, where it says nothing of its own about a status."""
    result.setdefault("components", {}).setdefault("schemas", {})[PROBLEM] = _SHAPE
    content = {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    for operations in result["paths"].values():
        for method in _METHODS:
            if (operation := operations.get(method)) is None:
                continue
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            statuses = [*_ANY, *(_WITH_BODY if "requestBody" in operation else ())]
            statuses += [412] if names & {"If-Match", "Tus-Resumable"} else []
            for status in statuses:
                answer = {"description": HTTPStatus(status).phrase, "content": content}
                described = operation["responses"].setdefault(str(status), answer)
                described.setdefault("content", {}).setdefault(PROBLEM_JSON, content[PROBLEM_JSON])
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return result

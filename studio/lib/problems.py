"""A user's mistakes, as data: where, and a sentence that says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `loc` is the path to the field, as in `("steps", 2, "inputs", "images")`; empty means the whole."""

    loc: tuple[str | int, ...]
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"loc": list(self.loc), "message": self.message}

    @property
    def pointer(self) -> str:
        """`loc` as a JSON pointer in a URI fragment, RFC 6901: `#/steps/2/name`."""
        parts = (str(part).replace("~", "~0").replace("/", "~1") for part in self.loc)
        return "#" + "".join(f"/{quote(part, safe='~')}" for part in parts)


class UserError(Exception):
    """The user can mend it. Becomes a 400 with `problems` in the API and messages at the fields of a form."""

    status_code: int = HTTPStatus.BAD_REQUEST

    def __init__(self, problems: Sequence[Problem] | str, *, loc: tuple[str | int, ...] = ()) -> None:
        self.problems = [Problem(loc, problems)] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class ConflictError(UserError):
    """Somebody else changed it first. Becomes a 409."""

    status_code = HTTPStatus.CONFLICT

    def __init__(self, message: str, **current: Any) -> None:
        super().__init__(message)
        self.current = current

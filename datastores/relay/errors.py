"""Errors as they cross the relay: those that have a sentence for people keep it, and what they mean."""

from typing import Any

from datastores.backends.interface import ChangedMeanwhile, DiskFull, NoSuchPath, Unreachable
from studio.lib.problems import Problem, UserError

_KINDS: dict[str, type[UserError]] = {
    kind.__name__: kind for kind in (UserError, NoSuchPath, DiskFull, Unreachable, ChangedMeanwhile)
}


def said_of(error: UserError) -> dict[str, Any]:
    name = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS), UserError.__name__)
    return {"error": name, "problems": [[list(problem.loc), problem.message] for problem in error.problems]}


def raise_said(said: dict[str, Any]) -> None:
    """Raise what the other side said, if it was an error."""
    if "error" in said:
        kind = _KINDS.get(said["error"], UserError)
        raise kind([Problem(tuple(loc), message) for loc, message in said["problems"]])


def unanswered(why: str) -> Unreachable:
    return Unreachable(f"The studio's own folders can't be reached from this node: {why}")

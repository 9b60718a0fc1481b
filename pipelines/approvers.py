"""Who can answer an approval. Pure.

While one waits its row says who is asked: `role:contributor` for everybody with this role or a higher one, or
`person:ana` for one member alone.
"""

from collections.abc import Sequence

from studio.workspaces.models import Role

RISING: Sequence[Role] = (Role.READER, Role.CONTRIBUTOR, Role.OWNER)


def asked(role: str, person: str) -> str:
    return f"person:{person}" if person else f"role:{role}"


def in_words(asks: str) -> str:
    """As in `an owner`."""
    kind, _, name = asks.partition(":")
    if kind == "person":
        return name
    return {
        Role.READER: "any member",
        Role.CONTRIBUTOR: "a contributor or an owner",
        Role.OWNER: "an owner",
    }.get(Role(name), name)


def all_that_ask(role: Role, username: str) -> list[str]:
    """What is said of an approval that this member can answer."""
    return [f"person:{username}", *(f"role:{each}" for each in RISING[: RISING.index(role) + 1])]


def why_not(asks: str, *, asks_others: bool, role: Role, username: str, is_submitter: bool) -> str | None:
    """A sentence for a member who can't answer; None for one who can."""
    if asks not in all_that_ask(role, username):
        return f"Only {in_words(asks)} can answer this. Ask them."
    if asks_others and is_submitter:
        return "You submitted this run, and somebody else has to answer. Ask them."
    return None

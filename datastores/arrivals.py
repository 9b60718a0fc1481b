"""Rooms above hear of files that somebody brings to this machine: before they are kept, and once they are there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datastores.backends import DiskFull
from studio.workspaces.models import User


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file, and the place of this machine that it is brought to."""

    place: Path
    size_bytes: int
    is_shared: bool = False  # it lies there once, however many bring it: the first one did


class NoRoom(DiskFull):
    """What somebody may keep is used up. Becomes a 507, as a full disk does."""


# Of a workspace and whoever brings them: of each file why it can't be kept, empty where it can be.
Guard = Callable[[int, User | None, Sequence[Arrival]], list[str]]
Listener = Callable[[int, User | None, Sequence[Arrival]], None]
_guards: list[Guard] = []
_listeners: list[Listener] = []


def listen(listener: Listener, *, guard: Guard) -> None:
    """Ask `guard` before files are kept; one that it refuses takes no room from those after it. Tell `listener` after.

    `listener` may hear of a file twice, and of one that was there before.
    """
    if listener not in _listeners:
        _guards.append(guard)
        _listeners.append(listener)


def refusals(workspace_id: int, person: User | None, arrivals: Sequence[Arrival]) -> list[NoRoom | None]:
    """Of each file, what `NoRoom` its upload is to be answered with; None: it may be kept."""
    said = [""] * len(arrivals)
    for guard in _guards if arrivals else ():
        said = [before or now for before, now in zip(said, guard(workspace_id, person, arrivals), strict=True)]
    return [NoRoom(sentence, loc=("path",)) if sentence else None for sentence in said]


def require_room(workspace_id: int, person: User | None, arrivals: Sequence[Arrival], *, loc: str) -> None:
    """Raise NoRoom at `loc` unless all of them may be kept."""
    refused = next(filter(None, refusals(workspace_id, person, arrivals)), None)
    if refused is not None:
        raise NoRoom(str(refused), loc=(loc,))


def tell(workspace_id: int, person: User | None, arrivals: Sequence[Arrival]) -> None:
    for listener in _listeners if arrivals else ():
        listener(workspace_id, person, arrivals)

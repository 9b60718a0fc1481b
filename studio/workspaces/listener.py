"""Rooms above hear of a new workspace, inside the transaction that makes it: each gives it what it starts with."""

from collections.abc import Callable

from studio.workspaces.models import User, Workspace

Listener = Callable[[Workspace, User | None], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with every new workspace and who made it. An exception undoes the workspace."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(workspace: Workspace, creator: User | None) -> None:
    for listener in _listeners:
        listener(workspace, creator)

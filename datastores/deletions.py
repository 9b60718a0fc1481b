"""Rooms above hear of data that somebody deleted, right after it is gone."""

from collections.abc import Callable

from datastores.models import Datastore

Listener = Callable[[Datastore, str], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with the datastore and the path of whatever was deleted."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(datastore: Datastore, path: str) -> None:
    for listener in _listeners:
        listener(datastore, path)

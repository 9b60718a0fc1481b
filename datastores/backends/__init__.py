"""Datastores as places for files: `get_backend(datastore)` is the way in."""

from datastores.backends.interface import Backend, DiskFull, Entry, Listing, NoSuchPath
from datastores.backends.registry import backend_class, backend_classes
from datastores.models import Datastore

__all__ = [
    "Backend",
    "DiskFull",
    "Entry",
    "Listing",
    "NoSuchPath",
    "backend_class",
    "backend_classes",
    "get_backend",
]


def get_backend(datastore: Datastore) -> Backend:
    """The files of `datastore`. Raises UserError where its place is no longer allowed."""
    backend = backend_class(datastore.kind)
    return backend.open(backend.Config.model_validate(datastore.config))

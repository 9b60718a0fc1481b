"""Datastores as places for files and tables: `get_backend(datastore)` and `get_database(datastore)` are the ways in."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from datastores.backends.database import Database, Table, TableListing
from datastores.backends.interface import (
    Backend,
    ChangedMeanwhile,
    Credentials,
    DiskFull,
    Entry,
    Listing,
    NoSuchPath,
    Store,
    Unreachable,
)
from datastores.backends.registry import store_class, store_classes
from datastores.models import Datastore
from studio.lib.problems import UserError

__all__ = [
    "Backend",
    "ChangedMeanwhile",
    "Credentials",
    "Database",
    "DiskFull",
    "Entry",
    "Listing",
    "NoSuchPath",
    "Store",
    "Table",
    "TableListing",
    "Unreachable",
    "get_backend",
    "get_database",
    "get_store",
    "open_store",
    "store_class",
    "store_classes",
]


def open_store(kind: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Store:
    """A store from plain values, without the database. Raises UserError where its place is no longer allowed."""
    store = store_class(kind)
    settled = store.Config.model_validate(dict(config))
    if settings.FOLDERS_GATEWAY and (from_afar := store.from_afar(settled)) is not None:
        return from_afar
    return store.open(settled, store.Secrets.model_validate(dict(secrets)))


def get_store(datastore: Datastore) -> Store:
    """Whatever is behind `datastore`. Raises UserError as `open_store`, and where its credentials can't be opened."""
    return open_store(datastore.kind, datastore.config, datastore.credentials.open() if datastore.credentials else {})


def get_backend(datastore: Datastore) -> Backend:
    """The files of `datastore`. Raises UserError as `get_store`, and where it holds tables."""
    store = get_store(datastore)
    if not isinstance(store, Backend):
        raise UserError(f"{datastore.name} is a database: it holds tables, not files.", loc=("datastore_id",))
    return store


def get_database(datastore: Datastore) -> Database:
    """The tables of `datastore`. Raises UserError as `get_store`, and where it holds files."""
    store = get_store(datastore)
    if not isinstance(store, Database):
        raise UserError(f"{datastore.name} holds files, not tables. Choose a SQL datastore.", loc=("datastore_id",))
    return store

"""A database of PostgreSQL."""

from __future__ import annotations

from studio_sdk.core.datastore import Datastore

__all__ = ["AzurePostgreSqlDatastore"]


class AzurePostgreSqlDatastore(Datastore):
    """Tables of PostgreSQL, in Azure or not."""

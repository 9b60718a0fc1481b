"""A database of MySQL or MariaDB."""

from __future__ import annotations

from studio_sdk.core.datastore import Datastore

__all__ = ["AzureMySqlDatastore"]


class AzureMySqlDatastore(Datastore):
    """Tables of MySQL or MariaDB, in Azure or not."""

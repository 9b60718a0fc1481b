"""What each process of the studio agrees on with the database's server."""

from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import pre_migrate


def watch_connections() -> None:
    """Called once, as the process starts."""
    connection_created.connect(_let_nobody_hold_rows, dispatch_uid="installation.idle_transactions")
    pre_migrate.connect(_let_migrations_think, dispatch_uid="installation.idle_transactions")


def _let_nobody_hold_rows(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """A process that freezes, or whose machine is gone, within a transaction keeps its rows locked.

    The server can't tell it from one that thinks, so it ends a transaction that was silent for longer than any of
    ours ever is. Whoever wakes up later finds its transaction undone.
    https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT
    """
    _set_longest_silence(connection, settings.TRANSACTION_SILENCE_S)


def _let_migrations_think(using: str, **_: Any) -> None:
    """A migration may compute for long between two queries, and its work would have to begin again."""
    _set_longest_silence(connections[using], 0)


def _set_longest_silence(connection: BaseDatabaseWrapper, seconds: float) -> None:
    if connection.vendor != "postgresql":
        return  # a file's lock goes with the process, and no server could take it from one that is frozen
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {round(seconds * 1000)}")

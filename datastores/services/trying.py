"""Try a connection, before a datastore is registered or after: what is wrong, in words, within 10 seconds."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from datastores.backends import Backend, Database, Store, Unreachable, open_store, store_class
from datastores.models import Datastore
from datastores.services.settling import Settled, changed, settled
from studio.lib.problems import UserError
from studio.workspaces.audit import record
from studio.workspaces.models import User, Workspace

DEADLINE_S = 10.0
SHOWN = 5
# A connection that hangs keeps its thread until its own time-out: many of them must not take the server.
_free = threading.BoundedSemaphore(8)


@dataclass(frozen=True, slots=True)
class Tried:
    """A connection that works: where it leads, and the first names that lie there."""

    location: str
    can_write: bool
    names: list[str] = field(default_factory=list)
    has_more: bool = False
    took_s: float = 0.0

    @property
    def message(self) -> str:
        """For people: what was found."""
        if not self.took_s:
            return f"{self.location}: nothing to connect to."
        found = ", ".join(self.names) + (", …" if self.has_more else "")
        may = "It can be read and written." if self.can_write else "It can be read."
        return f"Connected to {self.location} in {self.took_s:.1f} s. {may} " + (
            f"It holds {found}." if found else "It is empty."
        )


def try_connection(
    workspace: Workspace, *, kind: str, config: Mapping[str, Any], credentials: Mapping[str, Any], actor: User | None
) -> Tried:
    """Connect as a datastore with these words would. Nothing of them is kept.

    Raises UserError at the field that is to blame, as `register_datastore` does.
    """
    store = store_class(kind)
    given = settled(store, config, credentials, workspace_id=None, name="")
    if kind == "local" and not given.config.model_dump().get("path"):
        return Tried("A folder of its own, below the studio's data", can_write=True)
    given = settled(store, config, credentials, workspace_id=workspace.pk, name="")
    return _tried(workspace, kind, given, actor)


def try_datastore(
    datastore: Datastore,
    *,
    config: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    actor: User | None,
) -> Tried:
    """Connect to a registered datastore, with changes that are not kept. Raises UserError as `change_datastore`."""
    return _tried(
        datastore.workspace, datastore.kind, changed(datastore, config or {}, credentials or {}).settled, actor
    )


def _tried(workspace: Workspace, kind: str, given: Settled, actor: User | None) -> Tried:
    started = time.monotonic()
    store = open_store(kind, given.config.model_dump(mode="json"), given.credentials.plain())
    record(workspace, actor, "datastore.test", store.location)
    names, has_more = _within(DEADLINE_S, lambda: _look(store))
    return Tried(store.location, store.is_writable, names, has_more, time.monotonic() - started)


def _look(store: Store) -> tuple[list[str], bool]:
    try:
        store.test()
        if isinstance(store, Backend):
            listing = store.list(limit=SHOWN)
            return [entry.label for entry in listing.entries], listing.after is not None
        tables = cast("Database", store).tables(limit=SHOWN)
        return [table.name for table in tables.tables], tables.after is not None
    finally:
        store.close()


def _within(deadline_s: float, work: Callable[[], tuple[list[str], bool]]) -> tuple[list[str], bool]:
    if not _free.acquire(blocking=False):
        raise UserError("Several connections are being tested at the moment. Try again in a few seconds.")
    done: Future[tuple[list[str], bool]] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 (goes on in the thread that waits)
            done.set_exception(error)
        finally:
            _free.release()

    threading.Thread(target=run, name="connection test", daemon=True).start()
    try:
        return done.result(deadline_s)
    except TimeoutError:
        if done.done():
            raise  # its own
        raise Unreachable(
            f"There was no answer within {deadline_s:.0f} seconds. Check the address and the port, and whether a "
            "firewall stands between."
        ) from None

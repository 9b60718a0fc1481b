"""The stores that a table is read from, as plain values: they go to the process that reads, and are opened there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from datastores.backends import Backend, Database, Store, open_store
from datastores.backends.registry import STORES
from datastores.models import Datastore
from datastores.sources import DataPath, Definition, datastores_of
from studio.lib.problems import UserError

# What a kind's module imports late, to be imported once for all calls.
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "s3": ("s3fs",),
    "azure_blob": ("azure.storage.blob.aio",),
    "sftp": ("asyncssh",),
    "http": ("aiohttp",),
    "postgresql": ("sqlalchemy", "psycopg"),
    "mysql": ("sqlalchemy", "pymysql"),
    "sqlite": ("sqlalchemy",),
}


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """How to open one store."""

    kind: str
    name: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoreSpecs:
    """The stores of one definition by their datastores' ids. Holds secrets: it is passed to `isolated` and dropped."""

    specs: Mapping[int, StoreSpec] = field(repr=False)
    has_web: bool = False

    @property
    def preload(self) -> list[str]:
        """The modules that opening them imports."""
        kinds = {spec.kind for spec in self.specs.values()} | ({"http"} if self.has_web else set())
        modules = [STORES[kind].rpartition(".")[0] for kind in sorted(kinds) if kind in STORES]
        return [*modules, *(library for kind in sorted(kinds) for library in LIBRARIES.get(kind, ()))]

    @property
    def secrets(self) -> list[str]:
        return [secret for spec in self.specs.values() for secret in spec.secrets.values()]


def specs_of(datastores: Iterable[Datastore], *, has_web: bool = False) -> StoreSpecs:
    """Raises UserError where credentials can't be opened."""
    return StoreSpecs(
        {
            datastore.pk: StoreSpec(
                datastore.kind,
                datastore.name,
                datastore.config,
                datastore.credentials.open() if datastore.credentials else {},
            )
            for datastore in datastores
        },
        has_web,
    )


def specs_for(paths: Iterable[DataPath], *, workspace_id: int) -> StoreSpecs:
    """Of the stores that `paths` lead into. Raises UserError where one was removed."""
    paths = list(paths)
    wanted = {path.datastore_id for path in paths if path.datastore_id is not None}
    return specs_of(_datastores(wanted, workspace_id), has_web=any(path.is_web for path in paths))


def specs_of_definition(definition: Definition, *, workspace_id: int) -> StoreSpecs:
    """Of the stores that `definition` reads. Raises UserError where one was removed."""
    return specs_of(_datastores(datastores_of(definition), workspace_id), has_web=True)


def _datastores(wanted: set[int], workspace_id: int) -> list[Datastore]:
    found = Datastore.objects.filter(workspace_id=workspace_id).in_bulk(wanted) if wanted else {}
    for missing in wanted - found.keys():
        removed = Datastore.everything.filter(workspace_id=workspace_id, pk=missing).first()
        name = f"“{removed.name}”" if removed else str(missing)
        raise UserError(
            f"Datastore {name} has been removed, so what lay in it can't be read. Point the dataset elsewhere."
        )
    return list(found.values())


@dataclass
class OpenStores:
    """In the process that reads: each store is opened once, when it is first asked for."""

    specs: StoreSpecs
    _open: dict[int | str, Store] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def files(self, path: DataPath) -> tuple[Backend, str]:
        """The backend that holds `path`, and the path in it. Raises UserError where the store holds tables."""
        if path.datastore_id is None:
            split = urlsplit(path.path)
            origin = f"{split.scheme}://{split.netloc}"
            if origin not in self._open:
                self._open[origin] = open_store("http", {"url": origin}, {})
            store, inner = self._open[origin], path.path.removeprefix(origin).lstrip("/")
        else:
            store, inner = self.store(path.datastore_id), path.path
        if not isinstance(store, Backend):
            raise UserError("This datastore is a database: it holds tables, not files.", loc=("paths",))
        return store, inner

    def database(self, datastore_id: int) -> Database:
        """Raises UserError where the store holds files."""
        store = self.store(datastore_id)
        if not isinstance(store, Database):
            raise UserError("This datastore holds files, not tables. Choose a SQL datastore.", loc=("datastore_id",))
        return store

    def store(self, datastore_id: int) -> Store:
        """Whatever it holds."""
        if datastore_id not in self._open:
            spec = self.specs.specs[datastore_id]
            self._open[datastore_id] = open_store(spec.kind, spec.config, spec.secrets)
        return self._open[datastore_id]

"""From a dataset's paths to the stores that hold them: each is opened once, however many paths lead into it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from datastores.backends import Backend, get_backend, open_store
from datastores.models import Datastore
from datastores.sources import DataPath
from studio.lib.problems import UserError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path of a dataset leads: `path` below the root of `backend`. A web address has no datastore."""

    backend: Backend
    path: str
    datastore: Datastore | None

    @property
    def label(self) -> str:
        """For people: the datastore's name and the path, or the web address."""
        return self.backend.address(self.path) if self.datastore is None else f"{self.datastore.name}: {self.path}"


@dataclass
class Places:
    """The stores of one workspace, opened as they are asked for. Close it, or use it as a context."""

    workspace_id: int
    _datastores: dict[int, Datastore] = field(default_factory=dict)
    _backends: dict[int | str, Backend] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, paths: Iterable[DataPath]) -> None:
        """Fetch the rows of all datastores that `paths` name, in one query."""
        wanted = {path.datastore_id for path in paths if path.datastore_id is not None} - self._datastores.keys()
        if wanted:
            self._datastores |= Datastore.objects.filter(workspace_id=self.workspace_id).in_bulk(wanted)

    def of(self, path: DataPath) -> Place:
        """Raises UserError where the datastore was removed, can't be opened, or holds no files."""
        if path.datastore_id is None:
            return self._on_the_web(path.path)
        self.load([path])
        datastore = self._datastores.get(path.datastore_id)
        if datastore is None:
            raise UserError(self._gone(path.datastore_id), loc=("paths",))
        if datastore.pk not in self._backends:
            self._backends[datastore.pk] = get_backend(datastore)
        return Place(self._backends[datastore.pk], path.path, datastore)

    def names(self, datastore_ids: Iterable[int]) -> list[str]:
        """Of those that were asked for so far."""
        return [self._datastores[pk].name for pk in datastore_ids if pk in self._datastores]

    def close(self) -> None:
        while self._backends:
            self._backends.popitem()[1].close()

    def _on_the_web(self, url: str) -> Place:
        split = urlsplit(url)
        origin = f"{split.scheme}://{split.netloc}"
        if origin not in self._backends:
            backend = open_store("http", {"url": origin}, {})
            assert isinstance(backend, Backend)
            self._backends[origin] = backend
        return Place(self._backends[origin], url.removeprefix(origin).lstrip("/"), None)

    def _gone(self, datastore_id: int) -> str:
        removed = Datastore.everything.filter(workspace_id=self.workspace_id, pk=datastore_id).first()
        name = f"“{removed.name}”" if removed else f"{datastore_id}"
        return f"Datastore {name} has been removed, so what lay in it can't be read. Point the dataset elsewhere."

"""What all datastores have in common: what is told of them, and their files.

```python
datastore = workspace.get_default_datastore()
datastore.upload("data", target_path="digits", overwrite=True)
datastore.download("copy", prefix="digits")
images = datastore.path("digits/images").as_mount()
```
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from studio_sdk._client import NotFound
from studio_sdk.data._transfer import download_files, send_files
from studio_sdk.data.constants import DOWNLOAD_MODE, MOUNT_MODE, UPLOAD_MODE
from studio_sdk.data.data_reference import DataReference
from studio_sdk.exceptions import NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["AbstractDatastore"]


class AbstractDatastore:
    """A registered datastore. `Datastore.get` and the like give one."""

    _workspace: Workspace
    _row: Mapping[str, Any]

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def name(self) -> str:
        return str(self._row["name"])

    @property
    def id(self) -> int:
        """The studio's number of it."""
        return int(self._row["id"])

    @property
    def datastore_type(self) -> str:
        """The studio's word for its kind, as in `local`, `s3`, `azure_blob`, `postgresql`."""
        return str(self._row["kind"])

    @property
    def description(self) -> str:
        return str(self._row["description"])

    def set_as_default(self) -> None:
        """Outputs without a destination, and files of the studio, go there from now on."""
        self._row = self._workspace._client.patch(self._path, {"is_default": True})

    def unregister(self) -> None:
        """Forget it. What lies there stays."""
        self._workspace._client.delete(self._path)

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """A path in it, for a step to read."""
        self._require_files("path")
        return DataReference(self, data_reference_name, path.strip("/") or None if path else None)

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        return self._whole(DOWNLOAD_MODE, path_on_compute)

    def as_upload(self, path_on_compute: str | None = None) -> DataReference:
        return self._whole(UPLOAD_MODE, path_on_compute)

    def as_mount(self) -> DataReference:
        return self._whole(MOUNT_MODE, None)

    def upload(
        self,
        src_dir: str | os.PathLike[str],
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Upload all files below a folder. Files that are there already are left as they are, unless `overwrite`."""
        self._require_files("upload")
        folder = os.path.abspath(os.fspath(src_dir))
        if not os.path.isdir(folder):
            raise UserErrorException(f"There is no folder {src_dir}: upload_files takes single files.")
        files = [
            os.path.join(place, name)
            for place, _folders, names in os.walk(folder)
            for name in names
            if os.path.isfile(os.path.join(place, name))
        ]
        if not files:
            raise UserErrorException(f"{src_dir} has no files.")
        return self.upload_files(sorted(files), folder, target_path, overwrite, show_progress)

    def upload_files(
        self,
        files: list[Any],
        relative_root: str | os.PathLike[str] | None = None,
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Upload files, each by its path below `relative_root`; without one, by its name alone.

        A file that is there already is left as it is, unless `overwrite`.
        """
        self._require_files("upload_files")
        if not self._row["is_writable"]:
            raise UserErrorException(f"Nothing can be written to the datastore “{self.name}”.")
        root = os.path.abspath(os.fspath(relative_root)) if relative_root is not None else None
        send_files(
            self, {_target(each, root, target_path): os.fspath(each) for each in files}, overwrite, show_progress
        )
        return self.path((target_path or "").strip("/"))

    def download(
        self,
        target_path: str | os.PathLike[str],
        prefix: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> int:
        """Download all files whose path begins with `prefix` into a folder, under their path. How many that were.

        A file that is in the folder already is left as it is, unless `overwrite`.
        """
        self._require_files("download")
        return download_files(self, self._below(prefix or ""), os.fspath(target_path), overwrite, show_progress)

    @property
    def _path(self) -> str:
        return f"/datastores/{self.id}/"

    def _entries(self, folder: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        """Of one folder; of none where there is no such folder."""
        after = ""
        while True:
            query = {"path": folder, "prefix": prefix, "limit": "1000", **({"after": after} if after else {})}
            try:
                page = self._workspace._client.get(f"{self._path}files/", **query)
            except NotFound:
                return
            yield from page["entries"]
            after = page["after"]
            if not after:
                return

    def _below(self, prefix: str) -> Iterator[dict[str, Any]]:
        """The files whose path begins with `prefix`."""
        folder, _, name = prefix.lstrip("/").rpartition("/")
        for entry in self._entries(folder, name):
            yield from self._and_within(entry)

    def _and_within(self, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if entry["path"] is None:
            raise UserErrorException(f"The name of {entry['name']} is no text, so it can't be asked for.")
        if entry["kind"] != "folder":
            yield dict(entry)
            return
        for each in self._entries(str(entry["path"])):
            yield from self._and_within(each)

    def _whole(self, mode: str, path_on_compute: str | None) -> DataReference:
        self._require_files(f"as_{mode}")
        return DataReference(self, mode=mode, path_on_compute=path_on_compute)

    def _require_files(self, what: str) -> None:
        if self._row["holds"] != "files":
            raise NotSupportedException(
                f"The datastore “{self.name}” holds tables, so it has no {what}: "
                "use Dataset.Tabular.from_sql_query((datastore, query))."
            )

    def __copy__(self) -> AbstractDatastore:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> AbstractDatastore:
        return copy.copy(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbstractDatastore) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, int]:
        return self._workspace.url, self._workspace.name, self.id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name='{self.name}', type='{self.datastore_type}')"


def _target(file: Any, root: str | None, target: str | None) -> str:
    """Raises UserErrorException."""
    path = os.fspath(file)
    if not os.path.isfile(path):
        raise UserErrorException(f"There is no file {path}.")
    if root is None:
        name = os.path.basename(path)
    else:
        name = os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")
        if name.startswith("../"):
            raise UserErrorException(f"{path} does not lie below {root}: give another relative_root.")
    below = (target or "").replace("\\", "/").strip("/")
    return f"{below}/{name}" if below else name

"""Datasets of files.

```python
images = Dataset.File.from_files((datastore, "images/**/*.png"))
images.download("copy")
train, test = images.random_split(0.8, seed=1)
step = PythonScriptStep("train.py", arguments=["--images", train.as_named_input("images").as_mount()])
```
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from studio_sdk.data._transfer import download_to, place_below
from studio_sdk.data.abstract_dataset import AbstractDataset
from studio_sdk.data.dataset_consumption_config import DatasetConsumptionConfig
from studio_sdk.exceptions import NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace
    from studio_sdk.data.context_managers import MountContext

__all__ = ["FileDataset"]

_PIECE_BYTES = 1024 * 1024


class FileDataset(AbstractDataset):
    """Any number of paths, patterns and web addresses."""

    _paths: list[dict[str, Any]]  # of one that is only said

    def to_path(self) -> list[str]:
        """The files that it names now, each as it is placed below the folder that a step or `download` gets."""
        return [f"/{name}" for name in self._names()]

    def download(
        self,
        target_path: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        ignore_not_found: bool = False,
    ) -> list[str]:
        """Download its files into a folder (a new one, unless given). Their places there."""
        import tempfile

        folder = os.fspath(target_path) if target_path is not None else tempfile.mkdtemp(prefix="dataset-")
        files = self._names()
        if not files and not ignore_not_found:
            raise UserErrorException("This dataset names no file that is there.")
        places = {place_below(folder, name): file for name, file in files.items()}
        for place, file in places.items():
            if os.path.exists(place) and not overwrite:
                raise UserErrorException(f"{place} is there already: overwrite=True replaces it.")
            _fetch(self._home_of_files(), file, place)
        return list(places)

    def mount(self, mount_point: str | os.PathLike[str] | None = None) -> MountContext:
        """Its files in a folder while a `with` block lasts. Outside of a step they are downloaded for that."""
        from studio_sdk.data.context_managers import MountContext

        return MountContext(self, os.fspath(mount_point) if mount_point is not None else None)

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self._input_name(), self, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self._input_name(), self, "download", path_on_compute)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        raise NotSupportedException("There is no HDFS here: use as_mount() or as_download().")

    def as_cache(self, datacache_store: Any) -> Any:
        raise NotSupportedException("Nodes keep what they downloaded by themselves: use as_download().")

    def hydrate(self, datacache_store: Any, replica_count: int | None = None) -> Any:
        raise NotSupportedException("Nodes keep what they downloaded by themselves: use as_download().")

    def skip(self, count: int) -> FileDataset:
        """All files but the first `count`, of those that are there now."""
        return self._of_files(list(self._files())[_count(count) :])

    def take(self, count: int) -> FileDataset:
        """The first `count` files, of those that are there now."""
        return self._of_files(list(self._files())[: _count(count)])

    def take_sample(self, probability: float, seed: int | None = None) -> FileDataset:
        """Each file that is there now with this probability, 0 to 1. The same seed takes the same ones."""
        chosen = random.Random(seed)  # noqa: S311 (no secret)
        return self._of_files([file for file in self._files() if chosen.random() < _fraction(probability)])

    sample = take_sample

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[FileDataset, FileDataset]:
        """Two datasets that share no file, the first with about `percentage` (0 to 1) of those that are there now."""
        chosen = random.Random(seed)  # noqa: S311 (no secret)
        first: list[dict[str, Any]] = []
        second: list[dict[str, Any]] = []
        for file in self._files():
            (first if chosen.random() < _fraction(percentage) else second).append(file)
        return self._of_files(first), self._of_files(second)

    def filter(self, expression: Any) -> FileDataset:
        raise NotSupportedException(
            "Files are chosen by patterns: Dataset.File.from_files((datastore, “images/*.png”))."
        )

    def file_metadata(self, col: str) -> Any:
        raise NotSupportedException(
            "Files are chosen by patterns: Dataset.File.from_files((datastore, “images/*.png”))."
        )

    @classmethod
    def _said(cls, workspace: Workspace | None, paths: list[dict[str, Any]]) -> FileDataset:
        made = object.__new__(cls)
        made._workspace, made._dataset, made._version, made._paths = workspace, None, None, paths
        return made

    def _points(self) -> list[dict[str, Any]]:
        return (
            list(self._dataset["paths"] if self._version is None else self._version["paths"])
            if self._dataset
            else self._paths
        )

    def _body(self) -> dict[str, Any]:
        return {"paths": self._points()}

    def _is_same_as(self, other: Any) -> bool:
        return bool(self._points() == other._points())

    def _input_name(self) -> str:
        """Of one that was given none: azureml makes one up as well."""
        from studio_sdk.data._names import numbered

        return numbered("input")

    def _of_files(self, files: Sequence[Mapping[str, Any]]) -> FileDataset:
        if not files:
            raise UserErrorException("No file is left, and a dataset names at least one.")
        paths = [
            {
                "datastore_id": file["datastore_id"],
                "path": _exact(file["path"]) if not file.get("url") else file["url"],
            }
            for file in files
        ]
        return FileDataset._said(self._workspace, paths)

    def _home_of_files(self) -> Workspace:
        return self._saved()._home()

    def _names(self) -> dict[str, Mapping[str, Any]]:
        """By the place of each below a folder: its path without what all of them begin with, as folders."""
        files = list(self._files())
        return dict(zip(_placed(files), files))


def _placed(files: Sequence[Mapping[str, Any]]) -> list[str]:
    full = [_full(file) for file in files]
    folders = [name.split("/")[:-1] for name in full]
    common = os.path.commonprefix(folders) if folders else []  # noqa: RUF071 (of lists, part by part)
    placed = ["/".join(name.split("/")[len(common) :]) for name in full]
    if len(set(placed)) != len(placed):
        raise UserErrorException("Two of the files have the same place: use patterns that name each once.")
    return placed


def _full(file: Mapping[str, Any]) -> str:
    if file.get("url"):
        parts = urlsplit(str(file["url"]))
        return f"{parts.netloc}{parts.path}".replace(":", "_")
    return f"{file['datastore']}/{file['path']}"


def _fetch(workspace: Workspace, file: Mapping[str, Any], place: str) -> None:
    if not file.get("url"):
        address = f"/datastores/{file['datastore_id']}/download/"
        download_to(place, partial(workspace._client.download, address, path=str(file["path"])))
        return

    def write(opened: Any) -> int:
        request = Request(str(file["url"]))  # noqa: S310 (http and https alone are datasets' addresses)
        written = 0
        with urlopen(request, timeout=120) as answer:  # noqa: S310
            while True:
                piece = answer.read(_PIECE_BYTES)
                if not piece:
                    return written
                written += opened.write(piece)

    download_to(place, write)


def _exact(path: str) -> str:
    """Raises UserErrorException for a name that would be a pattern, and so may name others, too."""
    if "*" in path or "?" in path:
        raise UserErrorException(f"The name of “{path}” reads as a pattern: rename the file to choose it by itself.")
    return path


def _count(count: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise UserErrorException("Give a whole number of files, not below 0.")
    return count


def _fraction(value: float) -> float:
    if not 0 <= value <= 1:
        raise UserErrorException("Give a part of the whole, from 0 to 1.")
    return float(value)

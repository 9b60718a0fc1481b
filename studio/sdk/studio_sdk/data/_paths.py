"""Where data lies, as azureml's programs say it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from studio_sdk.exceptions import UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace


def paths_of(path: Any) -> tuple[Workspace | None, list[dict[str, Any]]]:
    """The workspace that they lie in, None where all are web addresses; and each as the studio takes it.

    `path` is a web address, a pair of a datastore and a path, a DataPath, a DataReference, or a list of those.
    Raises UserErrorException.
    """
    from studio_sdk.data.abstract_datastore import AbstractDatastore

    each = path if isinstance(path, list) else [path]
    if not each:
        raise UserErrorException("Give at least one path.")
    found = [_one(one) for one in each]
    stores = [store for store, _ in found if isinstance(store, AbstractDatastore)]
    homes = {(store.workspace.url, store.workspace.name) for store in stores}
    if len(homes) > 1:
        raise UserErrorException("All paths of a dataset lie in datastores of one workspace.")
    said = [{"datastore_id": store.id if store is not None else None, "path": at} for store, at in found]
    return (stores[0].workspace if stores else None), said


def _one(path: Any) -> tuple[Any, str]:
    from studio_sdk.data.abstract_datastore import AbstractDatastore
    from studio_sdk.data.data_reference import DataReference
    from studio_sdk.data.datapath import DataPath

    if isinstance(path, AbstractDatastore):
        path._require_files("files")
        return path, ""
    if isinstance(path, (DataPath, DataReference)):
        path.datastore._require_files("files")
        return path.datastore, _cleaned(path.path_on_datastore or "")
    if isinstance(path, tuple) and len(path) == 2 and isinstance(path[0], AbstractDatastore):
        path[0]._require_files("files")
        return path[0], _cleaned(str(path[1]))
    if isinstance(path, (str, os.PathLike)):
        text = os.fspath(path)
        if isinstance(text, str) and text.startswith(("https://", "http://")):
            return None, text
        raise UserErrorException(
            f"“{text!s}” is no web address. Files of this machine are uploaded first: "
            "Dataset.File.upload_directory(folder, (datastore, path)); those of a datastore are (datastore, path)."
        )
    raise UserErrorException(
        "Give a path as (datastore, path), as a DataPath, or as a web address; or a list of those."
    )


def _cleaned(path: str) -> str:
    path = path.replace("\\", "/").lstrip("/")
    return "" if path in (".", "./") else path

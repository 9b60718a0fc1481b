"""A path in a datastore that a step reads from or, as an upload, writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio_sdk.data._names import checked, numbered
from studio_sdk.data.constants import DOWNLOAD_MODE, MOUNT_MODE, UPLOAD_MODE
from studio_sdk.exceptions import UserErrorException

if TYPE_CHECKING:
    from studio_sdk.data.abstract_datastore import AbstractDatastore
    from studio_sdk.data.datapath import DataPath, DataPathComputeBinding

__all__ = ["DataReference"]

_MODES = (MOUNT_MODE, DOWNLOAD_MODE, UPLOAD_MODE)


class DataReference:
    """As in `DataReference(datastore, "images", path_on_datastore="images/2024")`; `as_download()` and so on copy it.

    `path_on_compute` is kept: a step is told where its data is by its arguments, wherever the node puts it.
    """

    def __init__(
        self,
        datastore: AbstractDatastore,
        data_reference_name: str | None = None,
        path_on_datastore: str | None = None,
        mode: str = MOUNT_MODE,
        path_on_compute: str | None = None,
        overwrite: bool = False,
    ) -> None:
        if mode not in _MODES:
            raise UserErrorException(f"“{mode}” is no mode of a reference: {', '.join(_MODES)}.")
        self.datastore = datastore
        self.data_reference_name = data_reference_name or numbered(datastore.name.replace("-", "_"))
        checked(self.data_reference_name, "a data reference")
        self.path_on_datastore = path_on_datastore
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    @property
    def name(self) -> str:
        return self.data_reference_name

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """What lies below it."""
        below = "/".join(part.strip("/") for part in (self.path_on_datastore or "", path or "") if part.strip("/"))
        return DataReference(
            self.datastore,
            data_reference_name or self.data_reference_name,
            below or None,
            self.mode,
            self.path_on_compute,
            self.overwrite,
        )

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        return self._as(DOWNLOAD_MODE, path_on_compute, overwrite)

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        return self._as(UPLOAD_MODE, path_on_compute, overwrite)

    def as_mount(self) -> DataReference:
        return self._as(MOUNT_MODE, None, False)

    @staticmethod
    def create(
        data_reference_name: str | None = None,
        datapath: DataPath | None = None,
        datapath_compute_binding: DataPathComputeBinding | None = None,
    ) -> DataReference:
        """Of a `DataPath` and how it is to reach the step."""
        from studio_sdk.data.datapath import DataPathComputeBinding as Binding

        if datapath is None or datapath.datastore is None:
            raise UserErrorException("Give a datapath with its datastore.")
        how = datapath_compute_binding or Binding()
        return DataReference(
            datapath.datastore,
            data_reference_name,
            datapath.path_on_datastore,
            how.mode,
            how.path_on_compute,
            how.overwrite,
        )

    def to_config(self) -> Any:
        """As `RunConfiguration.data_references` has it."""
        from studio_sdk.core.runconfig import DataReferenceConfiguration

        return DataReferenceConfiguration(
            datastore_name=self.datastore.name,
            mode=self.mode,
            path_on_datastore=self.path_on_datastore,
            path_on_compute=self.path_on_compute,
            overwrite=self.overwrite,
        )

    def _as(self, mode: str, path_on_compute: str | None, overwrite: bool) -> DataReference:
        return DataReference(
            self.datastore, self.data_reference_name, self.path_on_datastore, mode, path_on_compute, overwrite
        )

    def __str__(self) -> str:
        return f"$AZUREML_DATAREFERENCE_{self.data_reference_name}"

    def __repr__(self) -> str:
        return f"DataReference({self.datastore.name}, {self.data_reference_name}, {self.path_on_datastore})"

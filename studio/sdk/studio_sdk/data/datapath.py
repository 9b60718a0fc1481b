"""A path in a datastore as a value: what a parameter of a pipeline can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_sdk.data.constants import DOWNLOAD_MODE, MOUNT_MODE, UPLOAD_MODE
from studio_sdk.data.data_reference import DataReference
from studio_sdk.exceptions import UserErrorException

if TYPE_CHECKING:
    from studio_sdk.data.abstract_datastore import AbstractDatastore

__all__ = ["DataPath", "DataPathComputeBinding"]


class DataPath:
    """As in `DataPath(datastore, "images/2024")`."""

    def __init__(
        self,
        datastore: AbstractDatastore | None = None,
        path_on_datastore: str | None = None,
        name: str | None = None,
    ) -> None:
        if datastore is None:
            raise UserErrorException("A DataPath needs its datastore.")
        self._datastore = datastore
        self._path_on_datastore = path_on_datastore or ""
        self._name = name

    @property
    def datastore(self) -> AbstractDatastore:
        return self._datastore

    @property
    def datastore_name(self) -> str:
        return self._datastore.name

    @property
    def path_on_datastore(self) -> str:
        return self._path_on_datastore

    @property
    def name(self) -> str | None:
        return self._name

    def create_data_reference(
        self,
        data_reference_name: str | None = None,
        datapath_compute_binding: DataPathComputeBinding | None = None,
    ) -> DataReference:
        return DataReference.create(data_reference_name or self._name, self, datapath_compute_binding)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPath:
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataPath) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str]:
        return self._datastore.name, self._path_on_datastore

    def __repr__(self) -> str:
        return f"DataPath({self._datastore.name}, {self._path_on_datastore})"


class DataPathComputeBinding:
    """How a `DataPath` reaches a step: `mount`, `download` or `upload`."""

    def __init__(self, mode: str = MOUNT_MODE, path_on_compute: str | None = None, overwrite: bool = False) -> None:
        if mode not in (MOUNT_MODE, DOWNLOAD_MODE, UPLOAD_MODE):
            raise UserErrorException(f"“{mode}” is no mode: use mount, download or upload.")
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def create_data_reference(
        self, data_reference_name: str | None = None, datapath: DataPath | None = None
    ) -> DataReference:
        return DataReference.create(data_reference_name, datapath, self)

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPathComputeBinding:
        return DataPathComputeBinding(data_reference.mode, data_reference.path_on_compute, data_reference.overwrite)

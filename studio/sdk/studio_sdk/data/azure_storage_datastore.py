"""Datastores of files, by azureml's classes. `Datastore.get` gives the one that fits."""

from __future__ import annotations

from studio_sdk.core.datastore import Datastore
from studio_sdk.data.abstract_datastore import AbstractDatastore

__all__ = ["AbstractAzureStorageDatastore", "AbstractDatastore", "AzureBlobDatastore", "AzureFileDatastore"]


class AbstractAzureStorageDatastore(Datastore):
    """Files: of whichever kind, in Azure or not."""


class AzureBlobDatastore(AbstractAzureStorageDatastore):
    """A container of Azure Blob Storage."""

    @property
    def container_name(self) -> str:
        return str(self._whole_row()["container"])

    @property
    def account_name(self) -> str:
        return str(self._whole_row()["account"])

    @property
    def is_sas(self) -> bool:
        return bool(self._whole_row()["auth"] == "sas")

    def _whole_row(self) -> dict[str, object]:
        """What an owner said of it; others are refused."""
        config: dict[str, object] = self._workspace._client.get(self._path)["config"]
        return config


class AzureFileDatastore(AbstractAzureStorageDatastore):
    """Never given: Azure Files are not reached."""


def class_of(kind: str) -> type[Datastore]:
    from studio_sdk.data.azure_my_sql_datastore import AzureMySqlDatastore
    from studio_sdk.data.azure_postgre_sql_datastore import AzurePostgreSqlDatastore

    of_tables = {"postgresql": AzurePostgreSqlDatastore, "mysql": AzureMySqlDatastore, "sqlite": Datastore}
    if kind in of_tables:
        return of_tables[kind]
    return AzureBlobDatastore if kind == "azure_blob" else AbstractAzureStorageDatastore

"""Datasets: `Dataset.File` and `Dataset.Tabular` make them, `Dataset.get_by_name` gets a registered one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from studio_sdk.data.abstract_dataset import AbstractDataset
from studio_sdk.data.dataset_factory import FileDatasetFactory, TabularDatasetFactory
from studio_sdk.exceptions import NotSupportedException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["Dataset"]

_FACTORIES = "Use Dataset.Tabular and Dataset.File, as azureml's own programs do since 2019: "


class Dataset:
    """What makes datasets, and looks them up."""

    File = FileDatasetFactory
    Tabular = TabularDatasetFactory

    @staticmethod
    def get_by_name(workspace: Workspace, name: str, version: Union[int, str] = "latest") -> AbstractDataset:
        return AbstractDataset.get_by_name(workspace, name, version)

    @staticmethod
    def get_by_id(workspace: Workspace, id: str) -> AbstractDataset:  # noqa: A002 (azureml's name)
        return AbstractDataset.get_by_id(workspace, id)

    @staticmethod
    def get_all(workspace: Workspace) -> dict[str, AbstractDataset]:
        return AbstractDataset.get_all(workspace)

    @staticmethod
    def get(workspace: Workspace, name: str | None = None, id: str | None = None) -> AbstractDataset:  # noqa: A002
        """By name, or by id."""
        return AbstractDataset.get_by_name(workspace, name) if name else AbstractDataset.get_by_id(workspace, str(id))

    @staticmethod
    def list(workspace: Workspace) -> list[AbstractDataset]:
        return [*AbstractDataset.get_all(workspace).values()]

    @staticmethod
    def from_delimited_files(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{_FACTORIES}Dataset.Tabular.from_delimited_files.")

    @staticmethod
    def auto_read_files(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{_FACTORIES}Dataset.Tabular.from_delimited_files.")

    @staticmethod
    def from_parquet_files(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{_FACTORIES}Dataset.Tabular.from_parquet_files.")

    @staticmethod
    def from_json_files(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{_FACTORIES}Dataset.Tabular.from_json_lines_files.")

    @staticmethod
    def from_sql_query(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{_FACTORIES}Dataset.Tabular.from_sql_query.")

    @staticmethod
    def from_binary_files(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException(f"{_FACTORIES}Dataset.File.from_files.")

    @staticmethod
    def from_excel_files(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException("Read the sheet by pandas, and use Dataset.Tabular.register_pandas_dataframe.")

    @staticmethod
    def from_pandas_dataframe(*_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException("Use Dataset.Tabular.register_pandas_dataframe.")

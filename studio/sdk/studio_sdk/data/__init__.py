"""Data: datasets, paths in datastores, and what steps write. By azureml's names."""

from __future__ import annotations

from studio_sdk import __version__
from studio_sdk.data.datacache import DatacacheStore
from studio_sdk.data.dataset_factory import DataType
from studio_sdk.data.file_dataset import FileDataset
from studio_sdk.data.output_dataset_config import (
    HDFSOutputDatasetConfig,
    LinkFileOutputDatasetConfig,
    LinkTabularOutputDatasetConfig,
    OutputFileDatasetConfig,
)
from studio_sdk.data.tabular_dataset import TabularDataset

VERSION = __version__

__all__ = [
    "DataType",
    "DatacacheStore",
    "FileDataset",
    "HDFSOutputDatasetConfig",
    "LinkFileOutputDatasetConfig",
    "LinkTabularOutputDatasetConfig",
    "OutputFileDatasetConfig",
    "TabularDataset",
]

"""A dataset as an input of a step: which, under what name, and how it arrives."""

from __future__ import annotations

from typing import Any

from studio_sdk.data._names import checked
from studio_sdk.data.constants import DIRECT_MODE, DOWNLOAD_MODE, MOUNT_MODE
from studio_sdk.exceptions import NotSupportedException, UserErrorException

__all__ = ["DatasetConsumptionConfig"]

_MODES = (DIRECT_MODE, DOWNLOAD_MODE, MOUNT_MODE)


class DatasetConsumptionConfig:
    """As `dataset.as_named_input("images").as_mount()` makes it. `dataset` may be a PipelineParameter of one.

    A step finds it by `Run.get_context().input_datasets["images"]`. `path_on_compute` is kept: where the data lies is
    the node's own affair, and the step is told.
    """

    def __init__(self, name: str, dataset: Any, mode: str = DIRECT_MODE, path_on_compute: str | None = None) -> None:
        if mode not in _MODES:
            raise UserErrorException(f"“{mode}” is no way for data to arrive: {', '.join(_MODES)}.")
        self._name = checked(name, "an input")
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = checked(value, "an input")

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self._name, self.dataset, DOWNLOAD_MODE, path_on_compute)

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self._name, self.dataset, MOUNT_MODE, path_on_compute)

    def as_direct(self) -> DatasetConsumptionConfig:
        return DatasetConsumptionConfig(self._name, self.dataset, DIRECT_MODE)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        raise NotSupportedException("There is no HDFS here: use as_mount() or as_download().")

    def __repr__(self) -> str:
        return f"DatasetConsumptionConfig({self._name}, {self.dataset!r}, {self.mode})"

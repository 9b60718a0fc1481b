"""What a step writes: where it goes, and whether it becomes a dataset.

```python
from studio_sdk.data import OutputFileDatasetConfig

prepared = OutputFileDatasetConfig("prepared", destination=(datastore, "prepared/{run-id}/{output-name}"))
prepared = prepared.register_on_complete("prepared-digits")
train = PythonScriptStep(..., arguments=["--in", prepared.as_input()])
```
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from studio_sdk.data._names import checked, numbered
from studio_sdk.data.constants import DIRECT_MODE, MOUNT_MODE, UPLOAD_MODE
from studio_sdk.data.dataset_consumption_config import DatasetConsumptionConfig
from studio_sdk.exceptions import NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.data.abstract_datastore import AbstractDatastore

__all__ = [
    "HDFSOutputDatasetConfig",
    "LinkFileOutputDatasetConfig",
    "LinkTabularOutputDatasetConfig",
    "MountOptions",
    "OutputDatasetConfig",
    "OutputFileDatasetConfig",
    "OutputTabularDatasetConfig",
    "RegistrationConfiguration",
    "UploadOptions",
]

Config = TypeVar("Config", bound="OutputDatasetConfig")


class RegistrationConfiguration:
    """The dataset that an output becomes a version of when its step completes."""

    def __init__(self, name: str, description: str | None, tags: Mapping[str, str] | None) -> None:
        self.name = name
        self.description = description or ""
        self.tags = dict(tags or {})


class UploadOptions:
    def __init__(self, overwrite: bool = False, source_globs: Any = None) -> None:
        self.overwrite = overwrite
        self.source_globs = source_globs


class MountOptions:
    def __init__(self, disable_metadata_cache: bool = False) -> None:
        self.disable_metadata_cache = disable_metadata_cache


class OutputDatasetConfig:
    """Base of all. `_origin` is one and the same object for a config and all that was made from it."""

    def __init__(self, mode: str, name: str | None = None) -> None:
        self._name = checked(name, "an output") if name is not None else numbered("output")
        self.mode = mode
        self.registration: RegistrationConfiguration | None = None
        self._origin: object = object()

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = checked(value, "an output")

    def register_on_complete(
        self: Config, name: str, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Config:
        """The output becomes a version of the dataset `name` when the step completes."""
        if not name:
            raise UserErrorException("Give the name of the dataset that the output is to become.")
        made = copy.copy(self)
        made.registration = RegistrationConfiguration(name, description, tags)
        return made

    def as_input(self, name: str | None = None) -> DatasetConsumptionConfig:
        """It as an input of a later step, under its own name or another one."""
        return DatasetConsumptionConfig(name or self._name, self, DIRECT_MODE)


class OutputFileDatasetConfig(OutputDatasetConfig):
    """Files that a step writes. `destination` is a datastore, or a pair of one and a path in it.

    In the path `{run-id}` and `{output-name}` stand for the run and the output. Without a destination the output lies
    in the workspace's default datastore.
    """

    def __init__(
        self,
        name: str | None = None,
        destination: Any = None,
        source: str | None = None,
        partition_format: str | None = None,
    ) -> None:
        super().__init__(MOUNT_MODE, name)
        if source is not None:
            raise NotSupportedException(
                "A step is told where to write by its arguments: give the config there instead of “source”."
            )
        if partition_format is not None:
            raise NotSupportedException(
                "An output has no partition_format: register it, and give it to Dataset.Tabular.from_parquet_files."
            )
        self.destination = destination
        self.datastore, self.path_on_datastore = _destination(destination)
        self.upload_options: UploadOptions | None = None
        self.mount_options: MountOptions | None = None

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """Written in place where the node reaches the datastore as a folder; else as an upload."""
        made = copy.copy(self)
        made.mode, made.mount_options, made.upload_options = MOUNT_MODE, MountOptions(disable_metadata_cache), None
        return made

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputFileDatasetConfig:
        """Uploaded when the step has ended."""
        if source_globs is not None:
            raise NotSupportedException("All that a step writes to an output is kept: write there what is to stay.")
        made = copy.copy(self)
        made.mode, made.upload_options, made.mount_options = UPLOAD_MODE, UploadOptions(overwrite), None
        return made

    def read_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = True,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, Any] | None = None,
    ) -> OutputTabularDatasetConfig:
        """It as a table of delimited files, for `register_on_complete` and `as_input`."""
        _refuse_include_path(include_path)
        how = {"format": "delimited", "separator": separator, "has_header": bool(header)}
        return OutputTabularDatasetConfig(self, how, partition_format, path_glob, set_column_types)

    def read_parquet_files(
        self,
        include_path: bool = False,
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, Any] | None = None,
    ) -> OutputTabularDatasetConfig:
        """It as a table of Parquet files, for `register_on_complete` and `as_input`."""
        _refuse_include_path(include_path)
        return OutputTabularDatasetConfig(self, {"format": "parquet"}, partition_format, path_glob, set_column_types)

    def __repr__(self) -> str:
        return f"OutputFileDatasetConfig({self._name})"


class OutputTabularDatasetConfig(OutputDatasetConfig):
    """An output that is read as a table. `output` is the files' config, `how` the format as a table's source has it."""

    def __init__(
        self,
        output: OutputFileDatasetConfig,
        how: Mapping[str, Any],
        partition_format: str | None = None,
        path_glob: str | None = None,
        set_column_types: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(output.mode, output.name)
        self.output = output
        self.how = dict(how)
        self.partition_format = partition_format
        self.path_glob = path_glob
        self.set_column_types = dict(set_column_types or {})
        self.transformations: list[dict[str, Any]] = []
        self.registration = output.registration
        self._origin = output._origin

    @property
    def datastore(self) -> AbstractDatastore | None:
        return self.output.datastore

    def keep_columns(self, columns: str | list[str]) -> OutputTabularDatasetConfig:
        return self._with({"kind": "keep_columns", "columns": [columns] if isinstance(columns, str) else list(columns)})

    def drop_columns(self, columns: str | list[str]) -> OutputTabularDatasetConfig:
        return self._with({"kind": "drop_columns", "columns": [columns] if isinstance(columns, str) else list(columns)})

    def random_split(
        self, percentage: float, seed: int | None = None
    ) -> tuple[OutputTabularDatasetConfig, OutputTabularDatasetConfig]:
        """Two tables that share no row, the first with about `percentage` (0 to 1) of them."""
        said = {"kind": "split", "fraction": float(percentage), "seed": seed or 0}
        return self._with({**said, "part": "first"}), self._with({**said, "part": "second"})

    def as_mount(self) -> OutputTabularDatasetConfig:
        return self._of(self.output.as_mount())

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputTabularDatasetConfig:
        return self._of(self.output.as_upload(overwrite, source_globs))

    def _with(self, transformation: dict[str, Any]) -> OutputTabularDatasetConfig:
        made = copy.copy(self)
        made.transformations = [*self.transformations, transformation]
        return made

    def _of(self, output: OutputFileDatasetConfig) -> OutputTabularDatasetConfig:
        made = copy.copy(self)
        made.output, made.mode = output, output.mode
        return made


class HDFSOutputDatasetConfig(OutputDatasetConfig):
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, name: str | None = None, destination: Any = None) -> None:
        raise NotSupportedException("There is no HDFS here: use OutputFileDatasetConfig.")


class LinkFileOutputDatasetConfig(OutputDatasetConfig):
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, name: str | None = None) -> None:
        raise NotSupportedException(
            "A step can't link a dataset as an output: use OutputFileDatasetConfig(…).register_on_complete(…)."
        )


class LinkTabularOutputDatasetConfig(OutputDatasetConfig):
    """Raises NotSupportedException, which says what to use."""

    def __init__(self, name: str | None = None) -> None:
        raise NotSupportedException(
            "A step can't link a table as an output: use OutputFileDatasetConfig(…).read_parquet_files()"
            ".register_on_complete(…)."
        )


def _destination(destination: Any) -> tuple[AbstractDatastore | None, str | None]:
    from studio_sdk.data.abstract_datastore import AbstractDatastore
    from studio_sdk.data.datapath import DataPath

    if destination is None:
        return None, None
    if isinstance(destination, DataPath):
        return destination.datastore, destination.path_on_datastore or None
    datastore, path = destination if isinstance(destination, tuple) and len(destination) == 2 else (destination, None)
    if not isinstance(datastore, AbstractDatastore) or not (path is None or isinstance(path, str)):
        raise UserErrorException("Give as destination a datastore, or a pair of one and a path: (datastore, “a/path”).")
    return datastore, path


def _refuse_include_path(include_path: bool) -> None:
    if include_path:
        raise NotSupportedException("A table has no column of paths: name the parts that matter in partition_format.")

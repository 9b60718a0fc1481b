"""What a step writes, as a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studio_sdk.pipeline.core._names import field_name
from studio_sdk.pipeline.core._unsupported import refuse
from studio_sdk.pipeline.core.builder import PipelineData
from studio_sdk.pipeline.core.graph import InputPortBinding

__all__ = ["DatasetRegistration", "PipelineOutputFileDataset", "PipelineOutputTabularDataset"]


class DatasetRegistration:
    """The name that a step's output is registered under when the step completes."""

    def __init__(self, name: str, create_new_version: bool = True) -> None:
        if not create_new_version:
            refuse(
                "register(create_new_version=False)", "create_new_version=True: a result equal to the last adds none"
            )
        self.name = name
        self.create_new_version = create_new_version


class PipelineOutputAbstractDataset:
    """What the two kinds have in common. Ways to use it give a copy, so that each input has its own."""

    def __init__(self, pipeline_data: PipelineData) -> None:
        self._pipeline_data = pipeline_data
        self._input_name: str | None = None
        self._mode: str | None = None
        self._reading: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self._pipeline_data.name

    @property
    def input_name(self) -> str:
        return self._input_name or self._pipeline_data.name

    def as_named_input(self, name: str) -> Any:
        """It as an input that the step finds as `run.input_datasets[name]`."""
        made = self._copy()
        made._input_name = field_name(name, "an input")
        return made

    def create_input_binding(self) -> InputPortBinding:
        return InputPortBinding(self.input_name, self._pipeline_data, self._mode)

    def _copy(self) -> Any:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __str__(self) -> str:
        return str(self._pipeline_data)


class PipelineOutputFileDataset(PipelineOutputAbstractDataset):
    """The files of a `PipelineData`.

    ```python
    written = PipelineData("written").as_dataset().register("written files")
    prep = PythonScriptStep("prep.py", arguments=["--out", written], outputs=[written])
    ```
    """

    def register(self, name: str, create_new_version: bool = True) -> PipelineOutputFileDataset:
        """Make it a version of the dataset `name` when the step completes."""
        registration = DatasetRegistration(name, create_new_version)
        self._pipeline_data._registration = registration
        made: PipelineOutputFileDataset = self._copy()
        return made

    def as_download(self, path_on_compute: str | None = None) -> PipelineOutputFileDataset:
        return self._by("download", path_on_compute)

    def as_mount(self, path_on_compute: str | None = None) -> PipelineOutputFileDataset:
        return self._by("mount", path_on_compute)

    def as_direct(self) -> PipelineOutputFileDataset:
        return self._by("direct", None)

    def parse_delimited_files(
        self,
        include_path: bool = False,
        separator: str = ",",
        header: Any = None,
        partition_format: str | None = None,
        file_extension: str = "",
        set_column_types: Mapping[str, Any] | None = None,
        quoted_line_breaks: bool = False,
    ) -> PipelineOutputTabularDataset:
        """Its files, of columns with `separator` between them, as one table. Their first lines name the columns."""
        _plain_only(include_path=include_path, partition_format=partition_format, set_column_types=set_column_types)
        if header is not None and getattr(header, "name", header) not in ("ALL_FILES_HAVE_SAME_HEADERS", True):
            refuse("parse_delimited_files with another header", "files whose first line names the columns")
        if quoted_line_breaks:
            refuse("parse_delimited_files(quoted_line_breaks=True)", "parse_parquet_files")
        how = {"format": "delimited", "separator": separator, "has_header": True}
        return PipelineOutputTabularDataset(self, _reading(how, file_extension))

    def parse_parquet_files(
        self,
        include_path: bool = False,
        partition_format: str | None = None,
        file_extension: str = ".parquet",
        set_column_types: Mapping[str, Any] | None = None,
    ) -> PipelineOutputTabularDataset:
        """Its Parquet files as one table."""
        _plain_only(include_path=include_path, partition_format=partition_format, set_column_types=set_column_types)
        return PipelineOutputTabularDataset(self, _reading({"format": "parquet"}, file_extension))

    def _by(self, mode: str, path_on_compute: str | None) -> PipelineOutputFileDataset:
        if path_on_compute is not None:
            refuse("path_on_compute", "the path that the script gets as an argument")
        made: PipelineOutputFileDataset = self._copy()
        made._mode = mode
        return made


class PipelineOutputTabularDataset(PipelineOutputAbstractDataset):
    """The rows of a `PipelineData`, as a later step reads them.

    ```python
    rows = prepared.as_dataset().parse_parquet_files().keep_columns(["store", "total"])
    train = PythonScriptStep("train.py", inputs=[rows.as_named_input("rows")])
    # in train.py: Run.get_context().input_datasets["rows"].to_pandas_dataframe()
    ```
    """

    def __init__(self, pipeline_output_dataset: PipelineOutputFileDataset, additional_transformations: Any) -> None:
        super().__init__(pipeline_output_dataset._pipeline_data)
        self._input_name = pipeline_output_dataset._input_name
        self._mode = pipeline_output_dataset._mode
        self._reading = dict(additional_transformations)

    def keep_columns(self, columns: str | Sequence[str]) -> PipelineOutputTabularDataset:
        """Of these columns alone."""
        return self._with({"kind": "keep_columns", "columns": _names(columns)})

    def drop_columns(self, columns: str | Sequence[str]) -> PipelineOutputTabularDataset:
        """Without these columns."""
        return self._with({"kind": "drop_columns", "columns": _names(columns)})

    def random_split(
        self, percentage: float, seed: int | None = None
    ) -> tuple[PipelineOutputTabularDataset, PipelineOutputTabularDataset]:
        """Two tables that share no row, the first with about `percentage` (0 to 1) of them."""
        said = {"kind": "split", "fraction": float(percentage), "seed": seed or 0}
        return self._with({**said, "part": "first"}), self._with({**said, "part": "second"})

    def _with(self, transformation: Mapping[str, Any]) -> PipelineOutputTabularDataset:
        made: PipelineOutputTabularDataset = self._copy()
        reading = self._reading or {}
        made._reading = {**reading, "transformations": [*reading.get("transformations", []), dict(transformation)]}
        return made


def _reading(how: Mapping[str, Any], extension: str) -> dict[str, Any]:
    """As an `OutputFileDatasetConfig` that is read as a table has it."""
    return {"how": dict(how), "path_glob": f"**/*{extension}" if extension else None, "transformations": []}


def _names(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _plain_only(**given: Any) -> None:
    for name, value in given.items():
        if value:
            refuse(f"{name} of what a step writes", "the script that reads it, or a registered dataset")

"""Making datasets: `Dataset.File` and `Dataset.Tabular` are these two factories."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Mapping
from typing import Any

from studio_sdk.data._paths import paths_of
from studio_sdk.data.dataset_type_definitions import FileEncoding, PromoteHeadersBehavior
from studio_sdk.data.file_dataset import FileDataset
from studio_sdk.data.tabular_dataset import TabularDataset
from studio_sdk.exceptions import NotSupportedException, UserErrorException

__all__ = ["DataType", "FileDatasetFactory", "TabularDatasetFactory"]

_ENCODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8-sig",
    "utf16": "utf-16",
    "utf32": "utf-32",
    "iso88591": "iso-8859-1",
    "latin1": "iso-8859-1",
    "ascii": "ascii",
    "windows1252": "cp1252",
}


class DataType:
    """The type of a column, for `set_column_types`: `{"day": DataType.to_datetime(), "zip": DataType.to_string()}`."""

    def __init__(self, type: str) -> None:  # noqa: A002
        self.type = type

    @staticmethod
    def to_string() -> DataType:
        return DataType("string")

    @staticmethod
    def to_long() -> DataType:
        return DataType("integer")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> DataType:
        if decimal_mark != ".":
            raise NotSupportedException(
                "Numbers are read with a point: keep the column a text, and convert it yourself."
            )
        return DataType("number")

    @staticmethod
    def to_bool() -> DataType:
        return DataType("boolean")

    @staticmethod
    def to_datetime(formats: Any = None) -> DataType:
        if formats:
            raise NotSupportedException(
                "Times are read as ISO 8601 has them: keep the column a text, and convert it yourself."
            )
        return DataType("timestamp")

    @staticmethod
    def to_stream(workspace: Any = None, escaped: bool = False) -> DataType:
        raise NotSupportedException("Tables have no columns of files: name the files by Dataset.File.from_files.")

    def __repr__(self) -> str:
        return f"DataType({self.type})"


class FileDatasetFactory:
    """`Dataset.File`."""

    @staticmethod
    def from_files(
        path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False
    ) -> FileDataset:
        """Files by `path`: `(datastore, "a/folder")`, `(datastore, "**/*.png")`, a web address, or a list of those.

        With `validate` it is an error where nothing is there.
        """
        if partition_format is not None:
            raise NotSupportedException(
                "Files have no partition_format: make a table by Dataset.Tabular.from_…, or name them by patterns."
            )
        workspace, paths = paths_of(path)
        if validate and workspace is not None:
            found = workspace._client.post("/datasets/preview/", {"paths": paths})
            if not found["file_count"] and found["is_complete"]:
                raise UserErrorException(
                    f"There are no files at {', '.join(each['path'] or 'the datastore' for each in paths)}. "
                    "validate=False makes the dataset all the same."
                )
        return FileDataset._said(workspace, paths)

    @staticmethod
    def upload_directory(
        src_dir: str | os.PathLike[str],
        target: Any,
        pattern: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> FileDataset:
        """Upload a folder to `target`, `(datastore, "a/path")` or a DataPath, and make a dataset of it.

        `pattern` is a shell pattern of the paths below the folder, as in `*.png`.
        """
        datastore, path = _target(target)
        folder = os.path.abspath(os.fspath(src_dir))
        if pattern is None:
            datastore.upload(folder, path, overwrite, show_progress)
        else:
            from fnmatch import fnmatch

            files = [
                os.path.join(place, name)
                for place, _folders, names in os.walk(folder)
                for name in names
                if fnmatch(os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/"), pattern)
            ]
            if not files:
                raise UserErrorException(f"No file of {src_dir} fits the pattern “{pattern}”.")
            datastore.upload_files(sorted(files), folder, path, overwrite, show_progress)
        return FileDatasetFactory.from_files((datastore, path), validate=False)


class TabularDatasetFactory:
    """`Dataset.Tabular`."""

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Mapping[str, DataType] | None = None,
        separator: str = ",",
        header: bool | PromoteHeadersBehavior = True,
        partition_format: str | None = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: str | FileEncoding = "utf8",
    ) -> TabularDataset:
        """Text with a separator. Values that hold line breaks are read wherever they stand in quotes.

        With `validate` the files are looked at now, else when the table is first used.
        """
        if empty_as_string:
            raise NotSupportedException("Cells without text are missing values: fill them by fillna() in pandas.")
        how = {
            "format": "delimited",
            "separator": separator,
            "has_header": _has_header(header),
            "encoding": _encoding(encoding),
        }
        return _of_files(path, how, validate, include_path, infer_column_types, set_column_types, partition_format)

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Mapping[str, DataType] | None = None,
        partition_format: str | None = None,
    ) -> TabularDataset:
        """Files of Parquet, which say the types of their columns."""
        return _of_files(path, {"format": "parquet"}, validate, include_path, True, set_column_types, partition_format)

    @staticmethod
    def from_json_lines_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Mapping[str, DataType] | None = None,
        partition_format: str | None = None,
        invalid_lines: str = "error",
        encoding: str | FileEncoding = "utf8",
    ) -> TabularDataset:
        """Files with a JSON object in each line."""
        if invalid_lines != "error":
            raise NotSupportedException("A line that is no JSON is an error: take it out of the file first.")
        how = {"format": "json_lines", "encoding": _encoding(encoding)}
        return _of_files(path, how, validate, include_path, True, set_column_types, partition_format)

    @staticmethod
    def from_sql_query(
        query: Any,
        validate: bool = True,
        set_column_types: Mapping[str, DataType] | None = None,
        query_timeout: int = 30,
    ) -> TabularDataset:
        """What a SELECT answers: `(datastore, "SELECT …")`, or a DataPath with the query as its path."""
        from studio_sdk.data.abstract_datastore import AbstractDatastore
        from studio_sdk.data.datapath import DataPath

        if isinstance(query, DataPath):
            query = (query.datastore, query.path_on_datastore)
        if not (isinstance(query, tuple) and len(query) == 2 and isinstance(query[0], AbstractDatastore)):
            raise UserErrorException("Give a pair of a datastore and a query: (datastore, “SELECT …”).")
        datastore, text = query
        source = {"kind": "query", "datastore_id": datastore.id, "query": str(text), "timeout_s": float(query_timeout)}
        made = TabularDataset._said(datastore.workspace, {"source": source, "types": _types(set_column_types)})
        return _settled(made) if validate else made

    @staticmethod
    def register_pandas_dataframe(
        dataframe: Any,
        target: Any,
        name: str,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        show_progress: bool = True,
        row_group_size: int | None = None,
        make_target_path_unique: bool = True,
    ) -> TabularDataset:
        """Write a data frame as Parquet, upload it to `target`, and register it. It takes pyarrow.

        `target` is a datastore, `(datastore, "a/path")` or a DataPath; in it a new folder is made, unless
        `make_target_path_unique` is false.
        """
        datastore, path = _target(target)
        if make_target_path_unique:
            path = "/".join(part for part in (path, str(uuid.uuid4())) if part)
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, "part-00000.parquet")
            try:
                dataframe.to_parquet(place, **({} if row_group_size is None else {"row_group_size": row_group_size}))
            except ImportError:
                raise UserErrorException("Writing a data frame takes pyarrow: install it first.") from None
            datastore.upload_files([place], folder, path, True, show_progress)
        made = TabularDatasetFactory.from_parquet_files(
            (datastore, f"{path}/part-00000.parquet" if path else "part-00000.parquet")
        )
        return made.register(datastore.workspace, name, description, tags, create_new_version=True)

    @staticmethod
    def register_spark_dataframe(*_arguments: Any, **_more: Any) -> TabularDataset:
        raise NotSupportedException(
            "Use register_pandas_dataframe(frame.toPandas(), …), or write Parquet and from_parquet_files."
        )

    @staticmethod
    def register_dask_dataframe(*_arguments: Any, **_more: Any) -> TabularDataset:
        raise NotSupportedException(
            "Use register_pandas_dataframe(frame.compute(), …), or write Parquet and from_parquet_files."
        )


def _of_files(
    path: Any,
    how: Mapping[str, Any],
    validate: bool,
    include_path: bool,
    infer_column_types: bool,
    set_column_types: Mapping[str, DataType] | None,
    partition_format: str | None,
) -> TabularDataset:
    if include_path:
        raise NotSupportedException("A table has no column of paths: name the parts that matter in partition_format.")
    workspace, paths = paths_of(path)
    source = {"kind": "files", "paths": paths, "partition_format": partition_format, **how}
    made = TabularDataset._said(workspace, {"source": source, "types": _types(set_column_types)})
    if not infer_column_types:
        made = _all_texts(made, _types(set_column_types))
    return _settled(made) if validate and workspace is not None else made


def _settled(made: TabularDataset) -> TabularDataset:
    """Looked at by the studio: what is wrong is said now, and what it found out stays."""
    from studio_sdk.data.tabular_dataset import _draft_of

    found = made._home()._client.post("/datasets/infer/?rows=1", made._body())
    return TabularDataset._said(made._workspace, _draft_of(found["definition"]))


def _all_texts(made: TabularDataset, types: Mapping[str, str]) -> TabularDataset:
    found = made._home()._client.post("/datasets/infer/?rows=1", made._body())
    columns = {each["name"]: "string" for each in found["definition"]["columns"]}
    return TabularDataset._said(made._workspace, {**made._draft(), "types": {**columns, **types}})


def _types(given: Mapping[str, Any] | None) -> dict[str, str]:
    for name, each in (given or {}).items():
        if not isinstance(each, DataType):
            raise UserErrorException(f"Give the type of “{name}” as DataType.to_string() or the like.")
    return {name: each.type for name, each in (given or {}).items()}


def _has_header(header: Any) -> bool:
    if header is PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS:
        raise NotSupportedException("Either all files begin with a row of names, or none: split the first file off.")
    return header is not PromoteHeadersBehavior.NO_HEADERS and bool(header)


def _encoding(encoding: Any) -> str:
    word = encoding.name.lower() if isinstance(encoding, FileEncoding) else str(encoding)
    return _ENCODINGS.get(word.lower(), word)


def _target(target: Any) -> tuple[Any, str]:
    from studio_sdk.data.abstract_datastore import AbstractDatastore
    from studio_sdk.data.data_reference import DataReference
    from studio_sdk.data.datapath import DataPath

    if isinstance(target, (DataPath, DataReference)):
        return target.datastore, (target.path_on_datastore or "").strip("/")
    if isinstance(target, AbstractDatastore):
        return target, ""
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], AbstractDatastore):
        return target[0], str(target[1]).strip("/")
    raise UserErrorException("Give as target (datastore, “a/path”), or a DataPath.")

"""Tables.

```python
sales = Dataset.Tabular.from_delimited_files((datastore, "sales/**/*.csv"))
recent = sales.keep_columns(["day", "amount"]).filter(sales["amount"] > 0)
frame = recent.take(1000).to_pandas_dataframe()
recent.register(workspace, "recent-sales")
```

Nothing is copied: what is done to the rows is done whenever they are read.
"""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Union

from studio_sdk.data._expressions import ColumnExpression, RowCondition
from studio_sdk.data.abstract_dataset import AbstractDataset
from studio_sdk.exceptions import DatasetTimestampMissingError, NotSupportedException, UserErrorException

if TYPE_CHECKING:
    from studio_sdk.core.workspace import Workspace

__all__ = ["TabularDataset"]

Columns = Union[str, Sequence[str]]

_TICK = timedelta(microseconds=1)  # a time filter leaves its end out


class TabularDataset(AbstractDataset):
    """Rows of files or of a query, and what is done to them."""

    _table: dict[str, Any] | None  # as the studio takes it, of one that is only said
    # Within a step: where its node put the files, how they are read if not as Parquet, and what is done to the rows.
    _local: str | None = None
    _how: Mapping[str, Any] | None = None
    _steps: tuple[Mapping[str, Any], ...] = ()

    @property
    def timestamp_columns(self) -> tuple[str | None, str | None]:
        """The column of time, and azureml's coarser one, which there is none of."""
        return self._draft()["timestamp_column"], None

    @property
    def partition_keys(self) -> list[str]:
        """The columns that its rows are laid out by."""
        laid_out = [each for each in self._draft()["transformations"] if each["kind"] == "partition_by"]
        return list(laid_out[-1]["keys"]) if laid_out else []

    def with_timestamp_columns(
        self,
        timestamp: str | None = None,
        partition_timestamp: str | None = None,
        validate: bool = False,
    ) -> TabularDataset:
        """The column that `time_before` and the like go by; `None` takes it away.

        `partition_timestamp` is azureml's coarser copy of the same time, which makes reading faster there: it is used
        where there is no `timestamp`.
        """
        return self._with_draft({**self._draft(), "timestamp_column": timestamp or partition_timestamp})

    def keep_columns(self, columns: Columns, validate: bool = False) -> TabularDataset:
        return self._with({"kind": "keep_columns", "columns": _names(columns)})

    def drop_columns(self, columns: Columns) -> TabularDataset:
        return self._with({"kind": "drop_columns", "columns": _names(columns)})

    def take(self, count: int) -> TabularDataset:
        """The first rows."""
        return self._with({"kind": "take", "count": count})

    def skip(self, count: int) -> TabularDataset:
        raise NotSupportedException(
            "The first rows of a table can't be left out: filter by a column, or use random_split or time_after."
        )

    def take_sample(self, probability: float, seed: int | None = None) -> TabularDataset:
        """Each row with this probability, 0 to 1. The same seed on the same data takes the same rows."""
        return self._with({"kind": "sample", "fraction": float(probability), "seed": _seed(seed)})

    sample = take_sample

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[TabularDataset, TabularDataset]:
        """Two tables that share no row, the first with about `percentage` (0 to 1) of them."""
        said = {"kind": "split", "fraction": float(percentage), "seed": _seed(seed)}
        return self._with({**said, "part": "first"}), self._with({**said, "part": "second"})

    def filter(self, expression: RowCondition) -> TabularDataset:
        """The rows for which a condition holds, as in `table.filter((table["a"] > 1) & (table["b"] == "x"))`."""
        if not isinstance(expression, RowCondition):
            raise UserErrorException('Give a condition on columns, as in table["age"] > 30.')
        return self._with(*expression.transformations())

    def time_before(self, end_time: datetime, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        return self._in_time(before=_moment(end_time) + (_TICK if include_boundary else timedelta()))

    def time_after(self, start_time: datetime, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        return self._in_time(after=_moment(start_time) + (timedelta() if include_boundary else _TICK))

    def time_between(
        self, start_time: datetime, end_time: datetime, include_boundary: bool = True, validate: bool = True
    ) -> TabularDataset:
        return self._in_time(
            after=_moment(start_time) + (timedelta() if include_boundary else _TICK),
            before=_moment(end_time) + (_TICK if include_boundary else timedelta()),
        )

    def time_recent(
        self, time_delta: timedelta, include_boundary: bool = True, validate: bool = True
    ) -> TabularDataset:
        """The rows of the last while, counted from when they are read."""
        if not isinstance(time_delta, timedelta):
            raise UserErrorException("Give a timedelta, as in timedelta(days=7).")
        return self._with({"kind": "time", "column": self._timestamp(), "recent_s": time_delta.total_seconds()})

    def partition_by(
        self,
        partition_keys: Sequence[str],
        target: Any,
        name: str | None = None,
        show_progress: bool = True,
        partition_as_file_dataset: bool = False,
    ) -> TabularDataset:
        """The table laid out by some columns, registered under `name` where one is given.

        The studio lays it out whenever a step reads it: nothing is written to `target`.
        """
        if partition_as_file_dataset:
            raise NotSupportedException("A table that is laid out by columns stays a table: leave this out.")
        made = self._with({"kind": "partition_by", "keys": _names(partition_keys)})
        return made if name is None else made.register(self._home(), name, create_new_version=True)

    def get_partition_key_values(self, partition_keys: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The combinations of values that the keys have."""
        keys = list(partition_keys or self.partition_keys)
        if not keys:
            raise UserErrorException("This table is laid out by no columns: call partition_by first.")
        kept = self.keep_columns(keys).to_arrow().group_by(keys).aggregate([])
        found: list[dict[str, Any]] = kept.select(keys).sort_by([(key, "ascending") for key in keys]).to_pylist()
        return found

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """All its rows. It takes pandas and pyarrow, which the caller has to have."""
        for said, word in ((on_error, "on_error"), (out_of_range_datetime, "out_of_range_datetime")):
            if said not in ("null", "fail"):
                raise UserErrorException(f"{word} is “null” or “fail”.")
        if self._local is not None:
            from studio_sdk.data._local_tables import frame_of

            return frame_of(self._local, self._how, self._steps)
        return self.to_arrow().to_pandas()

    def to_arrow(self) -> Any:
        """All its rows as a table of pyarrow, which the caller has to have. For Polars: `polars.from_arrow(…)`."""
        parquet = _parquet()
        if self._local is not None:
            import pyarrow as pa

            return pa.Table.from_pandas(self.to_pandas_dataframe(), preserve_index=False)
        return parquet.read_table(io.BytesIO(self._parquet_bytes()))

    def to_dask_dataframe(self, *_arguments: Any, **_more: Any) -> Any:
        raise NotSupportedException("Use to_pandas_dataframe(), or dask.dataframe.from_pandas of what that gives.")

    def to_spark_dataframe(self) -> Any:
        raise NotSupportedException("Use to_pandas_dataframe(), or Spark's createDataFrame of what that gives.")

    def to_parquet_files(self) -> Any:
        raise NotSupportedException("A step that reads a table finds a folder of Parquet files: bind the table itself.")

    def to_csv_files(self, separator: str = ",") -> Any:
        raise NotSupportedException("Use to_pandas_dataframe().to_csv(…): a step finds a folder of Parquet files.")

    def download(self, stream_column: str, target_path: str | None = None, **_more: Any) -> Any:
        raise NotSupportedException("Tables have no columns of files: name the files by Dataset.File.from_files.")

    def mount(self, stream_column: str, mount_point: str | None = None) -> Any:
        raise NotSupportedException("Tables have no columns of files: name the files by Dataset.File.from_files.")

    def submit_profile_run(self, compute_target: Any, experiment: Any, cache_datastore_name: str | None = None) -> Any:
        raise NotSupportedException("The studio profiles a table itself: use get_profile().")

    def get_profile(self, workspace: Workspace | None = None) -> dict[str, Any]:
        """The studio's profile of a registered version: columns, missing values, distributions. Waits for it."""
        from studio_sdk.data._profiles import profile_of

        return profile_of(self._saved(workspace))

    def __getitem__(self, key: str | Sequence[str]) -> Any:
        """A column to compare, as in `table["age"] > 30`; a list of names keeps these columns."""
        return ColumnExpression(key) if isinstance(key, str) else self.keep_columns(key)

    @classmethod
    def _said(cls, workspace: Workspace | None, table: Mapping[str, Any]) -> TabularDataset:
        made = object.__new__(cls)
        made._workspace, made._dataset, made._version = workspace, None, None
        made._table = {"types": {}, "transformations": [], "timestamp_column": None, **table}
        return made

    def _with(self, *transformations: dict[str, Any]) -> TabularDataset:
        if self._local is not None:
            made = copy.copy(self)
            made._steps = (*self._steps, *transformations)
            return made
        draft = self._draft()
        return self._with_draft({**draft, "transformations": [*draft["transformations"], *transformations]})

    def _with_draft(self, draft: dict[str, Any]) -> TabularDataset:
        if self._local is not None:
            raise UserErrorException("This is the input of a step: use to_pandas_dataframe(), and go on there.")
        made = copy.copy(self)
        made._workspace = self._workspace
        made._dataset = made._version = None
        made._table = draft
        return made

    def _draft(self) -> dict[str, Any]:
        if self._dataset is None:
            assert self._table is not None
            return self._table
        return _draft_of(self._whole()["definition"])

    def _body(self) -> dict[str, Any]:
        return {"table": self._draft()}

    def _is_same_as(self, other: Any) -> bool:
        """By what the studio would make of it, since this may be said without types or a format."""
        ours = self._draft()
        theirs = other._draft()
        home = self._workspace or other._workspace
        settled = home._client.post("/datasets/infer/?rows=1", {"table": ours})["definition"]
        return bool(_draft_of(settled) == theirs)

    def _in_time(self, after: datetime | None = None, before: datetime | None = None) -> TabularDataset:
        said = {
            **({"after": after.isoformat()} if after is not None else {}),
            **({"before": before.isoformat()} if before is not None else {}),
        }
        return self._with({"kind": "time", "column": self._timestamp(), **said})

    def _timestamp(self) -> str:
        column = self._draft()["timestamp_column"]
        if not column:
            raise DatasetTimestampMissingError(
                "This table has no column of time: call with_timestamp_columns(timestamp=…) first."
            )
        return str(column)

    def _parquet_bytes(self) -> bytes:
        from studio_sdk.data._transfer import patiently

        client = self._home()._client
        if self._dataset is not None:
            return patiently(partial(client.read, f"{self._address}parquet/"))
        return patiently(partial(client.read_answer, "/datasets/parquet/", self._body()))


def _draft_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What would make a definition again: as `datastores.drafts.draft_of`."""
    rest = {
        "transformations": list(definition["transformations"]),
        "timestamp_column": definition["timestamp_column"],
    }
    if definition["mltable"] is not None:
        return {"source": {"kind": "mltable", "path": definition["mltable"]}, "types": {}, **rest}
    source = definition["source"]
    if source["kind"] == "query":
        return {"source": dict(source), "types": {}, **rest}
    settled = source["format"]
    files = {
        "kind": "files",
        "paths": source["paths"],
        "format": settled["kind"],
        **{key: settled[key] for key in ("separator", "has_header", "encoding", "quote") if key in settled},
        "partition_format": source["partition_format"],
    }
    types = {} if settled["kind"] == "parquet" else {each["name"]: each["type"] for each in definition["columns"]}
    return {"source": files, "types": types, **rest}


def _names(columns: Columns) -> list[str]:
    return [columns] if isinstance(columns, str) else [str(each) for each in columns]


def _seed(seed: int | None) -> int:
    return random.SystemRandom().randrange(2**31) if seed is None else int(seed)


def _moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise UserErrorException("Give a datetime.")
    return value


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise UserErrorException(
            "Reading a table takes pyarrow (and pandas for a data frame): install them first."
        ) from None
    return parquet

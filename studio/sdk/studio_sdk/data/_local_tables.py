"""Tables within a step, where its node has put their files: read by pandas or pyarrow, which the step has to have."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from typing import Any

from studio_sdk.data.tabular_dataset import TabularDataset
from studio_sdk.exceptions import NotSupportedException, UserErrorException

_SUFFIXES = {"delimited": (".csv", ".tsv", ".txt"), "parquet": (".parquet",)}


def table_at(path: str, how: Mapping[str, Any] | None) -> TabularDataset:
    """A folder of Parquet files, unless `how` says that these are others, as `read_delimited_files` does."""
    made = TabularDataset._said(None, {"source": {}})
    made._local, made._how = path, how
    made._steps = tuple((how or {}).get("transformations") or ())
    return made


def frame_of(path: str, how: Mapping[str, Any] | None, steps: tuple[Mapping[str, Any], ...]) -> Any:
    """Raises UserErrorException where pandas is not there."""
    frame = _frame(path, how)
    for step in steps:
        frame = _done(frame, step)
    return frame.reset_index(drop=True) if steps else frame


def _frame(path: str, how: Mapping[str, Any] | None) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise UserErrorException("Reading a table takes pandas and pyarrow in the step's environment.") from None
    said = dict((how or {}).get("how") or {"format": "parquet"})
    if how is None:
        return pd.read_parquet(path)
    if how.get("partition_format"):
        raise NotSupportedException("An output that another step reads has no partition_format: register it first.")
    types = {
        name: _TYPES[each.type] for name, each in (how.get("set_column_types") or {}).items() if hasattr(each, "type")
    }
    types.update(
        {name: _TYPES[each] for name, each in (how.get("set_column_types") or {}).items() if isinstance(each, str)}
    )
    dates = [name for name, kind in types.items() if kind == "datetime64[ns]"]
    kinds = {name: kind for name, kind in types.items() if name not in dates}
    frames = []
    for file in _files(path, how.get("path_glob"), said["format"]):
        if said["format"] == "delimited":
            header = 0 if said.get("has_header", True) else None
            frame = pd.read_csv(file, sep=said.get("separator", ","), header=header, dtype=kinds, parse_dates=dates)
        elif said["format"] == "parquet":
            frame = pd.read_parquet(file)
        else:
            frame = pd.read_json(file, lines=True)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _files(path: str, pattern: str | None, form: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    wanted = pattern or "**/*"
    found = sorted(each for each in glob.glob(os.path.join(path, wanted), recursive=True) if os.path.isfile(each))
    if pattern is None and form in _SUFFIXES:
        found = [each for each in found if each.endswith(_SUFFIXES[form])] or found
    if not found:
        raise UserErrorException(f"There is no file {wanted} in {path}.")
    return found


def _done(frame: Any, step: Mapping[str, Any]) -> Any:
    kind = step["kind"]
    if kind == "keep_columns":
        return frame[list(step["columns"])]
    if kind == "drop_columns":
        return frame.drop(columns=list(step["columns"]))
    if kind == "take":
        return frame.head(step["count"])
    if kind in ("sample", "split"):
        import random

        chosen = random.Random(step["seed"])  # noqa: S311 (no secret)
        drawn = [chosen.random() < step["fraction"] for _ in range(len(frame))]
        wants_rest = step.get("part") == "second"
        return frame[[one != wants_rest for one in drawn]]
    raise NotSupportedException(f"Within a step a table can't do {kind}: use to_pandas_dataframe(), and go on there.")


_TYPES = {"string": "str", "integer": "Int64", "number": "float64", "boolean": "boolean", "timestamp": "datetime64[ns]"}

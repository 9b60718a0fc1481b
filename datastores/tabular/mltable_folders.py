"""In the isolated process: what an `MLTable` file says, as a definition.

Source: the YAML schema at https://azuremlschemas.azureedge.net/latest/MLTable.schema.json and its reference page.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import yaml

from datastores.backends.interface import NoSuchPath
from datastores.paths import clean_path, join
from datastores.sources import (
    ColumnType,
    Condition,
    DataPath,
    DropColumns,
    Filter,
    KeepColumns,
    Sample,
    TabularDefinition,
    Take,
    Transformation,
)
from datastores.tabular import looking, transformations
from datastores.tabular.inference import FilesDraft, Inference
from datastores.tabular.stores import OpenStores, StoreSpecs
from studio.lib.problems import Problem, UserError

FILE_NAME = "MLTable"
MOST_BYTES = 1024**2
MOST_ITEMS = 1000
_TYPES: Mapping[str, ColumnType] = {
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "datetime": "timestamp",
}
_DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "space": " "}
_ENCODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8",
    "iso88591": "latin-1",
    "latin1": "latin-1",
    "ascii": "ascii",
    "utf16": "utf-16",
    "windows1252": "cp1252",
}
_READS = {"read_delimited": "delimited", "read_parquet": "parquet", "read_json_lines": "json_lines"}
_COMPARISON = re.compile(
    r"""\s*\(?\s*col\(\s*(?P<quote>['"])(?P<column>.*?)(?P=quote)\s*\)\s*(?P<operator>==|!=|<=|>=|<|>)\s*"""
    r"""(?:(?P<mark>['"])(?P<text>.*?)(?P=mark)|(?P<bare>-?[\w.:+-]+))\s*\)?\s*"""
)
_HEADERS: Mapping[str, bool | None] = {
    "no_header": False,
    "from_first_file": True,
    "all_files_same_headers": True,
    "all_files_different_headers": None,  # not one table
    "true": True,
    "false": False,
}


def look(path: DataPath, specs: StoreSpecs) -> Inference:
    """See `mltable.look`."""
    with OpenStores(specs) as stores:
        reading = _Reading(path, _parsed(_text(path, stores)))
    seen = looking.look(reading.draft, reading.given(), specs)
    definition = seen.definition.model_copy(update={"transformations": reading.steps, "mltable": path})
    left = reading.settled(definition)
    transformations.checked(left.transformations, left.columns)
    return Inference(TabularDefinition.model_validate(left.model_dump()), [*reading.notes, *seen.notes])


def _text(path: DataPath, stores: OpenStores) -> str:
    backend, folder = stores.files(path)
    try:
        with backend.open_read(join(folder.rstrip("/"), FILE_NAME)) as stream:
            content = stream.read(MOST_BYTES + 1)
    except NoSuchPath:
        raise UserError(f"There is no file “{FILE_NAME}” in this folder. Choose the folder that holds it.") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"The file “{FILE_NAME}” is larger than {MOST_BYTES // 1024**2} MB: that is no MLTable.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"The file “{FILE_NAME}” is not written in UTF-8. Store it again.") from None


class _Loader(yaml.SafeLoader):
    """No aliases: a few of them make a small file a huge one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UserError(f"“{FILE_NAME}” uses an alias (*name). Write out what it stands for.")
        return super().compose_node(parent, index)


def _parsed(text: str) -> dict[str, Any]:
    try:
        said = yaml.load(text, _Loader)  # noqa: S506 (a safe one)
    except RecursionError:
        raise UserError(f"“{FILE_NAME}” is nested too deeply. Write it flat.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"“{FILE_NAME}”{where} is not YAML: {getattr(error, 'problem', None) or 'see there'}."
        ) from None
    if not isinstance(said, dict) or not isinstance(said.get("paths"), list):
        raise UserError(f"“{FILE_NAME}” has no list “paths”. Write one, as in `paths: [{{pattern: ./*.csv}}]`.")
    return said


class _Reading:
    """What is understood of a file; the rest is refused by name."""

    def __init__(self, path: DataPath, said: dict[str, Any]) -> None:
        self.path = path
        self.steps: list[Transformation] = []
        self.notes: list[str] = []
        self._draft: dict[str, Any] = {"paths": self._paths(said["paths"])}
        self._types: dict[str, ColumnType] = {}
        self._keeps_path_column = False
        for key in said:
            if key not in {"$schema", "type", "paths", "transformations", "metadata", "name", "version", "traits",
                           "description", "tags"}:  # fmt: skip
                _not_understood(f"the entry “{key}”")
        if said.get("type", "mltable") != "mltable":
            _not_understood(f"the type “{said['type']}”")
        listed = said.get("transformations") or []
        if not isinstance(listed, list) or len(listed) > MOST_ITEMS:
            raise UserError(f"“transformations” in “{FILE_NAME}” is to be a list.")
        for step in listed:
            name, value = next(iter(step.items())) if isinstance(step, dict) and len(step) == 1 else (step, None)
            does = self._does().get(str(name))
            if does is None:
                _not_understood(f"the transformation “{str(name)[:60]}”")
            does(value)
        if "format" not in self._draft:
            self.notes.append(f"“{FILE_NAME}” doesn't say how to read the files: their endings and contents did.")

    @property
    def draft(self) -> FilesDraft:
        return FilesDraft.model_validate(self._draft)

    def given(self) -> dict[str, ColumnType]:
        return self._types

    def settled(self, definition: TabularDefinition) -> TabularDefinition:
        """With types that were asked for, which have to be of columns that are there."""
        known = {column.name for column in definition.columns}
        problems = [
            Problem(("columns", name), transformations.no_column(name, known))
            for name in self._types
            if name not in known
        ]
        if problems:
            raise UserError(problems)
        return definition

    def _does(self) -> Mapping[str, Callable[[Any], object]]:
        return {
            "read_delimited": self._read_delimited,
            "read_parquet": lambda value: self._read("read_parquet", value),
            "read_json_lines": self._read_json_lines,
            "keep_columns": lambda value: self.steps.append(KeepColumns(columns=_names(value))),
            "drop_columns": lambda value: self.steps.append(DropColumns(columns=_names(value))),
            "take": self._take,
            "take_random_sample": self._sample,
            "convert_column_types": self._convert,
            "filter": self._filter,
            "extract_columns_from_partition_format": self._partition,
        }

    def _paths(self, listed: list[Any]) -> list[DataPath]:
        if not listed or len(listed) > MOST_ITEMS:
            raise UserError(f"“paths” in “{FILE_NAME}” names no path, or more than {MOST_ITEMS:,}. Use a pattern.")
        return [self._data_path(item) for item in listed]

    def _data_path(self, item: Any) -> DataPath:
        if not isinstance(item, dict) or len(item) != 1:
            raise UserError(
                f"Each of “paths” in “{FILE_NAME}” is one file, folder or pattern, as in `- file: ./a.csv`."
            )
        kind, value = next(iter(item.items()))
        if kind not in {"file", "folder", "pattern"}:
            _not_understood(f"the path “{str(kind)[:60]}”")
        text = str(value)
        if re.match(r"https?://", text):
            return DataPath(datastore_id=None, path=text)
        if "://" in text or text.startswith("azureml:"):
            raise UserError(
                f"“{text[:100]}” in “{FILE_NAME}” leads out of this folder. Register its place as a datastore, "
                "and make a dataset there."
            )
        if self.path.is_web:
            return DataPath(datastore_id=None, path=f"{self.path.path.rstrip('/')}/{text.removeprefix('./')}")
        inner = clean_path(f"{self.path.path}/{text}" if self.path.path else text, loc=("paths",))
        return DataPath(datastore_id=self.path.datastore_id, path=inner)

    def _read(self, name: str, value: Any, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
        if "format" in self._draft:
            raise UserError(f"“{FILE_NAME}” reads the files twice. Leave “{name}” out, or the other one.")
        self._draft["format"] = _READS[name]
        said = value or {}
        if not isinstance(said, dict):
            raise UserError(f"“{name}” in “{FILE_NAME}” takes named options, as in `encoding: utf8`.")
        always = ("include_path_column",)
        for option in said:
            if option not in (*allowed, *always):
                _not_understood(f"the option “{str(option)[:60]}” of “{name}”")
        if said.get("include_path_column") in {True, "true"}:
            _not_understood("`include_path_column: true` (name parts of the path by a partition format instead)")
        return said

    def _read_delimited(self, value: Any) -> None:
        allowed = ("delimiter", "encoding", "header", "empty_as_string", "support_multi_line")
        said = self._read("read_delimited", value, allowed)
        if "delimiter" in said:
            self._draft["separator"] = _DELIMITERS.get(str(said["delimiter"]), str(said["delimiter"]))
        self._encoding(said)
        if "header" in said:
            header = _HEADERS.get(str(said["header"]).lower())
            if not isinstance(header, bool):
                _not_understood(f"`header: {str(said['header'])[:60]}`")
            self._draft["has_header"] = header
        if said.get("empty_as_string"):
            self.notes.append("An empty cell counts as missing, although empty_as_string asks for an empty text.")

    def _read_json_lines(self, value: Any) -> None:
        said = self._read("read_json_lines", value, ("encoding", "invalid_lines"))
        self._encoding(said)
        if str(said.get("invalid_lines", "error")) != "error":
            _not_understood("`invalid_lines: drop` (correct the lines instead)")

    def _encoding(self, said: Mapping[str, Any]) -> None:
        if "encoding" in said:
            name = str(said["encoding"]).lower()
            if name.replace("-", "").replace("_", "") not in _ENCODINGS:
                _not_understood(f"the encoding “{name[:60]}”")
            self._draft["encoding"] = _ENCODINGS[name.replace("-", "").replace("_", "")]

    def _take(self, value: Any) -> None:
        if isinstance(value, dict):
            value = value.get("count")
        if not isinstance(value, int) or isinstance(value, bool):
            raise UserError(f"“take” in “{FILE_NAME}” takes a whole number.")
        self.steps.append(Take(count=value))

    def _sample(self, value: Any) -> None:
        said = value if isinstance(value, dict) else {"probability": value}
        try:
            self.steps.append(Sample(fraction=float(said["probability"]), seed=int(said.get("seed") or 0)))
        except (KeyError, TypeError, ValueError):
            raise UserError(f"“take_random_sample” in “{FILE_NAME}” takes a probability (and a seed).") from None

    def _convert(self, value: Any) -> None:
        for entry in value if isinstance(value, list) else [value]:
            if not isinstance(entry, dict) or "columns" not in entry or "column_type" not in entry:
                raise UserError(f"“convert_column_types” in “{FILE_NAME}” takes columns and a column_type for each.")
            asked = entry["column_type"]
            kind, options = next(iter(asked.items())) if isinstance(asked, dict) and asked else (asked, None)
            if str(kind) not in _TYPES:
                _not_understood(f"the column type “{str(kind)[:60]}”")
            if options:
                self._options_of(str(kind), options)
            for name in _names(entry["columns"]):
                self._types[name] = _TYPES[str(kind)]

    def _options_of(self, kind: str, options: Any) -> None:
        formats = options.get("formats") if isinstance(options, dict) else None
        if kind == "datetime" and formats:
            known = {"%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f"}
            for form in formats:
                if form not in known:
                    _not_understood(f"the time format “{str(form)[:60]}”")
            return
        _not_understood(f"options of the column type “{kind}”")

    def _filter(self, value: Any) -> None:
        text = str(value)
        parts = re.split(r"\s+(and|or)\s+|\s*([&|])\s*", text)
        joins = {part for part in parts[1:] if part in {"and", "or", "&", "|"}}
        conditions = [part for part in parts if part and part not in {"and", "or", "&", "|"}]
        if len({"all" if join in {"and", "&"} else "any" for join in joins}) > 1:
            _not_understood(f"the filter “{text[:100]}” (write one filter for each condition)")
        matches = [_COMPARISON.fullmatch(condition) for condition in conditions]
        if not matches or not all(matches):
            _not_understood(f'the filter “{text[:100]}” (compare columns with values, as in `col("x") > 5`)')
        self.steps.append(
            Filter(
                conditions=[_condition(match) for match in matches if match],
                match="any" if joins & {"or", "|"} else "all",
            )
        )

    def _partition(self, value: Any) -> None:
        text = value.get("partition_format") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise UserError(f"“extract_columns_from_partition_format” in “{FILE_NAME}” takes a partition_format.")
        self._draft["partition_format"] = text.lstrip("/")


def _condition(match: re.Match[str]) -> Condition:
    operator: Any = {"==": "="}.get(match["operator"], match["operator"])
    value = match["text"] if match["text"] is not None else match["bare"]
    return Condition(column=match["column"], operator=operator, value=value)


def _names(value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise UserError(f"Columns in “{FILE_NAME}” are named by a text or a list of texts.")
    return names


def _not_understood(what: str) -> NoReturn:
    raise UserError(f"The studio doesn't understand {what} in “{FILE_NAME}”. Leave it out, or say it another way.")

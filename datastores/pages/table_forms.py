"""The form of a table: what was typed becomes a `TableDraft`; empty fields are found out."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from django.http import QueryDict
from pydantic import ValidationError

from datastores.definition_words import SEPARATORS, TYPES, separator_words
from datastores.drafts import FilesDraft, MLTableDraft, TableDraft
from datastores.pages.dataset_forms import PathRows
from datastores.sources import (
    DelimitedFormat,
    FilesSource,
    JsonLinesFormat,
    QuerySource,
    TabularDefinition,
)
from studio.lib.misshapen import shape_problems
from studio.lib.problems import Problem, UserError

Where = Literal["files", "query", "mltable"]

FORMATS = {"delimited": "Text with a separator (CSV, TSV)", "parquet": "Parquet", "json_lines": "JSON lines"}
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252 (Western Europe)",
    "latin-1": "Latin-1",
    "cp1251": "Windows-1251 (Cyrillic)",
    "shift_jis": "Shift JIS",
    "gb18030": "GB 18030",
}
_FIELDS = (
    "where",
    "format",
    "separator",
    "has_header",
    "encoding",
    "partition_format",
    "sql_datastore",
    "query",
    "timeout_s",
    "mltable_datastore",
    "mltable_path",
    "timestamp_column",
)
_PART_FIELDS = ("format", "separator", "has_header", "encoding", "partition_format")


class TableForm:
    """What was typed, field by field, with what is wrong at each."""

    def __init__(self, values: Mapping[str, str], rows: PathRows, types: Mapping[str, str]) -> None:
        self.values = dict(values)
        self.rows = rows
        self.types = dict(types)
        self.problems: list[Problem] = []

    @classmethod
    def from_query(cls, query: QueryDict) -> "TableForm":
        values = {name: query.get(name, "") for name in _FIELDS}
        types = zip(query.getlist("column"), query.getlist("column_type"), strict=False)
        return cls(values, PathRows.from_query(query), {name: type_ for name, type_ in types if type_})

    @classmethod
    def from_definition(cls, definition: TabularDefinition) -> "TableForm":
        """As it would have been typed: settings of files and types of columns stay what they are."""
        values = dict.fromkeys(_FIELDS, "")
        values["timestamp_column"] = definition.timestamp_column or ""
        source = definition.source
        if definition.mltable is not None:
            place = definition.mltable
            values |= {
                "where": "mltable",
                "mltable_datastore": str(place.datastore_id or ""),
                "mltable_path": place.path,
            }
            return cls(values, PathRows([]), {})
        if isinstance(source, QuerySource):
            values |= {"where": "query", "sql_datastore": str(source.datastore_id), "query": source.query}
            values["timeout_s"] = f"{source.timeout_s:g}"
            return cls(values, PathRows([]), {})
        values |= {"where": "files", "format": source.format.kind, "partition_format": source.partition_format or ""}
        if isinstance(source.format, DelimitedFormat):
            values["separator"], values["encoding"] = _separator_word(source.format.separator), source.format.encoding
            values["has_header"] = "yes" if source.format.has_header else "no"
        elif isinstance(source.format, JsonLinesFormat):
            values["encoding"] = source.format.encoding
        types = {} if source.format.kind == "parquet" else {column.name: column.type for column in definition.columns}
        return cls(values, PathRows.from_paths(source.paths), types)

    @property
    def where(self) -> Where:
        where = self.values["where"]
        return where if where in get_args(Where) else "files"  # type: ignore[return-value]

    @property
    def says_where(self) -> bool:
        """Whether there is anything to look at yet."""
        match self.where:
            case "files":
                return any(path.strip() for _, path in self.rows.given)
            case "query":
                return bool(self.values["query"].strip())
            case "mltable":
                return bool(self.values["mltable_datastore"])

    def draft(self) -> TableDraft:
        """Raises UserError at the fields that hold what they can't."""
        value = self.values
        try:
            source: FilesDraft | QuerySource | MLTableDraft
            match self.where:
                case "files":
                    source = self._files()
                case "query":
                    source = QuerySource(
                        datastore_id=_id_of(value["sql_datastore"], "datastore_id", "Choose a SQL datastore."),
                        query=value["query"].replace("\r\n", "\n"),
                        timeout_s=_seconds(value["timeout_s"]),
                    )
                case "mltable":
                    place = PathRows([(value["mltable_datastore"], value["mltable_path"])]).data_paths()[0]
                    source = MLTableDraft(path=place)
            return TableDraft(
                source=source,
                types={} if self.where == "mltable" else self.types,  # type: ignore[arg-type] # pydantic looks at them
                timestamp_column=value["timestamp_column"] or None,
            )
        except ValidationError as error:
            raise UserError([_in_form(found) for found in shape_problems(error, TableDraft)]) from error

    def _files(self) -> FilesDraft:
        value = self.values
        format_ = value["format"] or None
        is_delimited = format_ in {None, "delimited"}
        return FilesDraft(
            paths=self.rows.data_paths(),
            format=format_,  # type: ignore[arg-type] # pydantic looks at it
            separator=_separator(value["separator"]) if is_delimited else None,
            has_header={"yes": True, "no": False}.get(value["has_header"]) if is_delimited else None,
            encoding=(value["encoding"] or None) if format_ != "parquet" else None,
            partition_format=value["partition_format"].strip() or None,
        )

    def show(self, problems: Sequence[Problem]) -> None:
        self.problems += problems
        self.rows = self.rows.with_problems(self.problems)

    def context(self, found: TabularDefinition | None) -> dict[str, Any]:
        """For the template: every field with its choices, what was found out, and what is wrong."""
        settled = found.source.format if found and isinstance(found.source, FilesSource) else None
        columns = found.columns if found else []
        return {
            "values": self.values,
            "where": self.where,
            "found_format": settled,
            "found_separator": separator_words(settled.separator) if isinstance(settled, DelimitedFormat) else "",
            "formats": FORMATS,
            "separators": {_separator_word(separator): word.capitalize() for separator, word in SEPARATORS.items()},
            "encodings": _with_own(ENCODINGS, self.values["encoding"]),
            "columns": [
                {"name": column.name, "type": column.type, "given": self.types.get(column.name, "")}
                for column in columns
            ],
            # Nothing was found: what was chosen before stays, and can be chosen anew.
            "kept_types": [] if columns else [{"name": name, "given": type_} for name, type_ in self.types.items()],
            "kept_values": [
                (name, self.values[name])
                for name in _PART_FIELDS
                if self.values[name] and (self.where != "files" or not self.says_where)
            ],
            "types": TYPES,
            "time_columns": [column.name for column in columns if column.type in {"timestamp", "date"}],
            "problem_at": (at := self._by_field()),
            "query_problems": [words for name in ("datastore_id", "query", "timeout_s") for words in at.get(name, [])],
            "general": [problem.message for problem in self.problems if _field(problem) == ""],
        }

    def _by_field(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for problem in self.problems:
            found.setdefault(_field(problem), []).append(problem.message)
        return found


def _field(problem: Problem) -> str:
    """The field of the form that a problem belongs to; empty where it has none."""
    loc = problem.loc
    if loc[:1] == ("format",) and len(loc) > 1:
        return str(loc[1])
    if loc[:1] == ("columns",):
        return f"column {loc[1]}" if len(loc) > 1 else ""
    known = {*_FIELDS, "datastore_id", "mltable", "paths"}
    return str(loc[0]) if loc and loc[0] in known else ""


def _separator(word: str) -> str | None:
    return {"tab": "\t", "space": " "}.get(word, word) or None


def _separator_word(separator: str) -> str:
    """Tabs and spaces don't survive in a field."""
    return {"\t": "tab", " ": "space"}.get(separator, separator)


def _with_own(choices: Mapping[str, str], value: str) -> dict[str, str]:
    """The choices, and the value where it is none of them."""
    return {**choices, value: value} if value and value not in choices else dict(choices)


def _id_of(text: str, field: str, message: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise UserError(message, loc=(field,))
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(text) if text.strip() else 300.0
    except ValueError as error:
        raise UserError("Give a number of seconds.", loc=("timeout_s",)) from error


def _in_form(problem: Problem) -> Problem:
    """At the field of the form."""
    loc = [part for part in problem.loc if part not in {"source", "function-after"}]
    if loc[:1] == ["types"]:
        return Problem(("columns", *loc[1:2]), "Choose a type from the list.")
    return Problem(tuple(loc), problem.message)

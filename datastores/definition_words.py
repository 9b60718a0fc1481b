"""A dataset's definition in words: where its data lies, how it is read, and what is done to its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datastores.models import Datastore
from datastores.paths import fixed_folder, is_glob
from datastores.sources import (
    Condition,
    DataPath,
    Definition,
    DelimitedFormat,
    DropColumns,
    FileDefinition,
    Filter,
    Format,
    JsonLinesFormat,
    KeepColumns,
    PartitionBy,
    QuerySource,
    Sample,
    Split,
    Take,
    TimeFilter,
    Transformation,
    paths_of,
)

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "space", ":": "colon"}
TYPES: dict[str, str] = {
    "string": "Text",
    "integer": "Whole number",
    "number": "Number",
    "decimal": "Decimal number",
    "boolean": "True or false",
    "date": "Date",
    "time": "Time of day",
    "timestamp": "Timestamp",
}
OPERATORS = {
    "=": "is",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is greater than",
    ">=": "is at least",
    "contains": "contains",
    "starts_with": "starts with",
    "in": "is one of",
    "is_missing": "is missing",
    "is_present": "is there",
}
UNITS = ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_NAMED = 4


@dataclass(frozen=True, slots=True)
class PathWords:
    """Where a path leads. `datastore` is None for a web address."""

    path: str
    datastore: Datastore | None
    is_removed: bool = False
    folder: str = ""  # where to go to see it
    is_file_like: bool = False

    @property
    def store_name(self) -> str:
        return self.datastore.name if self.datastore else "a datastore that was removed"


def path_words(path: DataPath, datastores: Mapping[int, Datastore]) -> PathWords:
    if path.datastore_id is None:
        return PathWords(path.path, None, is_file_like=True)
    datastore = datastores.get(path.datastore_id)
    is_pattern = is_glob(path.path)
    return PathWords(
        path.path,
        datastore,
        is_removed=datastore is None or datastore.removed_at is not None,
        folder=fixed_folder(path.path),
        is_file_like=not is_pattern and "." in path.path.rpartition("/")[2],
    )


def paths_words(definition: Definition, datastores: Mapping[int, Datastore]) -> list[PathWords]:
    return [path_words(path, datastores) for path in paths_of(definition)]


def source_words(definition: Definition) -> str:
    """How the rows are read, in a line; empty for a dataset of files."""
    if isinstance(definition, FileDefinition):
        return ""
    if isinstance(definition.source, QuerySource):
        return f"A query, answered within {duration_words(definition.source.timeout_s)}"
    return format_words(definition.source.format)


def format_words(format_: Format) -> str:
    """As in `Text separated by comma, with a header, utf-8`."""
    if isinstance(format_, DelimitedFormat):
        header = "with a header" if format_.has_header else "without a header"
        return f"Text separated by {separator_words(format_.separator)}, {header}, {format_.encoding}"
    return f"JSON lines, {format_.encoding}" if isinstance(format_, JsonLinesFormat) else "Parquet"


def separator_words(separator: str) -> str:
    return SEPARATORS.get(separator, f"“{separator}”")


def transformation_words(step: Transformation) -> str:
    """What a transformation does, as a sentence without its full stop."""
    match step:
        case KeepColumns():
            return f"Keep {_columns(step.columns)}"
        case DropColumns():
            return f"Drop {_columns(step.columns)}"
        case Filter():
            joint = " and " if step.match == "all" else " or "
            return f"Keep the rows where {joint.join(condition_words(each) for each in step.conditions)}"
        case Take():
            return "Take the first row" if step.count == 1 else f"Take the first {step.count:,} rows"
        case Sample():
            return f"Take a random {percent(step.fraction)} of the rows (seed {step.seed})"
        case Split(part="first"):
            return f"Take the first part, {percent(step.fraction)}, of a random split (seed {step.seed})"
        case Split():
            return f"Take the second part, {percent(1 - step.fraction)}, of a random split (seed {step.seed})"
        case TimeFilter():
            return f"Keep the rows {_when(step)}"
        case PartitionBy():
            return f"Lay the rows out by {_columns(step.keys, bare=True)}"


def condition_words(condition: Condition) -> str:
    what = OPERATORS[condition.operator]
    if condition.operator in {"is_missing", "is_present"}:
        return f"{condition.column} {what}"
    values = condition.values if condition.operator == "in" else [condition.value]
    return f"{condition.column} {what} {_listed([f'“{value}”' for value in values])}"


def duration_words(seconds: float) -> str:
    """As in `2 weeks`, `90 seconds`: in the largest unit that fits in whole numbers."""
    for length, unit in UNITS:
        count = seconds / length
        if count >= 1 and count == int(count):
            return f"{int(count):,} {unit}" if count == 1 else f"{int(count):,} {unit}s"
    return f"{seconds:g} seconds"


def percent(fraction: float) -> str:
    return f"{round(fraction * 100, 4):g} %"


def _when(step: TimeFilter) -> str:
    parts = []
    if step.after is not None:
        parts.append(f"from {step.after:%Y-%m-%d %H:%M}")
    if step.before is not None:
        parts.append(f"before {step.before:%Y-%m-%d %H:%M}")
    if step.recent_s is not None:
        parts.append(f"of the last {duration_words(step.recent_s)} when they are read")
    return f"{' and '.join(parts)}, by {step.column}"


def _columns(names: Sequence[str], *, bare: bool = False) -> str:
    prefix = "" if bare else "the column " if len(names) == 1 else "the columns "
    return prefix + _listed(names)


def _listed(words: Sequence[str]) -> str:
    if len(words) > _NAMED + 1:
        return f"{', '.join(words[:_NAMED])} and {len(words) - _NAMED} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"

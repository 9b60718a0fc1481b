"""What is done to the rows of a table: the columns that are left, and the statement that does it.

Pure: nothing here looks at data. A statement names columns by their position, and holds what people wrote as literals
alone, so that no name and no value can say anything else than itself.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from datastores.sources import (
    Column,
    ColumnType,
    Condition,
    DropColumns,
    Filter,
    KeepColumns,
    PartitionBy,
    Sample,
    Split,
    Take,
    TimeFilter,
    Transformation,
)
from datastores.tabular.sql import literal, position
from datastores.tabular.types import TYPE_NAMES
from studio.lib.problems import Problem, UserError

Loc = tuple[str | int, ...]

POSITION = "p"  # of a row in its source, where rows are chosen at random
_COMPARED: tuple[ColumnType, ...] = ("string", "integer", "number", "decimal", "boolean", "date", "time", "timestamp")
_MOST_ROWS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A column, and where it stands in the statement."""

    column: Column
    sql_name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT of `columns`, in their order, by their `sql_name`; `keys` are those that files are parted by."""

    sql: str
    columns: list[Placed]
    keys: list[Placed]


def checked(transformations: Sequence[Transformation], columns: Sequence[Column]) -> list[Column]:
    """The columns that are left of `columns`.

    Raises UserError with every problem at `("transformations", index, FIELD)`.
    """
    return [placed.column for placed in statement(transformations, columns, "SELECT 1").columns]


def needs_positions(transformations: Sequence[Transformation]) -> bool:
    """Whether the source has to say each row's position, as the column `POSITION`."""
    return any(isinstance(step, Sample | Split) for step in transformations)


def statement(
    transformations: Sequence[Transformation], columns: Sequence[Column], source: str, *, names: Sequence[str] = ()
) -> Statement:
    """`transformations` over the SELECT `source`, which gives each of `columns` under its `sql.position` name (or the
    one of `names`). Raises UserError as `checked`."""
    work = _Work(source, [Placed(column, names[i] if names else position(i)) for i, column in enumerate(columns)])
    problems: list[Problem] = []
    for index, step in enumerate(transformations):
        found = work.apply(step, ("transformations", index))
        problems += found
    if problems:
        raise UserError(problems)
    selected = ", ".join(placed.sql_name for placed in work.columns)
    return Statement(f"SELECT {selected} FROM ({work.sql})", work.columns, work.keys)  # noqa: S608 (our own names)


class _Work:
    """A statement under way."""

    def __init__(self, source: str, columns: list[Placed]) -> None:
        self.sql = source
        self.columns = columns
        self.keys: list[Placed] = []
        self._draws = 0  # each draw is independent of those before it, although their seeds are the same

    def apply(self, step: Transformation, loc: Loc) -> list[Problem]:
        """Do `step`; returns what is wrong with it, at `loc`."""
        match step:
            case KeepColumns() | DropColumns():
                return self._choose(step, loc)
            case Filter():
                return self._filter(step, loc)
            case Take():
                return self._take(step, loc)
            case Sample():
                return self._draw(step.fraction, step.seed, loc, keeps_low=True)
            case Split():
                return self._draw(step.fraction, step.seed, loc, keeps_low=step.part == "first")
            case TimeFilter():
                return self._time(step, loc)
            case PartitionBy():
                return self._partition(step, loc)

    def _choose(self, step: KeepColumns | DropColumns, loc: Loc) -> list[Problem]:
        problems = self._unknown(step.columns, (*loc, "columns"))
        if not step.columns:
            problems.append(Problem((*loc, "columns"), "Name at least one column."))
        if problems:
            return problems
        named = set(step.columns)
        if isinstance(step, KeepColumns):  # in the order that was asked for
            by_name = {placed.column.name: placed for placed in self.columns}
            left = [by_name[name] for name in dict.fromkeys(step.columns)]
        else:
            left = [placed for placed in self.columns if placed.column.name not in named]
        if not left:
            return [Problem((*loc, "columns"), "This leaves no column. Drop fewer.")]
        self.columns = left
        self.keys = [key for key in self.keys if key in left]
        return []

    def _filter(self, step: Filter, loc: Loc) -> list[Problem]:
        if not step.conditions:
            return [Problem((*loc, "conditions"), "Add a condition, or remove the filter.")]
        problems: list[Problem] = []
        said = []
        for index, condition in enumerate(step.conditions):
            try:
                said.append(f"({_condition(condition, self.columns, (*loc, 'conditions', index))})")
            except UserError as error:
                problems += error.problems
        if not problems:
            self._where((" AND " if step.match == "all" else " OR ").join(said))
        return problems

    def _take(self, step: Take, loc: Loc) -> list[Problem]:
        if not 0 <= step.count <= _MOST_ROWS:
            return [Problem((*loc, "count"), "Take how many rows? Give a whole number, zero or more.")]
        self.sql = f"SELECT * FROM ({self.sql}) LIMIT {step.count:d}"  # noqa: S608
        return []

    def _draw(self, fraction: float, seed: int, loc: Loc, *, keeps_low: bool) -> list[Problem]:
        if not 0 <= fraction <= 1:  # NaN is neither
            return [Problem((*loc, "fraction"), "Give a fraction between 0 and 1, as in 0.2.")]
        # MD5 is the same in every version of the database, and its lower half a good 64 bits. The bound is compared
        # with whole numbers, so that the parts meet and never overlap.
        salt = literal(f"{seed:d}:{self._draws}:")
        self._draws += 1
        bound = round(fraction * 2**64)
        drawn = f"md5_number_lower({salt} || {POSITION})::HUGEINT < {bound:d}::HUGEINT"
        self._where(drawn if keeps_low else f"NOT ({drawn})")
        return []

    def _time(self, step: TimeFilter, loc: Loc) -> list[Problem]:
        problems = self._unknown([step.column], (*loc, "column"))
        if problems:
            return problems
        placed = self._by_name(step.column)
        if placed.column.type not in {"timestamp", "date"}:
            return [Problem((*loc, "column"), f"“{step.column}” holds no timestamps. Choose a column that does.")]
        if step.after is None and step.before is None and step.recent_s is None:
            return [Problem((*loc, "after"), "Say after or before when, or how recent the rows are to be.")]
        if step.recent_s is not None and not 0 < step.recent_s < 1e10:
            return [Problem((*loc, "recent_s"), "Give a time span above zero.")]
        if step.after and step.before and _utc(step.after) >= _utc(step.before):
            return [Problem((*loc, "before"), "This ends before it begins: no row could be in it.")]
        after = [step.after] if step.after else []
        if step.recent_s is not None:
            after.append(dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=step.recent_s))
        bounds = [f"{placed.sql_name} >= {_instant(instant)}" for instant in after]
        bounds += [f"{placed.sql_name} < {_instant(step.before)}"] if step.before else []
        self._where(" AND ".join(bounds))
        return []

    def _partition(self, step: PartitionBy, loc: Loc) -> list[Problem]:
        problems = self._unknown(step.keys, (*loc, "keys"))
        if not step.keys:
            problems.append(Problem((*loc, "keys"), "Name at least one column to part the files by."))
        if len(set(step.keys)) < len(step.keys):
            problems.append(Problem((*loc, "keys"), "Name each column once."))
        if problems:
            return problems
        keys = [self._by_name(name) for name in step.keys]
        for key in keys:
            if key.column.type in {"other", "binary"}:
                name = key.column.name
                return [Problem((*loc, "keys"), f"“{name}” can't name folders: choose texts, numbers or dates.")]
        if len(keys) == len(self.columns):
            return [Problem((*loc, "keys"), "Leave at least one column that is no key: the files would be empty.")]
        self.keys = keys
        return []

    def _where(self, condition: str) -> None:
        self.sql = f"SELECT * FROM ({self.sql}) WHERE {condition}"  # noqa: S608 (literals and our own names)

    def _by_name(self, name: str) -> Placed:
        return next(placed for placed in self.columns if placed.column.name == name)

    def _unknown(self, names: Sequence[str], loc: Loc) -> list[Problem]:
        known = {placed.column.name for placed in self.columns}
        return [Problem(loc, no_column(name, known)) for name in names if name not in known]


def no_column(name: str, known: set[str]) -> str:
    near = next((other for other in sorted(known) if other.casefold() == name.casefold()), None)
    shown = name if len(name) <= 100 else name[:100] + "…"
    return f"There is no column “{shown}” here." + (f" Did you mean “{near}”?" if near else "")


def _condition(condition: Condition, columns: Sequence[Placed], loc: Loc) -> str:
    """Raises UserError at `(*loc, FIELD)`."""
    placed = next((placed for placed in columns if placed.column.name == condition.column), None)
    if placed is None:
        known = {placed.column.name for placed in columns}
        raise UserError(no_column(condition.column, known), loc=(*loc, "column"))
    name, kind = placed.sql_name, placed.column.type
    match condition.operator:
        case "is_missing":
            return f"{name} IS NULL"
        case "is_present":
            return f"{name} IS NOT NULL"
    if kind not in _COMPARED:
        raise UserError(
            f"“{condition.column}” can't be compared: it can only be missing or present.", loc=(*loc, "operator")
        )
    match condition.operator:
        case "contains" | "starts_with":
            return f"{condition.operator}({name}::VARCHAR, {_read(condition.value, 'string', (*loc, 'value'))})"
        case "in":
            if not condition.values:
                raise UserError("Give at least one value.", loc=(*loc, "values"))
            values = [_read(value, kind, (*loc, "values", index)) for index, value in enumerate(condition.values)]
            return f"{name} IN ({', '.join(values)})"
        case "!=":  # a missing value is another one
            return f"{name} IS DISTINCT FROM {_read(condition.value, kind, (*loc, 'value'))}"
        case operator:
            return f"{name} {operator} {_read(condition.value, kind, (*loc, 'value'))}"


def _read(value: str, kind: ColumnType, loc: Loc) -> str:
    """The literal that `value` is, as one of `kind`. Raises UserError at `loc`."""
    try:
        return _READERS[kind](value if kind == "string" else value.strip())
    except (ValueError, InvalidOperation, OverflowError):
        shown = value if len(value) <= 100 else value[:100] + "…"
        raise UserError(f"“{shown}” is not {TYPE_NAMES[kind]}.", loc=loc) from None
    except UserError as error:
        raise UserError(str(error), loc=loc) from None


def _integer(text: str) -> str:
    number = int(text)
    if not -(2**127) < number < 2**127:
        raise ValueError(text)
    return f"({number:d})::HUGEINT"


def _number(text: str) -> str:
    return f"{literal(repr(float(text)))}::DOUBLE"


def _decimal(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite() or abs(number) >= 10**28 or number.as_tuple().exponent < -10:  # type: ignore[operator]
        raise ValueError(text)
    return f"{literal(format(number, 'f'))}::DECIMAL(38, 10)"


def _boolean(text: str) -> str:
    return {"true": "TRUE", "1": "TRUE", "yes": "TRUE", "false": "FALSE", "0": "FALSE", "no": "FALSE"}.get(
        text.lower()
    ) or _raise(text)


def _raise(text: str) -> str:
    raise ValueError(text)


def _timestamp(text: str) -> str:
    return _instant(dt.datetime.fromisoformat(text))


_READERS: Mapping[ColumnType, Callable[[str], str]] = {
    "string": literal,
    "integer": _integer,
    "number": _number,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": lambda text: f"{literal(dt.date.fromisoformat(text).isoformat())}::DATE",
    "time": lambda text: f"{literal(dt.time.fromisoformat(text).isoformat())}::TIME",
    "timestamp": _timestamp,
}


def _utc(instant: dt.datetime) -> dt.datetime:
    """Without a zone it is meant in UTC, as every timestamp without one."""
    return instant.replace(tzinfo=dt.UTC) if instant.tzinfo is None else instant.astimezone(dt.UTC)


def _instant(instant: dt.datetime) -> str:
    # DuckDB compares it with columns that know a zone and with those that don't: the connection's zone is UTC.
    return f"{literal(_utc(instant).replace(tzinfo=None).isoformat(sep=' '))}::TIMESTAMP"

"""What a table's columns hold: counts, extremes, quantiles, frequent values and histograms, in bounded memory.

The rows are read once, into files of columns below `STUDIO_HOME/tmp`; every question is asked of those. Up to
`EXACT_ROWS` rows all answers are exact. Beyond, distinct values are estimated by HyperLogLog and quantiles by t-digest,
and the profile says so.
"""

import contextlib
import math
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil
from django.conf import settings
from pydantic import BaseModel, ConfigDict

from datastores.models import ProfileResult
from datastores.sources import Column, ColumnType, TabularDefinition
from datastores.tabular import isolated, nursery
from datastores.tabular.isolated import Check, Progress
from datastores.tabular.stores import StoreSpecs, specs_of_definition

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

EXACT_ROWS = 5_000_000
EXACT_GROUPS = 1_000_000  # frequent values are counted one by one up to so many different ones
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10
TOP_CHARACTERS = 200
MOST_BINS = 60
EQUAL_BINS = 20
DAY_S = 86_400.0

COLUMNS_A_FILE = 200
COLUMNS_AT_ONCE = 50
CELLS_A_BATCH = 5_000_000
CELLS_AT_ONCE = 3_000_000  # what one query holds in memory
FLUSH_BYTES = 32 * 1024**2
DUCKDB_MEMORY = "768MB"
DEADLINE_S = 6 * 3600.0
READING = 0.6  # of the whole work

Kind = Literal["number", "time", "text", "binary", "boolean"]
KINDS: dict[ColumnType, Kind] = {
    "integer": "number",
    "number": "number",
    "decimal": "number",
    "date": "time",
    "time": "time",
    "timestamp": "time",
    "boolean": "boolean",
    "binary": "binary",
    "string": "text",
    "other": "text",
}
Tell = Callable[[float | None, str], None]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class TopValue(_Part):
    value: str
    count: int
    is_cut: bool = False  # the value goes on


class Histogram(_Part):
    """`counts[i]` values lie in [`edges[i]`, `edges[i + 1]`), in the last bin its upper edge too.

    Edges of dates and timestamps are seconds since 1970 in UTC, of times of day since midnight.
    """

    edges: list[float]
    counts: list[int]
    rule: str  # for people: how the bins were made


class Lengths(_Part):
    """Of texts in characters, of binary values in bytes."""

    minimum: int
    mean: float
    maximum: int


class ColumnProfile(_Part):
    """One column. Numbers that are not finite are counted apart, and in nothing else. Times are as in `Histogram`."""

    name: str
    type: ColumnType
    count: int  # rows
    missing: int
    not_a_number: int = 0
    infinite: int = 0
    distinct: int
    distinct_is_exact: bool = True
    minimum: str | None = None  # as text: an integer may be larger than any float
    maximum: str | None = None
    mean: float | None = None
    standard_deviation: float | None = None  # of the sample; of times in seconds
    quantiles: dict[str, float] = {}  # by "0.25"
    quantiles_are_exact: bool = True
    top: list[TopValue] = []  # none where all values differ
    top_is_exact: bool = True
    histogram: Histogram | None = None
    lengths: Lengths | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]


def profile(
    definition: TabularDefinition, *, workspace_id: int, check: Check | None = None, progress: Progress | None = None
) -> ProfileResult:
    """The profile of all rows of `definition`, its transformations applied.

    Raises UserError where they can't be read, and whatever `check` raises.
    """
    specs = specs_of_definition(definition, workspace_id=workspace_id)
    with _folder() as folder:
        return isolated.call(
            "datastores.tabular.profiling:profile_here",
            {"definition": definition, "specs": specs, "folder": folder},
            returns=ProfileResult,
            deadline_s=DEADLINE_S,
            preload=[__name__, *specs.preload],
            secrets=specs.secrets,
            check=check,
            progress=progress,
        )


def profile_here(definition: TabularDefinition, specs: StoreSpecs, folder: Path) -> ProfileResult:
    """In the isolated process: see `profile`. `folder` is empty."""
    from datastores.tabular import relations

    with relations.opened(definition, specs) as rows:
        columns = [placed.column for placed in rows.columns]
        selected = ", ".join(placed.sql_name for placed in rows.columns)
        at_once = max(1, min(relations.BATCH_ROWS, CELLS_A_BATCH // max(1, len(columns))))
        reader: Any = rows.connection.sql(f"SELECT {selected} FROM ({rows.sql})").to_arrow_reader(at_once)  # noqa: S608
        many = _store(reader, columns, folder, lambda text: nursery.tell(_read_so_far(rows.connection), text))
    return _profiled(many, columns, folder, nursery.tell)


def profile_batches(batches: "Iterable[pa.RecordBatch]", columns: Sequence[Column], folder: Path) -> ProfileResult:
    """The profile of these rows, in this process. `folder` is empty, and may be used for whatever does not fit."""
    return _profiled(_store(batches, columns, folder, lambda _text: None), columns, folder, lambda *_: None)


def _profiled(rows: int, columns: Sequence[Column], folder: Path, tell: Tell) -> ProfileResult:
    """Ask about each column of the rows that lie in `folder`."""
    found: list[ColumnProfile] = []
    at_once = max(1, min(COLUMNS_AT_ONCE, CELLS_AT_ONCE // max(1, rows)))
    with _connection(folder) as connection:
        for file, numbers in _files(len(columns), folder):
            for start in range(0, len(numbers), at_once):
                part = numbers[start : start + at_once]
                tell(READING + (1 - READING) * len(found) / len(columns), _stage(part, columns))
                asked = [_Asked(number, columns[number]) for number in part]
                found += _Profiler(connection, file, rows).profiles(asked)
    return ProfileResult(row_count=rows, columns=[column.model_dump(mode="json") for column in found])


def _read_so_far(connection: "duckdb.DuckDBPyConnection") -> float | None:
    """The fraction of the whole work, while rows are read; None where DuckDB can't tell."""
    percent = connection.query_progress()
    return READING * percent / 100 if percent > 0 else None


def _stage(part: Sequence[int], columns: Sequence[Column]) -> str:
    first, last, many = part[0] + 1, part[-1] + 1, len(columns)
    if many == 1:
        return "The column"
    return f"Column {first:,} of {many:,}" if first == last else f"Columns {first:,} to {last:,} of {many:,}"


# --- The rows, as files of columns ------------------------------------------------------------------------------------


def _files(many: int, folder: Path) -> Iterator[tuple[Path, list[int]]]:
    """Each file, and the numbers of its columns; they are called c0, c1, … there, whatever their names are."""
    for start in range(0, many, COLUMNS_A_FILE):
        yield folder / f"{start}.parquet", list(range(start, min(start + COLUMNS_A_FILE, many)))


def _store(
    batches: "Iterable[pa.RecordBatch]", columns: Sequence[Column], folder: Path, say: Callable[[str], None]
) -> int:
    """Write the rows into `folder`; returns how many there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = list(_files(len(columns), folder))
    rows = held_bytes = 0
    held: list[pa.RecordBatch] = []
    with contextlib.ExitStack() as stack:
        writers: dict[Path, pq.ParquetWriter] = {}

        def flush() -> None:
            if not held:
                return
            table = pa.Table.from_batches(held)
            for file, numbers in files:
                arrays = [_storable(table.column(number), columns[number].type) for number in numbers]
                part = pa.table(dict(zip([f"c{number}" for number in numbers], arrays, strict=True)))
                if file not in writers:
                    writers[file] = stack.enter_context(
                        pq.ParquetWriter(file, part.schema, compression="lz4", write_statistics=False)
                    )
                writers[file].write_table(part, row_group_size=max(1, part.num_rows))
            held.clear()

        for batch in batches:
            held.append(batch)
            held_bytes += batch.nbytes
            rows += batch.num_rows
            if held_bytes >= FLUSH_BYTES:
                flush()
                held_bytes = 0
                say(f"Reading: {rows:,} rows so far")
        flush()
        if not writers:  # not one row: files without any, so that all questions have an answer
            for file, numbers in files:
                pq.write_table(pa.table({f"c{number}": pa.array([], pa.string()) for number in numbers}), file)
    return rows


def _storable(values: "pa.ChunkedArray", column_type: ColumnType) -> "pa.ChunkedArray":
    """`values` in a type that Parquet and DuckDB share, times in UTC without a zone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_null(kind):  # nothing at all: as what it is said to be
        said = {"number": pa.float64(), "integer": pa.int64(), "decimal": pa.float64(), "date": pa.date32()}
        said |= {"timestamp": pa.timestamp("us"), "time": pa.time64("us"), "boolean": pa.bool_(), "binary": pa.binary()}
        return values.cast(said.get(column_type, pa.string()))
    if pa.types.is_timestamp(kind):
        return pc.cast(values, pa.timestamp("us"), safe=False)
    if pa.types.is_time(kind):
        return pc.cast(values, pa.time64("us"), safe=False)
    if pa.types.is_decimal256(kind):
        return values.cast(pa.string() if column_type in {"string", "other"} else pa.float64())
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    return values


# --- The questions ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _connection(folder: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb

    spill = folder / "spill"
    options: dict[str, Any] = {
        "memory_limit": DUCKDB_MEMORY,
        "threads": 2,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "allowed_directories": [str(folder)],
        "enable_external_access": False,
        "lock_configuration": True,
    }
    connection = duckdb.connect(":memory:")
    try:
        for name, value in options.items():
            connection.execute(f"SET {name} = {_literal(value)}")
        yield connection
    finally:
        connection.close()


@dataclass(eq=False)
class _Asked:
    """A column, and what is known of it so far."""

    number: int
    column: Column
    present: int = 0
    not_a_number: int = 0
    infinite: int = 0
    distinct: int = 0
    low: float | None = None  # of numbers and times
    high: float | None = None
    minimum: str | None = None
    maximum: str | None = None
    scale: float = 1.0  # so large numbers are made smaller by it that squares of them are still numbers
    mean: float | None = None
    deviation: float | None = None
    quantiles: Sequence[float | None] = ()
    lengths: Lengths | None = None
    histogram: Histogram | None = None
    top: Sequence[TopValue] = ()
    top_is_exact: bool = True

    @property
    def kind(self) -> Kind:
        return KINDS[self.column.type]

    @property
    def name(self) -> str:
        return f"c{self.number}"

    @property
    def is_float(self) -> bool:
        return self.column.type == "number"

    @property
    def is_measured(self) -> bool:
        """Whether there is something to measure: finite numbers, or times."""
        return self.kind in {"number", "time"} and self.low is not None

    @property
    def value(self) -> str:
        """The column as a number in SQL, missing where it is none."""
        if self.kind == "time":
            return f"epoch({self.name})"
        as_double = f"{self.name}::DOUBLE"
        return f"CASE WHEN isfinite({as_double}) THEN {as_double} END" if self.is_float else as_double

    @property
    def scaled(self) -> str:
        return self.value if self.scale == 1.0 else f"(({self.value}) / {self.scale!r})"


class _Profiler:
    """Asks about some columns of one file, all of them in each query."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", file: Path, rows: int) -> None:
        self._connection = connection
        self._table = f"read_parquet({_literal(str(file))})"
        self._rows = rows
        self._is_exact = rows <= EXACT_ROWS

    def profiles(self, columns: list[_Asked]) -> list[ColumnProfile]:
        if self._rows:
            self._count(columns)
            self._measure([column for column in columns if column.present])
            self._bin([column for column in columns if column.is_measured])
            self._rank([column for column in columns if column.present and column.kind != "binary"])
        return [self._profile(column) for column in columns]

    def _count(self, columns: list[_Asked]) -> None:
        """Present values, distinct ones, the smallest and the largest."""
        answers = self._ask(columns, self._counts)
        for column, (present, odd, infinite, distinct, minimum, maximum, low, high) in answers:
            column.present, column.not_a_number, column.infinite = present - odd, odd, infinite
            column.distinct = min(distinct, column.present)
            column.minimum, column.maximum = _cut(minimum), _cut(maximum)
            if column.kind in {"number", "time"}:
                column.low, column.high = low, high
            largest = max(abs(low or 0.0), abs(high or 0.0))
            if largest > 1e100 or 0 < largest < 1e-100:
                column.scale = largest

    def _counts(self, column: _Asked) -> list[str]:
        name, kind = column.name, column.kind
        odd = f"count(*) FILTER (WHERE isnan({name}))" if column.is_float else "0"
        infinite = f"count(*) FILTER (WHERE isinf({name}))" if column.is_float else "0"
        # A long text is told apart by its hash: what must be held does not grow with it.
        of = f"hash({name})" if kind in {"text", "binary"} else name
        of = f"CASE WHEN {name} IS NOT NULL THEN {of} END"
        if column.is_float:
            of = f"CASE WHEN NOT isnan({name}) THEN {name} END"
        distinct = f"count(DISTINCT {of})" if self._is_exact else f"approx_count_distinct({of})"
        if kind in {"number", "time"}:
            shown = f"CASE WHEN isfinite({name}) THEN {name} END" if column.is_float else name
            extremes = [f"{each}({shown})::VARCHAR" for each in ("min", "max")]
            extremes += [f"{each}({column.value})" for each in ("min", "max")]
        elif kind == "text":
            shown = f"left({name}::VARCHAR, {TOP_CHARACTERS + 1})"
            extremes = [f"{each}({shown})" for each in ("min", "max")] + ["NULL", "NULL"]
        else:
            extremes = ["NULL"] * 4
        return [f"count({name})", odd, infinite, distinct, *extremes]

    def _measure(self, columns: list[_Asked]) -> None:
        """Mean, deviation and quantiles; lengths of texts."""
        measured = [column for column in columns if column.is_measured]
        for column, (mean, deviation, quantiles) in self._ask(measured, self._moments):
            column.mean = _finite(mean, column.scale)
            column.deviation = _finite(deviation, column.scale)
            column.quantiles = [_finite(each, column.scale) for each in quantiles or ()]
        long = [column for column in columns if column.kind in {"text", "binary"}]
        for column, (shortest, mean, longest) in self._ask(long, _lengths_of):
            if shortest is not None:
                column.lengths = Lengths(minimum=shortest, mean=mean, maximum=longest)

    def _moments(self, column: _Asked) -> list[str]:
        if not self._is_exact:
            quantiles = f"approx_quantile({column.scaled}, {list(QUANTILES)})"
        elif column.kind == "time":  # one of the values: half-way between two days is no day
            quantiles = f"quantile_disc({column.scaled}, {list(QUANTILES)})"
        else:
            quantiles = f"quantile_cont({column.scaled}, {list(QUANTILES)})"
        return [f"favg({column.scaled})", f"stddev_samp({column.scaled})", quantiles]

    def _bin(self, columns: list[_Asked]) -> None:
        plans = {column.number: _bins(column) for column in columns}
        queries = []
        for column in columns:
            plan = plans[column.number]
            low, width = plan.edges[0] / column.scale, plan.width / column.scale
            bin_ = f"greatest(0, least(floor(({column.scaled} - {low!r}) / {width!r}), {plan.many - 1}))::INTEGER"
            queries.append(
                f"SELECT {column.number} AS k, {bin_} AS b, count(*) AS n FROM {self._table} "  # noqa: S608
                f"WHERE ({column.value}) IS NOT NULL GROUP BY b"
            )
        counts = {number: [0] * plan.many for number, plan in plans.items()}
        for number, bin_number, count in self._union(queries):
            counts[number][bin_number] = count
        for column in columns:
            plan = plans[column.number]
            column.histogram = Histogram(edges=plan.edges, counts=counts[column.number], rule=plan.rule)

    def _rank(self, columns: list[_Asked]) -> None:
        """The most frequent values, where some value comes more than once."""
        columns = [column for column in columns if column.distinct < column.present or not self._is_exact]
        many = [column for column in columns if not self._is_exact and column.distinct > EXACT_GROUPS]
        candidates = dict(self._ask(many, lambda column: [f"approx_top_k({_shown(column)}, {TOP})"]))
        queries = []
        for column in columns:
            shown, name = _shown(column), column.name
            where = f"{name} IS NOT NULL" + (f" AND NOT isnan({name})" if column.is_float else "")
            by = f"hash({name})" if column.kind == "text" else name
            if column in many:
                values = [value for value in candidates[column][0] or () if value is not None]
                if not values:
                    continue
                where += f" AND {shown} IN ({', '.join(_literal(value) for value in values)})"
                by, column.top_is_exact = shown, False
            queries.append(
                f"SELECT * FROM (SELECT {column.number} AS k, any_value({shown}) AS v, count(*) AS n "  # noqa: S608
                f"FROM {self._table} WHERE {where} GROUP BY {by} HAVING n > 1 ORDER BY n DESC, v LIMIT {TOP})"
            )
        by_number = {column.number: column for column in columns}
        found: dict[int, list[TopValue]] = {}
        for number, value, count in self._union(queries):
            cut = value[:TOP_CHARACTERS]
            found.setdefault(number, []).append(TopValue(value=cut, count=count, is_cut=len(value) > len(cut)))
        for number, values in found.items():
            by_number[number].top = sorted(values, key=lambda top: (-top.count, top.value))

    def _ask(
        self, columns: list[_Asked], terms: Callable[[_Asked], list[str]]
    ) -> Iterator[tuple[_Asked, tuple[Any, ...]]]:
        """Each column with the answers to its terms, all asked in one go."""
        if not columns:
            return
        asked = [terms(column) for column in columns]
        flat = ", ".join(term for each in asked for term in each)
        row = self._connection.execute(f"SELECT {flat} FROM {self._table}").fetchone()  # noqa: S608
        assert row is not None, "an aggregate has an answer"
        start = 0
        for column, each in zip(columns, asked, strict=True):
            yield column, row[start : start + len(each)]
            start += len(each)

    def _union(self, queries: list[str]) -> list[tuple[Any, ...]]:
        return self._connection.execute(" UNION ALL ".join(queries)).fetchall() if queries else []

    def _profile(self, column: _Asked) -> ColumnProfile:
        quantiles = {
            str(share): value
            for share, value in zip(QUANTILES, column.quantiles or [None] * len(QUANTILES), strict=True)
            if value is not None
        }
        return ColumnProfile(
            name=column.column.name,
            type=column.column.type,
            count=self._rows,
            missing=self._rows - column.present - column.not_a_number,
            not_a_number=column.not_a_number,
            infinite=column.infinite,
            distinct=column.distinct,
            distinct_is_exact=self._is_exact,
            minimum=column.minimum,
            maximum=column.maximum,
            mean=column.mean,
            standard_deviation=column.deviation,
            quantiles=quantiles,
            quantiles_are_exact=self._is_exact,
            top=list(column.top),
            top_is_exact=column.top_is_exact,
            histogram=column.histogram,
            lengths=column.lengths,
        )


def _lengths_of(column: _Asked) -> list[str]:
    length = f"octet_length({column.name})" if column.kind == "binary" else f"length({column.name}::VARCHAR)"
    return [f"min({length})", f"avg({length})", f"max({length})"]


def _shown(column: _Asked) -> str:
    """A value as a short text in SQL."""
    return f"left({column.name}::VARCHAR, {TOP_CHARACTERS + 1})"


# --- Bins -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bins:
    edges: list[float]
    width: float
    rule: str

    @property
    def many(self) -> int:
        return len(self.edges) - 1


def _bins(column: _Asked) -> _Bins:
    """Bins that show a shape: a whole number or a day each where that is few, else by Freedman and Diaconis."""
    low, high = column.low, column.high
    assert low is not None and high is not None, "it is measured"  # noqa: PT018
    if column.column.type == "integer" and high - low < MOST_BINS and abs(high) < 2**50 and abs(low) < 2**50:
        return _equal(low - 0.5, 1.0, int(high - low) + 1, "One bin for each whole number.")
    if column.column.type == "date" and high - low < MOST_BINS * DAY_S:
        return _equal(low, DAY_S, int((high - low) / DAY_S) + 1, "One bin for each day.")
    if high <= low:
        half = abs(low) * 0.05 or 0.5
        return _Bins([low - half, low + half], 2 * half, "All values are the same.")
    # In numbers that are made smaller where the range would be larger than any float.
    low, high = low / column.scale, high / column.scale
    quartiles = dict(zip(QUANTILES, column.quantiles, strict=False))
    middle = ((quartiles.get(0.75) or 0.0) - (quartiles.get(0.25) or 0.0)) / column.scale
    many, rule = EQUAL_BINS, f"{EQUAL_BINS} bins of equal width."
    if middle > 0:
        ideal = 2 * middle / (column.present ** (1 / 3))
        many = max(5, min(MOST_BINS, math.ceil((high - low) / ideal) if (high - low) / ideal < 1e9 else MOST_BINS))
        limited = f", at most {MOST_BINS}" if many == MOST_BINS else ""
        rule = f"{many} bins of equal width, by the rule of Freedman and Diaconis{limited}."
    width = (high - low) / many
    edges = [(low + number * width) * column.scale for number in range(many)] + [high * column.scale]
    return _Bins(edges, width * column.scale, rule)


def _equal(start: float, width: float, many: int, rule: str) -> _Bins:
    return _Bins([start + number * width for number in range(many + 1)], width, rule)


def _finite(value: float | None, scale: float) -> float | None:
    if value is None:
        return None
    scaled = float(value) * scale
    return scaled if math.isfinite(scaled) else None


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= TOP_CHARACTERS else f"{text[: TOP_CHARACTERS - 1]}…"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_literal(each) for each in value)}]"
    return "'" + str(value).replace("'", "''") + "'"


# --- The folder -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """An empty folder for one profile. Those of workers of this machine that died go first."""
    home = Path(settings.STUDIO_HOME) / "tmp" / "profiles"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    prefix = f"{socket.gethostname()}~"
    for old in home.glob(f"{prefix}*"):
        pid = old.name.removeprefix(prefix).partition("~")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = home / f"{prefix}{os.getpid()}~{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

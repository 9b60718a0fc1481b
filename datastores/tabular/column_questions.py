"""Questions to files of columns: counts, extremes, quantiles, frequent values and histograms, in bounded memory."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastores.sources import Column
from datastores.tabular.column_profiles import KINDS, ColumnProfile, Histogram, Kind, Lengths, TopValue
from datastores.tabular.sql import literal, literals

if TYPE_CHECKING:
    import duckdb

EXACT_ROWS = 5_000_000
EXACT_GROUPS = 1_000_000  # frequent values are counted one by one up to so many different ones
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10
TOP_CHARACTERS = 200
MOST_BINS = 60
EQUAL_BINS = 20
DAY_S = 86_400.0
DUCKDB_MEMORY = "768MB"


@contextlib.contextmanager
def connected(folder: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb

    spill = folder / "spill"
    options = {
        "memory_limit": literal(DUCKDB_MEMORY),
        "threads": "2",
        "temp_directory": literal(str(spill)),
        "preserve_insertion_order": "false",
        "allowed_directories": literals([str(folder)]),
        "enable_external_access": "false",
        "lock_configuration": "true",
    }
    connection = duckdb.connect(":memory:")
    try:
        for name, value in options.items():
            connection.execute(f"SET {name} = {value}")
        yield connection
    finally:
        connection.close()


@dataclass(eq=False)
class Asked:
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


class Questions:
    """Asks about some columns of one file, all of them in each query."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", file: Path, rows: int) -> None:
        self._connection = connection
        self._table = f"read_parquet({literal(str(file))})"
        self._rows = rows
        self._is_exact = rows <= EXACT_ROWS

    def profiles(self, columns: list[Asked]) -> list[ColumnProfile]:
        if self._rows:
            self._count(columns)
            self._measure([column for column in columns if column.present])
            self._bin([column for column in columns if column.is_measured])
            self._rank([column for column in columns if column.present and column.kind != "binary"])
        return [self._profile(column) for column in columns]

    def _count(self, columns: list[Asked]) -> None:
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

    def _counts(self, column: Asked) -> list[str]:
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

    def _measure(self, columns: list[Asked]) -> None:
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

    def _moments(self, column: Asked) -> list[str]:
        if not self._is_exact:
            quantiles = f"approx_quantile({column.scaled}, {list(QUANTILES)})"
        elif column.kind == "time":  # one of the values: half-way between two days is no day
            quantiles = f"quantile_disc({column.scaled}, {list(QUANTILES)})"
        else:
            quantiles = f"quantile_cont({column.scaled}, {list(QUANTILES)})"
        return [f"favg({column.scaled})", f"stddev_samp({column.scaled})", quantiles]

    def _bin(self, columns: list[Asked]) -> None:
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

    def _rank(self, columns: list[Asked]) -> None:
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
                # A statement can't hold a NUL: such a value is not among the frequent ones.
                values = [value for value in candidates[column][0] or () if value is not None and "\0" not in value]
                if not values:
                    continue
                where += f" AND {shown} IN ({', '.join(literal(value) for value in values)})"
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
        self, columns: list[Asked], terms: Callable[[Asked], list[str]]
    ) -> Iterator[tuple[Asked, tuple[Any, ...]]]:
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

    def _profile(self, column: Asked) -> ColumnProfile:
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


def _lengths_of(column: Asked) -> list[str]:
    length = f"octet_length({column.name})" if column.kind == "binary" else f"length({column.name}::VARCHAR)"
    return [f"min({length})", f"avg({length})", f"max({length})"]


def _shown(column: Asked) -> str:
    """A value as a short text in SQL."""
    return f"left({column.name}::VARCHAR, {TOP_CHARACTERS + 1})"


@dataclass(frozen=True)
class _Bins:
    edges: list[float]
    width: float
    rule: str

    @property
    def many(self) -> int:
        return len(self.edges) - 1


def _bins(column: Asked) -> _Bins:
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

"""What transformations leave of the columns, and what they say of a mistake. No data, but for DuckDB's own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from datastores.sources import (
    Column,
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
from datastores.tabular.sql import position
from datastores.tabular.transformations import checked, statement
from studio.lib.problems import UserError

COLUMNS = [
    Column(name="i", type="integer"),
    Column(name="n", type="number"),
    Column(name="s", type="string"),
    Column(name="b", type="boolean"),
    Column(name="t", type="timestamp"),
    Column(name='x"; DROP TABLE source; --', type="string"),
]
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
ROWS = """
    SELECT i AS c0, i / 2 AS c1, 's' || i AS c2, i % 2 = 0 AS c3, TIMESTAMP '2026-01-01' + INTERVAL (i) HOUR AS c4,
        '''; DROP TABLE source; --' AS c5, i AS p FROM source
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'; CREATE TABLE source AS SELECT range AS i FROM range(1000)")
        yield opened


def rows(connection: duckdb.DuckDBPyConnection, *steps: Transformation) -> list[tuple[Any, ...]]:
    return connection.execute(statement(steps, COLUMNS, ROWS).sql).fetchall()


def first(connection: duckdb.DuckDBPyConnection, *steps: Transformation) -> list[int]:
    return [row[0] for row in rows(connection, *steps)]


def names(*steps: Transformation) -> list[str]:
    return [column.name for column in checked(steps, COLUMNS)]


def test_columns_that_are_left() -> None:
    assert names(KeepColumns(columns=["s", "i"]), DropColumns(columns=["i"])) == ["s"]
    assert position(3) == "c3"


@pytest.mark.parametrize(
    ("step", "loc", "said"),
    [
        (KeepColumns(columns=["S"]), ("columns",), "Did you mean “s”"),
        (KeepColumns(columns=[]), ("columns",), "at least one"),
        (DropColumns(columns=[column.name for column in COLUMNS]), ("columns",), "leaves no column"),
        (Filter(conditions=[]), ("conditions",), "Add a condition"),
        (
            Filter(conditions=[Condition(column="i", operator="=", value="x")]),
            ("conditions", 0, "value"),
            "whole number",
        ),
        (Filter(conditions=[Condition(column="i", operator="=", value="1; --")]), ("conditions", 0, "value"), "number"),
        (Filter(conditions=[Condition(column="q", operator="=", value="1")]), ("conditions", 0, "column"), "no column"),
        (Filter(conditions=[Condition(column="s", operator="in")]), ("conditions", 0, "values"), "at least one"),
        (Filter(conditions=[Condition(column="s", operator="=", value="\0")]), ("conditions", 0, "value"), "NUL"),
        (
            Filter(conditions=[Condition(column="s", operator="=", value="\ud800")]),
            ("conditions", 0, "value"),
            "Unicode",
        ),
        (Take(count=-1), ("count",), "zero or more"),
        (Sample(fraction=1.5), ("fraction",), "between 0 and 1"),
        (Sample(fraction=float("nan")), ("fraction",), "between 0 and 1"),
        (Split(fraction=-0.1), ("fraction",), "between 0 and 1"),
        (TimeFilter(column="s", recent_s=5), ("column",), "no timestamps"),
        (TimeFilter(column="t"), ("after",), "after or before"),
        (TimeFilter(column="t", recent_s=-1), ("recent_s",), "above zero"),
        (
            TimeFilter(column="t", after=LATE, before=EARLY),
            ("before",),
            "before it begins",
        ),
        (PartitionBy(keys=[]), ("keys",), "at least one"),
        (PartitionBy(keys=["s", "s"]), ("keys",), "once"),
        (PartitionBy(keys=[column.name for column in COLUMNS]), ("keys",), "no key"),
    ],
)
def test_a_mistake_is_said_at_its_field(step: Transformation, loc: tuple[str | int, ...], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        checked([Take(count=1), step], COLUMNS)
    assert refused.value.problems[0].loc == ("transformations", 1, *loc)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(column="i", operator="<", value="3"), [0, 1, 2]),
        (Condition(column="i", operator=">=", value=" 998 "), [998, 999]),
        (Condition(column="n", operator="=", value="1.5"), [3]),
        (Condition(column="s", operator="in", values=["s7", "s'9"]), [7]),
        (Condition(column="s", operator="starts_with", value="s99"), [99, *range(990, 1000)]),
        (Condition(column="t", operator="<", value="2026-01-01T03:00:00+01:00"), [0, 1]),
        (Condition(column="s", operator="is_missing"), []),
        (Condition(column="i", operator=">", value=str(10**30)), []),
    ],
)
def test_a_comparison(connection: duckdb.DuckDBPyConnection, condition: Condition, expected: list[int]) -> None:
    assert first(connection, Filter(conditions=[condition])) == expected


def test_conditions_together(connection: duckdb.DuckDBPyConnection) -> None:
    two = [Condition(column="i", operator="<", value="4"), Condition(column="b", operator="=", value="true")]
    assert first(connection, Filter(conditions=two)) == [0, 2]
    assert len(first(connection, Filter(conditions=two, match="any"))) == 502


@pytest.mark.parametrize("value", ["'; DROP TABLE source; --", "'", "''", "\\'; SELECT 1", '"', "$$", "/*", "%_", "\n"])
def test_a_hostile_value_is_a_value(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    for operator in ("=", "contains", "starts_with"):
        step = Filter(conditions=[Condition(column=COLUMNS[5].name, operator=operator, value=value)])
        found = first(connection, step)
        matches = {"=": value == "'; DROP TABLE source; --", "contains": value in "'; DROP TABLE source; --"}
        assert bool(found) == matches.get(operator, "'; DROP TABLE source; --".startswith(value))
    assert connection.execute("SELECT count(*) FROM source").fetchone() == (1000,)


def test_rows_are_taken_in_their_order(connection: duckdb.DuckDBPyConnection) -> None:
    odd = Filter(conditions=[Condition(column="b", operator="=", value="false")])
    assert first(connection, odd, Take(count=3)) == [1, 3, 5]
    assert first(connection, Take(count=3), odd) == [1]


def test_a_sample_is_the_same_for_the_same_seed(connection: duckdb.DuckDBPyConnection) -> None:
    one = first(connection, Sample(fraction=0.2, seed=1))
    assert 120 < len(one) < 280
    assert first(connection, Sample(fraction=0.2, seed=1)) == one
    assert first(connection, Sample(fraction=0.2, seed=2)) != one
    assert first(connection, Sample(fraction=0.0)) == []
    assert len(first(connection, Sample(fraction=1.0))) == 1000


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.999, 1.0])
def test_parts_share_nothing_and_are_all(connection: duckdb.DuckDBPyConnection, fraction: float) -> None:
    one = first(connection, Split(fraction=fraction, seed=3))
    other = first(connection, Split(fraction=fraction, seed=3, part="second"))
    assert not set(one) & set(other)
    assert sorted(one + other) == list(range(1000))
    assert abs(len(one) - 1000 * fraction) < 80


def test_a_part_of_a_sample_is_drawn_anew(connection: duckdb.DuckDBPyConnection) -> None:
    drawn = first(connection, Sample(fraction=0.5, seed=1), Split(fraction=0.5, seed=1))
    assert 180 < len(drawn) < 320


def test_times(connection: duckdb.DuckDBPyConnection) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    between = TimeFilter(column="t", after=start + timedelta(hours=2), before=start + timedelta(hours=4))
    assert first(connection, between) == [2, 3]
    connection.execute("UPDATE source SET i = 0")
    connection.execute("CREATE OR REPLACE TABLE source AS SELECT range AS i FROM range(2)")
    moving = ROWS.replace("TIMESTAMP '2026-01-01'", "now()::TIMESTAMP - INTERVAL 90 MINUTE")
    recent = statement([TimeFilter(column="t", recent_s=3600)], COLUMNS, moving)
    assert [row[0] for row in connection.execute(recent.sql).fetchall()] == [1]


def test_keys_that_were_dropped_part_nothing() -> None:
    done = statement([PartitionBy(keys=["s"]), DropColumns(columns=["s"])], COLUMNS, ROWS)
    assert done.keys == []
    assert [key.column.name for key in statement([PartitionBy(keys=["s"])], COLUMNS, ROWS).keys] == ["s"]

"""What every kind of database must do, whatever is behind it.

A kind's test gives `database` (empty, and reading as the studio would), `run` (statements as somebody who may write),
and the words of its dialect; it inherits the rest.
"""

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import ClassVar

import pyarrow as pa
import pytest

from datastores.backends import Database, Table
from datastores.sources import Column
from studio.lib.problems import UserError
from tests.support.waiting import wait_for

from .contract import NO_CURSORS

Run = Callable[..., object]
ODD_NAMES = [
    "two words",
    'quo"te',
    "back`tick",
    "apo'strophe",
    "<script>alert(1)</script>",
    "100%",
    "%s %(a)s :name",
    "semi;colon -- x",
    "ünïкот",
    "select",
]


def rows(database: Database, query: str, **options: object) -> list[dict[str, object]]:
    return table_of(database, query, **options).to_pylist()


def table_of(database: Database, query: str, **options: object) -> pa.Table:
    return pa.Table.from_batches(database.batches(query, **options))  # type: ignore[arg-type]


class DatabaseContract:
    endless: ClassVar[str]  # a query that computes for ever before its first row
    for_ever: ClassVar[str]  # one that answers for ever
    writing: ClassVar[list[str]]  # each would leave something behind, if it could
    many: ClassVar[str]  # "a" from 1 to {count}, and a text "b" of 200 characters
    quote: ClassVar[str] = '"'
    takes_brackets: ClassVar[bool] = True  # around a SELECT
    schema: ClassVar[str | None] = None

    @pytest.fixture
    def database(self) -> Database:
        raise NotImplementedError

    @pytest.fixture
    def run(self) -> Run:
        raise NotImplementedError

    @pytest.fixture
    def sales(self, run: Run) -> Table:
        run(
            "CREATE TABLE sales (id INTEGER, item VARCHAR(50), price DOUBLE PRECISION)",
            "INSERT INTO sales VALUES (1, 'tea', 2.5), (2, NULL, 3.75), (3, 'milk', NULL)",
        )
        return Table(schema=self.schema, name="sales")

    def busy(self) -> int:
        """How many queries run on the server now, those of this question apart. A file has no server."""
        return 0

    # What is there.

    def test_it_can_be_reached(self, database: Database) -> None:
        started = time.monotonic()
        database.test()
        assert time.monotonic() - started < 10

    def test_an_empty_one_has_no_tables(self, database: Database) -> None:
        assert database.tables().tables == []

    def test_tables_and_views_are_listed_in_pages(self, database: Database, run: Run) -> None:
        for number in range(7):
            run(f"CREATE TABLE t{number} (a INTEGER)")
        run("CREATE VIEW seen AS SELECT * FROM t1", "CREATE TABLE other (a INTEGER)")
        found, after, pages = [], None, 0
        while pages == 0 or after:
            page = database.tables(after=after, limit=3)
            found += page.tables
            after, pages = page.after, pages + 1
        assert [(table.name, table.is_view) for table in found] == [
            ("other", False),
            ("seen", True),
            *((f"t{number}", False) for number in range(7)),
        ]
        assert pages == 3
        assert {table.schema for table in found} == {self.schema}
        assert [table.name for table in database.tables(prefix="t", limit=2).tables] == ["t0", "t1"]
        assert database.tables(prefix="_").tables == []
        assert database.tables(prefix="%").tables == []

    def test_a_page_asked_for_with_nonsense_is_refused(self, database: Database) -> None:
        for nonsense in NO_CURSORS:
            with pytest.raises(UserError):
                database.tables(after=nonsense)

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names_are_names(self, database: Database, run: Run, name: str) -> None:
        quoted = self.quote + name.replace(self.quote, self.quote * 2) + self.quote
        run(f"CREATE TABLE {quoted} ({quoted} INTEGER)", f"INSERT INTO {quoted} VALUES (7)")
        (table,) = database.tables().tables
        assert table.name == name
        assert database.columns_of(table) == [Column(name=name, type="integer")]
        assert rows(database, database.select_all(table)) == [{name: 7}]

    def test_a_table_says_its_columns(self, database: Database, sales: Table) -> None:
        assert database.columns_of(sales) == [
            Column(name="id", type="integer"),
            Column(name="item", type="string"),
            Column(name="price", type="number"),
        ]

    def test_an_empty_table_has_columns_too(self, database: Database, run: Run) -> None:
        run("CREATE TABLE empty (id INTEGER, item VARCHAR(50))")
        table = Table(schema=self.schema, name="empty")
        assert [column.name for column in database.columns_of(table)] == ["id", "item"]
        found = table_of(database, database.select_all(table))
        assert (found.num_rows, found.column_names) == (0, ["id", "item"])

    def test_a_table_that_is_not_there_says_so(self, database: Database) -> None:
        with pytest.raises(UserError, match="nowhere"):
            database.columns_of(Table(schema=self.schema, name="nowhere"))
        with pytest.raises(UserError, match="nowhere"):
            rows(database, "SELECT * FROM nowhere")

    # What is in it.

    def test_rows_are_read(self, database: Database, sales: Table) -> None:
        assert rows(database, f"{database.select_all(sales)} ORDER BY id") == [
            {"id": 1, "item": "tea", "price": 2.5},
            {"id": 2, "item": None, "price": 3.75},
            {"id": 3, "item": "milk", "price": None},
        ]

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT id FROM sales WHERE id = 1;",
            " \n-- first\n/* second */ select id from sales where id = 1 ; ; ",
            "WITH one AS (SELECT 1 AS id) SELECT id FROM one",
            "(SELECT id FROM sales WHERE id = 1) UNION (SELECT 1 AS id)",
            "SELECT id FROM sales WHERE item LIKE '%e%' AND item <> '%s' -- 100% ; :name",
            "SELECT 1 AS id /* ; */",
        ],
    )
    def test_ways_to_write_a_query(self, database: Database, sales: Table, query: str) -> None:
        query = query if self.takes_brackets or not query.startswith("(") else query.replace("(", "").replace(")", "")
        assert [column.name for column in database.columns(query)] == ["id"]
        assert rows(database, query) == [{"id": 1}]

    def test_columns_are_told_without_reading_all(self, database: Database, run: Run) -> None:
        started = time.monotonic()
        names = [column.name for column in database.columns(self.many.format(count=50_000_000), timeout_s=8)]
        assert names == ["a", "b"]
        assert time.monotonic() - started < 8

    def test_names_may_repeat_and_be_empty(self, database: Database, sales: Table) -> None:
        query = f"SELECT id, id, item AS {self.quote}<b>{self.quote} FROM sales WHERE id = 1"
        assert [column.name for column in database.columns(query)] == ["id", "id", "<b>"]
        assert [column.to_pylist() for column in table_of(database, query).columns] == [[1], [1], ["tea"]]

    def test_a_limit_is_kept(self, database: Database, run: Run) -> None:
        query = self.many.format(count=50_000_000)
        started = time.monotonic()
        assert table_of(database, query, limit=100, timeout_s=8).num_rows == 100
        assert table_of(database, query, limit=0, timeout_s=8).num_rows == 0
        assert time.monotonic() - started < 8
        wait_for(lambda: self.busy() == 0, what="nothing runs on")

    def test_a_large_answer_comes_in_batches_and_bounded_memory(self, database: Database) -> None:
        count = 150_000  # some 40 MB
        tracemalloc.start()
        try:
            with closing(_batches(database, self.many.format(count=count), batch_rows=10_000)) as batches:
                sizes = [batch.num_rows for batch in batches]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert sum(sizes) == count
        assert max(sizes) <= 10_000
        assert peak < 20_000_000

    def test_wide_rows_come_in_small_batches(self, database: Database) -> None:
        query = self.many.format(count=4_000).replace("200", "20000")
        sizes = [batch.num_rows for batch in database.batches(query)]
        assert sum(sizes) == 4_000
        assert max(sizes) < 2_000

    def test_it_is_read_by_several_at_once(self, database: Database, sales: Table) -> None:
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(len(rows(database, "SELECT * FROM sales")))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [3, 3, 3, 3]

    # What must not happen.

    def test_nothing_is_written(self, database: Database, run: Run, sales: Table) -> None:
        before = (database.tables(), rows(database, "SELECT * FROM sales ORDER BY id"))
        for query in [
            "INSERT INTO sales VALUES (9, 'x', 1)",
            "UPDATE sales SET id = 9",
            "DELETE FROM sales",
            "DROP TABLE sales",
            "CREATE TABLE made (a INTEGER)",
            "SELECT 1; DROP TABLE sales",
            "SELECT 1; COMMIT; DROP TABLE sales",
            "SELECT 1 AS a; SELECT 2 AS a",
            "BEGIN",
            "COMMIT",
            "EXPLAIN SELECT 1",
            "/* SELECT */ DROP TABLE sales",
            "",
            " -- nothing",
            "SELECT '\0'",
            "SELECT '\ud800'",
            *self.writing,
        ]:
            with pytest.raises(UserError):
                pytest.fail(f"{query} gave {rows(database, query)}")
            with suppress(UserError):  # what is only described does not run
                database.columns(query)
        assert (database.tables(), rows(database, "SELECT * FROM sales ORDER BY id")) == before

    def test_what_a_query_changes_in_its_session_is_gone(self, database: Database, sales: Table) -> None:
        for _ in range(2):
            assert len(rows(database, "SELECT * FROM sales")) == 3

    @pytest.mark.parametrize("query", ["SELECT nothing FROM sales", "SELECT FROM WHERE", "SELECT (", "SELECT 'a"])
    def test_a_query_that_is_wrong_is_said(self, database: Database, sales: Table, query: str) -> None:
        with pytest.raises(UserError) as caught:
            rows(database, query)
        assert caught.value.problems[0].loc == ("query",)

    def test_a_query_that_never_ends_is_ended(self, database: Database) -> None:
        for attempt in (
            lambda: rows(database, self.endless, timeout_s=0.7),
            lambda: rows(database, self.for_ever, timeout_s=0.7),
        ):
            started = time.monotonic()
            with pytest.raises(UserError, match=r"longer than|too long"):
                attempt()
            assert time.monotonic() - started < 6
            wait_for(lambda: self.busy() == 0, what="nothing runs on")

    def test_closing_ends_it_on_the_server(self, database: Database) -> None:
        batches = _batches(database, self.for_ever, timeout_s=60)
        assert next(batches).num_rows > 0
        started = time.monotonic()
        batches.close()
        assert time.monotonic() - started < 5
        wait_for(lambda: self.busy() == 0, what="nothing runs on")


def _batches(database: Database, query: str, **options: object) -> "Iterator[pa.RecordBatch]":
    return database.batches(query, **options)  # type: ignore[arg-type]

"""What a SQL datastore can do, whatever its server."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from datastores.backends.interface import Store
from datastores.backends.statements import Statement, Tongue
from datastores.sources import Column

if TYPE_CHECKING:
    import pyarrow as pa


SqlValue = str | int | float | bool | None
Ending = Callable[[Callable[[], None]], AbstractContextManager[None]]  # while it lasts, the query can be ended so
DAY_S = 24 * 3600.0
LONGEST_S = 20 * DAY_S  # servers count in milliseconds, in 31 bits


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view."""

    schema: str | None
    name: str
    is_view: bool = False


@dataclass(frozen=True, slots=True)
class TableListing:
    """A page of the tables, by schema and name. `after` asks for the next page; None at the end."""

    tables: list[Table]
    after: str | None


class Database(Store):
    """A datastore that holds tables. Every query that looks into it runs in a read-only transaction.

    Only `carried_out` and `filled` write, where whoever registered the datastore allows that (`allow_writes`).
    """

    holds: ClassVar[Literal["files", "tables"]] = "tables"
    is_writable: ClassVar[bool] = False
    tongue: ClassVar[Tongue]

    @abstractmethod
    def tables(self, *, after: str | None = None, limit: int = 200, prefix: str = "") -> TableListing:
        """One page of the tables and views that can be seen, of those whose name begins with `prefix`."""

    @abstractmethod
    def columns_of(self, table: Table) -> list[Column]:
        """Raises UserError where there is no such table."""

    @abstractmethod
    def select_all(self, table: Table) -> str:
        """The query that reads the whole of `table`, its names quoted as this server wants it."""

    @abstractmethod
    def columns(self, query: str, *, timeout_s: float = 10.0) -> list[Column]:
        """What `query` answers with. Raises UserError where it is no single SELECT, fails, or takes too long."""

    @abstractmethod
    def batches(
        self, query: str, *, limit: int | None = None, timeout_s: float = 300.0, batch_rows: int = 50_000
    ) -> "Iterator[pa.RecordBatch]":
        """The rows of `query`, as they come: memory is bounded by a batch. Ends on the server when it is closed.

        Raises UserError where it writes, fails, or takes longer than `timeout_s`.
        """

    @abstractmethod
    def carried_out(
        self,
        statements: Sequence[Statement],
        values: Mapping[str, SqlValue],
        *,
        writes: bool,
        timeout_s: float | None = None,
        ending: Ending | None = None,
        before: Callable[[Statement], None] = lambda _: None,
        after: Callable[[int], None] = lambda _: None,
    ) -> "AbstractContextManager[Iterator[pa.RecordBatch] | None]":
        """All statements, one after the other, in one transaction that is committed when the block ends well.

        Gives the rows of the last one, as they come, or None where it answers with none. `before` is told of each
        statement, `after` of the rows that it changed (-1 where nobody knows). Without `writes` each is one SELECT, and
        the transaction read-only.

        Raises UserError, with the line where it is known; and where it `writes` and that is not allowed.
        """

    @abstractmethod
    def filled(
        self,
        table: Table,
        columns: Sequence[Column],
        batches: "Iterator[pa.RecordBatch]",
        *,
        replaces: bool,
        ending: Ending | None = None,
    ) -> int:
        """Make `table` of these rows, all of them or none: it is there as it was until the last one. Returns how many.

        One that is there already is refused, or with `replaces` its rows are replaced, and its columns stay as they
        are. Raises UserError.
        """

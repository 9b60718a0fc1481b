"""What a SQL datastore can do, whatever its server."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from datastores.backends.interface import Store
from datastores.sources import Column

if TYPE_CHECKING:
    import pyarrow as pa


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
    """A datastore that holds tables. It is only ever read: every statement runs in a read-only transaction."""

    holds: ClassVar[Literal["files", "tables"]] = "tables"
    is_writable: ClassVar[bool] = False

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

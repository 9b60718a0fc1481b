"""What databases behind SQLAlchemy share: each query in a read-only transaction of its own connection, with an end.

A kind says how it connects and signs in, what its columns are in Arrow, and what its refusals mean in words. Nothing is
kept open between two calls.
"""

import contextlib
import copy
import ipaddress
import ssl
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from django.conf import settings
from pydantic import Field, SecretStr

from datastores import network
from datastores.backends.cursors import packed, unpacked
from datastores.backends.database import LONGEST_S, Database, Ending, SqlValue, Table, TableListing
from datastores.backends.interface import BackendConfig, Credentials, Unreachable
from datastores.backends.one_select import QUERY_LOC, no_files, one_select
from datastores.backends.sql_rows import ColumnReader, batches_of
from datastores.backends.statements import STATEMENTS_LOC, Statement
from datastores.source_paths import shown
from datastores.sources import Column
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, Engine, TextClause

HOST, PORT, DATABASE, USER = ("config", "host"), ("config", "port"), ("config", "database"), ("config", "user")
TLS, CERTIFICATE, PASSWORD = ("config", "tls"), ("config", "certificate"), ("credentials", "password")
CONNECT_S = 7.0  # a test has ten seconds in all
LOOK_S = 10.0  # for lists of tables and columns
TEST_S = 2.0
GRACE_S = 1.0  # so long after the server should have ended a query by itself it is told to
MESSAGE_CHARACTERS = 500
CURSORS = "studio cursors"  # of a connection: what was asked in it
OF_TRANSACTIONS = frozenset({"begin", "start", "commit", "rollback", "end", "abort", "savepoint", "release"})
TIMEOUT_HINT = "Let it read less: fewer rows, an index, or a table that was made from it."
AUTH_LABELS = {"password": "Password", "identity": "The node's own identity"}
ALLOW_WRITES = (
    "SQL steps and data transfers of this workspace may change tables, with the rights that this sign-in has. "
    "Everything else only reads."
)
TLS_LABELS = {
    "prefer": "Where the server offers it",
    "require": "Always, whatever its certificate",
    "verify": "Always, and the certificate must be the host's",
    "off": "Never",
}


class ServerConfig(BackendConfig):
    """What a database server must be told. `host` may be the folder or file of a socket on this machine."""

    host: str = Field(title="Host", description="A name or an address, as in db.example.com.", max_length=255)
    port: int = Field(title="Port", ge=1, le=65535)
    database: str = Field(title="Database", max_length=255)
    auth: Literal["password", "identity"] = Field(
        default="password", title="Sign in with", json_schema_extra={"choices": dict(AUTH_LABELS)}
    )
    user: str = Field(
        title="User", description="One that may read its tables and nothing else is best.", max_length=255
    )
    tls: Literal["prefer", "require", "verify", "off"] = Field(
        default="prefer", title="Encryption (TLS)", json_schema_extra={"choices": dict(TLS_LABELS)}
    )
    certificate: str = Field(
        default="",
        title="Certificate authority",
        description="The authority's certificate (PEM). Leave it empty for those that this machine trusts.",
        max_length=100_000,
        json_schema_extra={"widget": "textarea", "when": {"tls": ["verify"]}},
    )

    allow_writes: bool = Field(default=False, title="Steps may write", description=ALLOW_WRITES)

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")


class ServerSecrets(Credentials):
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", json_schema_extra={"when": {"auth": ["password"]}}
    )


class Deadline:
    """A moment by which something must be over."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._at = time.monotonic() + limit_s

    @property
    def left_s(self) -> float:
        return max(0.0, self._at - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.left_s == 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A query that was sent: what it answers with, and its driver's cursor."""

    readers: Sequence[ColumnReader]
    cursor: Any
    first: Sequence[Sequence[Any]] = ()  # rows that had to be read to tell the columns


class SqlDatabase(Database):
    """A database that SQLAlchemy has a dialect for."""

    dialect: ClassVar[str]  # SQLAlchemy's name of dialect and driver
    engine_options: ClassVar[dict[str, Any]] = {}
    quote: ClassVar[str] = '"'
    forbidden: ClassVar[tuple[str, ...]] = ()  # see `one_select`
    forbidden_to_write: ClassVar[tuple[str, ...]] = ()  # words that besides may not stand in what writes
    creating_commits: ClassVar[bool] = False  # a new table is no matter of transactions
    may_write: bool = False  # as it was registered
    writes = False  # of a copy that was made for it
    icon: ClassVar[str] = "database"

    # What a kind says.

    @abstractmethod
    def _connect(self) -> Any:
        """The driver's connection, signed in, within CONNECT_S. Raises UserError."""

    @abstractmethod
    def _begin(self, connection: "Connection", limit_s: float) -> None:
        """Make the transaction read-only, and let the server end whatever takes longer than `limit_s`."""

    @abstractmethod
    def _cursor(self, raw: Any) -> Any:
        """One that fetches its rows from the server as they are asked for."""

    @abstractmethod
    def _readers(self, cursor: Any) -> list[ColumnReader]:
        """What a query that was sent answers with."""

    @abstractmethod
    def _refusal(self, error: BaseException) -> UserError | None:
        """What the driver's error means, for the person who wrote the query; None where it is none of the driver's."""

    @abstractmethod
    def _listing(self) -> "TextClause":
        """(schema, name, is_view) of `limit` tables after (`schema`, `name`) that begin with `prefix`, in order."""

    @abstractmethod
    def _execute(self, raw: Any, statement: Statement, values: Mapping[str, SqlValue]) -> Any:
        """Send one statement with its values. Returns the driver's cursor, whose `description` says whether it has
        rows; these come as they are asked for, where the kind can."""

    @abstractmethod
    def _line_of(self, error: BaseException, statement: Statement, values: Mapping[str, SqlValue]) -> int:
        """Of the whole text, the line where the driver's error lies; that of the statement where it does not say."""

    @abstractmethod
    def _insert(self, raw: Any, into: str, columns: Sequence[Column], rows: Iterator[Sequence[Any]]) -> None:
        """Put rows into a table, named as in a statement."""

    @abstractmethod
    def _type_for(self, column: Column) -> str:
        """What a new table's column is declared as."""

    def _watch_asker(self, raw: Any) -> None:
        """Let the server end what runs when nobody is there any more who asked, where it can."""

    def _commit(self, raw: Any) -> None:
        raw.commit()

    def _end(self, raw: Any) -> None:
        """From another thread: end on the server what `raw` waits for."""

    def _cut(self, raw: Any) -> None:
        """From another thread, where the server does not mind: let go of the connection that `raw` waits for."""

    def _abandon(self, raw: Any) -> None:
        """The rest of an answer is not wanted: end it, without reading on."""

    def _look(self, connection: "Connection") -> None:
        """For `test`: raise UserError where nothing can be read."""

    # What all do.

    def test(self, *, write: bool = True) -> None:  # noqa: ARG002 (a database is only ever read)
        with self._reading(TEST_S) as connection:
            self._look(connection)

    def tables(self, *, after: str | None = None, limit: int = 200, prefix: str = "") -> TableListing:
        schema, name = unpacked(after, count=2) if after else ("", "")
        if "\0" in prefix:
            return TableListing([], None)
        values = {"schema": schema, "name": name, "prefix": prefix, "limit": limit + 1}
        with self._reading(LOOK_S) as connection:
            rows = connection.execute(self._listing(), values).all()
        tables = [Table(schema=row[0] or None, name=row[1], is_view=bool(row[2])) for row in rows[:limit]]
        return TableListing(tables, packed(tables[-1].schema or "", tables[-1].name) if len(rows) > limit else None)

    def columns_of(self, table: Table) -> list[Column]:
        return self.columns(self.select_all(table), timeout_s=LOOK_S)

    def select_all(self, table: Table) -> str:
        return f"SELECT * FROM {self._place(table)}"  # noqa: S608 (quoted)

    def columns(self, query: str, *, timeout_s: float = 10.0) -> list[Column]:
        query = one_select(query, forbidden=self.forbidden)
        with self._reading(timeout_s) as connection:
            return self._columns(connection, query)

    def batches(
        self, query: str, *, limit: int | None = None, timeout_s: float = 300.0, batch_rows: int = 50_000
    ) -> "Iterator[pa.RecordBatch]":
        query = one_select(query, forbidden=self.forbidden)
        deadline = Deadline(timeout_s)
        with self._reading(timeout_s) as connection:
            answer = self._ask(connection, query, limit=limit)
            waiting = list(answer.first)

            def fetch(count: int) -> Sequence[Sequence[Any]]:
                if deadline.is_over:
                    raise took_too_long(timeout_s)
                if waiting:
                    rows, waiting[:count] = waiting[:count], []
                    return rows
                return cast("Sequence[Sequence[Any]]", answer.cursor.fetchmany(count))

            yield from batches_of(answer.readers, fetch, limit=limit, batch_rows=batch_rows)

    @contextlib.contextmanager
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
    ) -> "Iterator[Iterator[pa.RecordBatch] | None]":
        store = self._for_writing() if writes else self
        for statement in statements:
            store._look_at(statement)  # noqa: SLF001 (one of its own class)
        with store._reading(min(timeout_s or LONGEST_S, LONGEST_S), ending) as connection:  # noqa: SLF001
            raw: Any = connection.connection.dbapi_connection
            store._watch_asker(raw)  # noqa: SLF001
            cursor: Any = None
            for statement in statements:
                before(statement)
                if cursor is not None:
                    cursor.close()
                with store._told(statement, values):  # noqa: SLF001
                    cursor = store._execute(raw, statement, values)  # noqa: SLF001
                after(cursor.rowcount if cursor.description is None else -1)
            rows = None
            if cursor.description is not None:
                connection.info.setdefault(CURSORS, []).append(cursor)
                with store._told(statements[-1], values):  # noqa: SLF001
                    rows = store._rows_of(cursor, statements[-1], values)  # noqa: SLF001
            yield rows
            if rows is None:
                cursor.close()
            if writes:
                with store._told(statements[-1], values):  # noqa: SLF001 (what is checked at the end)
                    store._commit(raw)  # noqa: SLF001

    def filled(
        self,
        table: Table,
        columns: Sequence[Column],
        batches: "Iterator[pa.RecordBatch]",
        *,
        replaces: bool,
        ending: Ending | None = None,
    ) -> int:
        store = self._for_writing()
        count = 0

        def rows() -> Iterator[Sequence[Any]]:
            nonlocal count
            for batch in batches:
                count += batch.num_rows
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

        with store._reading(LONGEST_S, ending) as connection:  # noqa: SLF001
            raw: Any = connection.connection.dbapi_connection
            store._watch_asker(raw)  # noqa: SLF001
            into = store._settled_table(raw, table, columns, replaces=replaces)  # noqa: SLF001
            store._insert(raw, into, columns, rows())  # noqa: SLF001
            cursor = raw.cursor()
            cursor.execute(f"SELECT count(*) FROM {into}")  # noqa: S608 (quoted)
            (found,) = cursor.fetchone()
            if found != count:
                raise UserError(
                    f"{count:,} rows were sent to “{shown(table.name)}”, and {found:,} are there. Nothing was changed: "
                    "look for a rule or a trigger that leaves rows out.",
                    loc=("table",),
                )
            store._commit(raw)  # noqa: SLF001
            if into != store._place(table):  # noqa: SLF001
                cursor.execute(f"ALTER TABLE {into} RENAME TO {store._place(table)}")  # noqa: SLF001
        return count

    # Parts of it.

    def _for_writing(self) -> Self:
        """A copy that writes. Raises UserError where nobody allowed it."""
        if not self.may_write:
            raise UserError(not_allowed(), loc=STATEMENTS_LOC)
        made = copy.copy(self)
        made.__dict__.pop("_engine", None)
        made.writes = True
        return made

    def _look_at(self, statement: Statement) -> None:
        """Raises UserError for what may not be sent."""
        text = statement.text(lambda _: "NULL")
        try:
            if self.writes:
                _no_end(statement)
                no_files(text, forbidden=self.forbidden, as_words=self.forbidden_to_write)
            else:
                one_select(text, forbidden=self.forbidden)
        except UserError as error:
            sentence = error.problems[0].message
            raise UserError(f"Line {statement.line}: {sentence}", loc=STATEMENTS_LOC) from None

    @contextlib.contextmanager
    def _told(self, statement: Statement, values: Mapping[str, SqlValue]) -> Iterator[None]:
        """What is wrong with a statement is told with its line."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            refusal = self._refusal(error)
            if refusal is None or isinstance(refusal, Unreachable):
                raise
            line = self._line_of(error, statement, values)
            raise StatementError(f"Line {line}: {refusal.problems[0].message}", loc=STATEMENTS_LOC) from None

    def _rows_of(self, cursor: Any, statement: Statement, values: Mapping[str, SqlValue]) -> "Iterator[pa.RecordBatch]":
        answer = self._answer(cursor)
        waiting = list(answer.first)

        def fetch(count: int) -> Sequence[Sequence[Any]]:
            if waiting:
                rows, waiting[:count] = waiting[:count], []
                return rows
            with self._told(statement, values):
                return cast("Sequence[Sequence[Any]]", answer.cursor.fetchmany(count))

        return batches_of(answer.readers, fetch, limit=None, batch_rows=50_000)

    def _answer(self, cursor: Any) -> Answer:
        return Answer(self._readers(cursor), cursor)

    def _settled_table(self, raw: Any, table: Table, columns: Sequence[Column], *, replaces: bool) -> str:
        """An empty table to put the rows into, as statements name it. Raises UserError where it is there already."""
        cursor, place = raw.cursor(), self._place(table)
        if self._is_there(raw, place):
            if not replaces:
                raise UserError(
                    f"There is a table “{shown(table.name)}” already. Choose another name, or let the transfer replace "
                    "its rows.",
                    loc=("table",),
                )
            cursor.execute(f"DELETE FROM {place}")  # noqa: S608 (quoted)
            return place
        if self.creating_commits:  # under its own name it is there with all its rows, or not at all
            place = self._place(Table(table.schema, f"{table.name[:48]}__coming"))
            cursor.execute(f"DROP TABLE IF EXISTS {place}")
        said = ", ".join(f"{self._quoted(each.name)} {self._type_for(each)}" for each in columns)
        cursor.execute(f"CREATE TABLE {place} ({said})")
        return place

    def _place(self, table: Table) -> str:
        return ".".join(self._quoted(name) for name in (table.schema, table.name) if name)

    def _is_there(self, raw: Any, into: str) -> bool:
        """Whether there is such a table, within the transaction, which stays a good one."""
        cursor = raw.cursor()
        cursor.execute("SAVEPOINT look")
        try:
            cursor.execute(f"SELECT 1 FROM {into} LIMIT 0")  # noqa: S608 (quoted)
            cursor.fetchall()
        except Exception as error:
            if self._refusal(error) is None or isinstance(self._refusal(error), Unreachable):
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT look")
            return False
        return True

    def _columns(self, connection: "Connection", query: str) -> list[Column]:
        return [reader.column for reader in self._ask(connection, query, limit=0).readers]

    def _ask(self, connection: "Connection", query: str, *, limit: int | None) -> Answer:  # noqa: ARG002 (for kinds)
        cursor = self._sent(connection, query)
        return Answer(self._readers(cursor), cursor)

    def _sent(self, connection: "Connection", query: str) -> Any:
        """The driver's own cursor: SQLAlchemy's would wait for the first row, which may be long in coming."""
        cursor = self._cursor(connection.connection.dbapi_connection)
        connection.info.setdefault(CURSORS, []).append(cursor)
        cursor.execute(query)
        if not cursor.description:
            raise UserError("This query answers with no table. Write one that selects rows.", loc=QUERY_LOC)
        return cursor

    @contextlib.contextmanager
    def _reading(self, limit_s: float, ending: Ending | None = None) -> Iterator["Connection"]:
        """A connection in a transaction that is rolled back, whatever happened in it. It is read-only, unless the
        store is one that `writes`."""
        from sqlalchemy.exc import DBAPIError

        connection = self._engine.connect()
        raw = connection.connection.dbapi_connection
        clock = _Clock(limit_s + GRACE_S, end=lambda: self._end(raw), cut=lambda: self._cut(raw))
        try:
            with clock, ending(lambda: self._end(raw)) if ending else contextlib.nullcontext():
                self._begin(connection, limit_s)
                yield connection
        except StatementError as error:
            if clock.has_struck:
                raise took_too_long(limit_s) from None
            raise UserError(error.problems) from None
        except UserError:
            raise
        except Exception as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            refusal = took_too_long(limit_s) if clock.has_struck else self._refusal(cause)
            if refusal is None:
                raise
            raise refusal from None  # what the driver said may hold what it was told
        finally:
            self._let_go(connection, raw)

    def _let_go(self, connection: "Connection", raw: Any) -> None:
        with contextlib.suppress(Exception):
            self._abandon(raw)
        for cursor in connection.info.pop(CURSORS, []):
            with contextlib.suppress(Exception):
                cursor.close()
        with contextlib.suppress(Exception):
            connection.rollback()
        with contextlib.suppress(Exception):
            connection.close()

    @cached_property
    def _engine(self) -> "Engine":
        from sqlalchemy import NullPool, create_engine

        return create_engine(
            f"{self.dialect}://", creator=self._connect, poolclass=NullPool, hide_parameters=True, **self.engine_options
        )

    def _quoted(self, name: str) -> str:
        if "\0" in name:
            raise no_such_table(name)
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"


class ServerDatabase(SqlDatabase):
    """One that is reached over the network, or through a socket of this machine."""

    Config: ClassVar[type[BackendConfig]] = ServerConfig
    Secrets: ClassVar[type[Credentials]] = ServerSecrets

    def __init__(self, config: ServerConfig, password: SecretStr) -> None:
        self.config = config
        self._password = password

    @classmethod
    def settle(
        cls,
        config: BackendConfig,
        _credentials: Credentials,
        *,
        workspace_id: int,  # noqa: ARG003
        name: str,  # noqa: ARG003
    ) -> ServerConfig:
        config = cast("ServerConfig", config)
        _require_a_host(config.host)
        for field, value in (("database", config.database), ("user", config.user)):
            if not value or "\0" in value:
                raise UserError(f"Name the {field}.", loc=("config", field))
        if config.tls == "verify" and config.certificate:
            tls_context(config)
        return config if config.tls == "verify" else config.model_copy(update={"certificate": ""})

    @classmethod
    def open(cls, config: BackendConfig, credentials: Credentials) -> Self:
        config = cast("ServerConfig", config)
        if config.is_socket:
            _require_socket_allowed(config.host)
        asks = config.auth == "password"
        made = cls(config, cast("ServerSecrets", credentials).password if asks else SecretStr(""))
        made.may_write = config.allow_writes
        return made

    @property
    def location(self) -> str:
        return f"{self.kind}://{self.config.host}:{self.config.port}/{self.config.database}"

    def _connect(self) -> Any:
        """To one address after the other, of those that the guard admits."""
        deadline = Deadline(CONNECT_S)
        if self.config.is_socket:
            return self._signed_in(None, deadline)
        addresses = network.resolve(self.config.host, self.config.port, loc=HOST)
        for number, address in enumerate(addresses, 1):
            try:
                return self._signed_in(address, deadline)
            except Unreachable:
                if number == len(addresses) or deadline.is_over:
                    raise
        raise AssertionError("`resolve` gives at least one address")

    def _signed_in(self, address: str | None, deadline: Deadline) -> Any:
        try:
            return self._sign_in(address, deadline)
        except UserError:
            raise
        except Exception as error:
            refusal = self._no_entry(error)
            if refusal is None:
                raise
            raise refusal from None  # its frames hold the password

    @abstractmethod
    def _sign_in(self, address: str | None, deadline: Deadline) -> Any:
        """The driver's connection to `address`, or to the socket where there is none."""

    @abstractmethod
    def _no_entry(self, error: Exception) -> UserError | None:
        """Why there is no connection, in words, at the field that is to blame."""

    # Sentences that servers share.

    def refused(self) -> Unreachable:
        return Unreachable(
            f"{self._server} refused the connection. Check host and port, and that the server runs and lets this "
            "machine in.",
            loc=PORT,
        )

    def unreachable(self) -> Unreachable:
        return Unreachable(f"{self._server} does not answer. Check host and port, and firewalls on the way.", loc=HOST)

    def wrong_credentials(self) -> UserError:
        loc = PASSWORD if self.config.auth == "password" else USER
        return UserError(f"{self._server} does not let the user {self._user} in. Check user and password.", loc=loc)

    def no_such_database(self) -> UserError:
        return UserError(
            f"There is no database {shown(self.config.database)} on {self._server}. Check its name.", loc=DATABASE
        )

    def database_closed(self) -> UserError:
        return UserError(
            f"The user {self._user} may not use the database {shown(self.config.database)}. Ask its administrator for "
            "the right to connect and to read.",
            loc=DATABASE,
        )

    def no_tls(self) -> UserError:
        return UserError(
            f"{self._server} offers no encryption (TLS). Choose “{TLS_LABELS['prefer']}”, or turn it on there.", loc=TLS
        )

    def needs_tls(self) -> UserError:
        return UserError(f"{self._server} lets nobody in without encryption (TLS). Choose another setting.", loc=TLS)

    def wrong_certificate(self, why: str) -> UserError:
        return UserError(
            f"The certificate of {self._server} can't be trusted: {shown(why[:200])}. Check the host's name, give its "
            "certificate authority, or choose another setting of TLS.",
            loc=CERTIFICATE,
        )

    def too_many(self) -> Unreachable:
        return Unreachable(f"{self._server} takes no more connections just now. Try again later.", loc=HOST)

    def went_away(self) -> Unreachable:
        return Unreachable(f"The connection to {self._server} broke. Try again.", loc=HOST)

    def said(self, what: str, message: str, loc: tuple[str | int, ...]) -> UserError:
        """`what` happened, with the first line of the server's own words."""
        first = message.strip().partition("\n")[0]
        password = self._password.get_secret_value()
        if password:
            first = first.replace(password, "…")
        return UserError(f"{what}: {_printable(first[:MESSAGE_CHARACTERS])}", loc=loc)

    @property
    def _server(self) -> str:
        host = shown(self.config.host)
        return host if self.config.is_socket else f"{host}:{self.config.port}"

    @property
    def _user(self) -> str:
        return f"“{shown(self.config.user)}”"


class StatementError(UserError):
    """The driver's words about one statement: where its time was over, that is what counts."""


class _Clock:
    """Ends a query that the server itself does not end in time; where even that is not heard, the connection."""

    def __init__(self, limit_s: float, *, end: Callable[[], None], cut: Callable[[], None]) -> None:
        self.has_struck = False
        self._end, self._cut = end, cut
        limit_s = min(limit_s, threading.TIMEOUT_MAX - 60)
        self._timers = [Timer(limit_s, self._strike), Timer(limit_s + 2 * GRACE_S, self._give_up)]

    def __enter__(self) -> None:
        for timer in self._timers:
            timer.daemon = True
            timer.start()

    def __exit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()

    def _strike(self) -> None:
        self.has_struck = True
        with contextlib.suppress(Exception):
            self._end()

    def _give_up(self) -> None:
        with contextlib.suppress(Exception):
            self._cut()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def took_too_long(limit_s: float) -> UserError:
    return UserError(f"The query took longer than {limit_s:g} s, so it was ended. {TIMEOUT_HINT}", loc=QUERY_LOC)


def writes() -> UserError:
    return UserError("The query writes, and here tables are only read. Select rows.", loc=QUERY_LOC)


def _no_end(statement: Statement) -> None:
    """Raises UserError where it would end the transaction."""
    if statement.first_word in OF_TRANSACTIONS:
        raise UserError(
            f"{statement.first_word.upper()} has no place here: all statements of the step are one transaction, which "
            "the studio commits at its end. Take it out."
        )


def plain_value(value: Any) -> Any:
    """A value of Arrow's for a driver: moments of any zone as in UTC, and no NUL character, which no server takes."""
    if isinstance(value, str) and "\0" in value:
        return value.replace("\0", "\ufffd")
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def not_allowed() -> str:
    return (
        "This datastore does not allow steps to write to it. An owner of the workspace can turn on “Steps may write” "
        "in its settings."
    )


def no_such_table(name: str) -> UserError:
    return UserError(f"There is no table “{shown(name)}” (any more), or it may not be read.", loc=("table",))


def tls_context(config: ServerConfig) -> ssl.SSLContext:
    """For `verify` with an authority of its own, or this machine's. Raises UserError where it is none."""
    try:
        return ssl.create_default_context(cadata=config.certificate or None)
    except (ssl.SSLError, ValueError):
        raise UserError(
            "This is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----.", loc=CERTIFICATE
        ) from None


def machine_authorities() -> str:
    """The file of the authorities that this machine trusts, for libraries that only take a file."""
    import certifi

    places = [ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt", certifi.where()]
    return next(place for place in places if place and Path(place).is_file())


def _require_a_host(host: str) -> None:
    if host.startswith("/"):
        _require_socket_allowed(host)
    elif not host or any(sign in host for sign in "/,@?#\\ \0\t\r\n") or (":" in host and not _is_address(host)):
        raise UserError("Write only the host's name or address, as in db.example.com.", loc=HOST)


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def _require_socket_allowed(path: str) -> None:
    """A socket is a way past every other guard: only what an administrator named is opened."""
    if not {path, network.ADMIT_ALL} & set(settings.PRIVATE_HOSTS):
        raise UserError(
            "The studio does not open sockets of its own machine. An administrator can admit this one with the setting "
            "STUDIO_PRIVATE_HOSTS.",
            loc=HOST,
        )

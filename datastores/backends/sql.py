"""What databases behind SQLAlchemy share: each query in a read-only transaction of its own connection, with an end.

A kind says how it connects and signs in, what its columns are in Arrow, and what its refusals mean in words. Nothing is
kept open between two calls.
"""

import contextlib
import ipaddress
import ssl
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from django.conf import settings
from pydantic import Field, SecretStr

from datastores import network
from datastores.backends.cursors import packed, unpacked
from datastores.backends.database import Database, Table, TableListing
from datastores.backends.interface import BackendConfig, Credentials, Unreachable
from datastores.backends.one_select import QUERY_LOC, one_select
from datastores.backends.sql_rows import ColumnReader, batches_of
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
TIMEOUT_HINT = "Let it read less: fewer rows, an index, or a table that was made from it."
AUTH_LABELS = {"password": "Password", "identity": "The node's own identity"}
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
        names = [table.name] if table.schema is None else [table.schema, table.name]
        return f"SELECT * FROM {'.'.join(self._quoted(name) for name in names)}"  # noqa: S608 (quoted)

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

    # Parts of it.

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
    def _reading(self, limit_s: float) -> Iterator["Connection"]:
        """A connection in a read-only transaction that is rolled back, whatever happened in it."""
        from sqlalchemy.exc import DBAPIError

        connection = self._engine.connect()
        raw = connection.connection.dbapi_connection
        clock = _Clock(limit_s + GRACE_S, end=lambda: self._end(raw), cut=lambda: self._cut(raw))
        try:
            with clock:
                self._begin(connection, limit_s)
                yield connection
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
        return cls(config, cast("ServerSecrets", credentials).password if asks else SecretStr(""))

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


class _Clock:
    """Ends a query that the server itself does not end in time; where even that is not heard, the connection."""

    def __init__(self, limit_s: float, *, end: Callable[[], None], cut: Callable[[], None]) -> None:
        self.has_struck = False
        self._end, self._cut = end, cut
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
    return UserError("The query writes, and a datastore's tables are only ever read. Select rows.", loc=QUERY_LOC)


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

"""Tables of a MySQL or MariaDB server."""

import contextlib
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datastores.backends import sql_rows
from datastores.backends.database import SqlValue
from datastores.backends.interface import BackendConfig
from datastores.backends.one_select import QUERY_LOC, only_one
from datastores.backends.sql import (
    HOST,
    PASSWORD,
    TIMEOUT_HINT,
    Answer,
    Deadline,
    ServerConfig,
    ServerDatabase,
    plain_value,
    tls_context,
    writes,
)
from datastores.backends.sql_rows import ColumnReader
from datastores.backends.statements import Statement, Tongue
from datastores.sources import Column
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import pymysql
    from sqlalchemy import Connection, TextClause

LISTING = """
    SELECT '', table_name, table_type <> 'BASE TABLE' FROM information_schema.tables
    WHERE table_schema = DATABASE() AND :schema = '' AND BINARY table_name > BINARY :name
    AND BINARY LEFT(table_name, CHAR_LENGTH(:prefix)) = BINARY :prefix
    ORDER BY BINARY table_name LIMIT :limit
"""
WRITE_TIMEOUT_S = 600  # whoever reads may take their time between two batches
WRITING_LOCK_S = 120  # others may write the same rows
AT_LINE = re.compile(r" at line (\d+)\Z")
INSERTED_AT_ONCE = 1000
TYPES = {
    "string": "longtext",
    "integer": "bigint",
    "number": "double",
    "decimal": "decimal(65, 10)",
    "boolean": "boolean",
    "date": "date",
    "time": "time(6)",
    "timestamp": "datetime(6)",
    "binary": "longblob",
    "other": "longtext",
}
IS_UNSIGNED = 32
IS_BINARY = 63  # the character set of what is no text
BIT, YEAR, JSON = 16, 13, 245
INTEGERS = frozenset({1, 2, 3, 9, YEAR})
NUMBERS = frozenset({4, 5})
DECIMALS = frozenset({0, 246})
TEXTS = frozenset({15, 247, 248, 249, 250, 251, 252, 253, 254})


class MySqlConfig(ServerConfig):
    port: int = Field(default=3306, title="Port", ge=1, le=65535)


class MySql(ServerDatabase):
    kind: ClassVar[str] = "mysql"
    label: ClassVar[str] = "MySQL or MariaDB"
    summary: ClassVar[str] = (
        "Tables and views of a MySQL or MariaDB database. They are read; steps write, where you allow it."
    )
    dialect: ClassVar[str] = "mysql+pymysql"
    tongue: ClassVar[Tongue] = "mysql"
    quote: ClassVar[str] = "`"
    creating_commits: ClassVar[bool] = True
    # Files are no matter of transactions to MySQL: a SELECT of a user with the right FILE could read and write them.
    forbidden: ClassVar[tuple[str, ...]] = ("outfile", "dumpfile", "load_file")
    # LOAD DATA reads them, and a statement that is put together out of texts can say any of these words.
    forbidden_to_write: ClassVar[tuple[str, ...]] = ("infile", "prepare", "immediate")
    Config: ClassVar[type[BackendConfig]] = MySqlConfig

    def _sign_in(self, address: str | None, deadline: Deadline) -> "pymysql.Connection[Any]":
        connection = self._connection(deadline)
        line = _line(self.config, address, deadline)
        try:
            connection.connect(line)
        except BaseException:
            line.close()
            raise
        raw: Any = connection
        raw._read_timeout = None  # noqa: SLF001 (from here on the query's own limit counts)
        return connection

    def _connection(self, deadline: Deadline) -> "pymysql.Connection[Any]":
        """Not connected yet. The host's name stays in it, for its certificate."""
        import pymysql

        config = self.config
        context: ssl.SSLContext | None = None
        if config.tls in {"require", "verify"}:
            context = tls_context(config)
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # servers' own authorities are seldom strict
            if config.tls == "require":
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        parameters: dict[str, Any] = {
            "host": config.host,
            "port": config.port,
            "user": config.user,
            "password": self._password.get_secret_value().encode(),  # a str would be sent as Latin-1
            "database": config.database,
            "charset": "utf8mb4",
            "conv": _decoders(),
            "ssl": context,
            "ssl_disabled": config.tls == "off" or config.is_socket,
            "local_infile": False,
            "read_timeout": max(0.1, deadline.left_s),
        }
        return pymysql.Connection(**parameters, defer_connect=True)

    def _no_entry(self, error: Exception) -> UserError | None:
        import pymysql

        cause = getattr(error, "original_exception", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self.wrong_certificate(cause.verify_message)
        if isinstance(cause, ssl.SSLError):
            return self.no_tls()
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return self.refused()
        if isinstance(cause, OSError):
            return self.unreachable()
        if not isinstance(error, pymysql.Error):
            return None
        code, said = _code_of(error), str(error.args[-1]) if error.args else ""
        known: dict[int | None, Callable[[], UserError]] = {
            **dict.fromkeys((1045, 1698, 1820, 1862), self.wrong_credentials),
            1044: self.database_closed,
            1049: self.no_such_database,
            **dict.fromkeys((1040, 1203, 1226), self.too_many),
            2026: self.no_tls,
            **dict.fromkeys((1835, 3159, 4151), self.needs_tls),
            **dict.fromkeys((1129, 1130), self._not_from_here),
            **dict.fromkeys((1053, 2006, 2013), self.went_away),
        }
        if code == 2013 and "timed out" in said:
            return self.unreachable()
        if code in known:
            return known[code]()
        return self.said(f"{self._server} did not let the studio in", said, PASSWORD)

    def _not_from_here(self) -> UserError:
        return UserError(
            f"{self._server} lets nobody in from this machine. Ask its administrator to admit it.", loc=HOST
        )

    def _begin(self, connection: "Connection", limit_s: float) -> None:
        raw: Any = connection.connection.dbapi_connection
        wait_s = WRITING_LOCK_S if self.writes else 5
        is_mariadb = "mariadb" in raw.server_version.lower()
        limit = f"max_statement_time = {limit_s:.3f}" if is_mariadb else f"max_execution_time = {round(limit_s * 1000)}"
        for statement in (
            f"SET SESSION {limit}",
            "SET SESSION time_zone = '+00:00'",
            f"SET SESSION net_write_timeout = {WRITE_TIMEOUT_S}",
            f"SET SESSION lock_wait_timeout = {wait_s}, innodb_lock_wait_timeout = {wait_s}",
            "ROLLBACK",
            "START TRANSACTION" if self.writes else "START TRANSACTION READ ONLY",
        ):
            connection.exec_driver_sql(statement)

    def _end(self, raw: Any) -> None:
        self._kill(raw, "QUERY")

    def _cut(self, raw: Any) -> None:
        line_of(raw).shutdown(socket.SHUT_RDWR)

    def _abandon(self, raw: Any) -> None:
        # The library would read an answer to its end before it lets go of the connection.
        result = raw._result  # noqa: SLF001
        if result is None or not result.unbuffered_active:
            return
        result.unbuffered_active, result.connection = False, None
        try:
            self._kill(raw, "CONNECTION")
        finally:
            raw._force_close()  # noqa: SLF001

    def _kill(self, raw: Any, what: str) -> None:
        """From a second connection, which is how the server wants it."""
        second = self._connect()
        try:
            with second.cursor() as cursor:
                cursor.execute(f"KILL {what} {raw.thread_id()}")
        finally:
            second.close()

    def _look(self, connection: "Connection") -> None:
        connection.exec_driver_sql("SELECT table_name FROM information_schema.tables LIMIT 1").all()

    def _listing(self) -> "TextClause":
        from sqlalchemy import text

        return text(LISTING)

    def _ask(self, connection: "Connection", query: str, *, limit: int | None) -> Answer:
        # Whatever limits itself is not touched by this; the rest stops as soon as nobody wants more of it.
        connection.exec_driver_sql(f"SET SESSION sql_select_limit = {'DEFAULT' if limit is None else limit}")
        return super()._ask(connection, query, limit=limit)

    def _cursor(self, raw: Any) -> Any:
        import pymysql.cursors

        return raw.cursor(pymysql.cursors.SSCursor)

    def _execute(self, raw: Any, statement: Statement, values: Mapping[str, SqlValue]) -> Any:
        cursor = self._cursor(raw)
        cursor.execute(statement.text(lambda name: _literal(values.get(name))))
        return cursor

    def _line_of(self, error: BaseException, statement: Statement, values: Mapping[str, SqlValue]) -> int:  # noqa: ARG002
        found = AT_LINE.search(str(error.args[-1])) if error.args else None
        return statement.line + (int(found[1]) - 1 if found else 0)

    def _insert(self, raw: Any, into: str, columns: Sequence[Column], rows: Iterator[Sequence[Any]]) -> None:
        named = ", ".join(self._quoted(column.name).replace("%", "%%") for column in columns)
        marks = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO {into.replace('%', '%%')} ({named}) VALUES ({marks})"  # noqa: S608 (quoted)
        with raw.cursor() as cursor:
            while some := list(islice(rows, INSERTED_AT_ONCE)):
                cursor.executemany(statement, [[plain_value(value) for value in row] for row in some])

    def _type_for(self, column: Column) -> str:
        return TYPES[column.type]

    def _readers(self, cursor: Any) -> list[ColumnReader]:
        return [_reader(field) for field in cursor._result.fields]  # noqa: SLF001 (its description knows no signs)

    def _refusal(self, error: BaseException) -> UserError | None:
        import pymysql

        if isinstance(error, OSError | EOFError) or (isinstance(error, RuntimeError) and "LOAD_LOCAL" in str(error)):
            return self.went_away()
        if not isinstance(error, pymysql.Error):
            return None
        code, said = _code_of(error), str(error.args[-1]) if error.args else ""
        match code:
            case 1317 | 1969 | 3024:
                return UserError(f"The query was ended: it took too long. {TIMEOUT_HINT}", loc=QUERY_LOC)
            case 1205 | 1213:
                return UserError("Somebody is changing this table just now. Try again later.", loc=QUERY_LOC)
            case 1792:
                return writes()
            case 1064 if "near ';" in said or "near '; " in said:
                return only_one()
            case 1142 | 1143 | 1227 | 1370:
                return self.said(f"The user {self._user} may not do this", said, QUERY_LOC)
            case 2013 | 2006 | 2003 | 1053 | 1927 | 0:
                return self.went_away()
        return self.said("The database refused the query", said, QUERY_LOC)


def _literal(value: SqlValue) -> str:
    """The protocol's plain statements have no place for values: a text goes in hexadecimal, which nothing can end."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return f"_utf8mb4 X'{value.encode('utf-8', 'replace').hex()}'"
    return repr(value)


def line_of(connection: Any) -> socket.socket:
    """The socket of a connection."""
    line: socket.socket = connection._sock  # noqa: SLF001
    return line


def _line(config: ServerConfig, address: str | None, deadline: Deadline) -> socket.socket:
    timeout_s = max(0.1, deadline.left_s)
    if address is not None:
        line = socket.create_connection((address, config.port), timeout_s)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return line
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(timeout_s)
        line.connect(os.fspath(config.host))
    except OSError:
        line.close()
        raise
    return line


def _code_of(error: Exception) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _decoders() -> Mapping[Any, Callable[..., Any]]:
    """What the library makes of each type's text: what is not here stays as it came."""
    from pymysql.converters import encoders

    return {
        **encoders,
        **dict.fromkeys((*INTEGERS, 8), int),
        **dict.fromkeys(NUMBERS, float),
        **dict.fromkeys(DECIMALS, _decimal),
        BIT: lambda raw: int.from_bytes(raw, "big"),
        10: _date,
        14: _date,
        7: _timestamp,
        12: _timestamp,
    }


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


def _date(text: str) -> date | None:
    """Zero dates, and those with a zero in them, are missing."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _timestamp(text: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text)
    return None


def _reader(field: Any) -> ColumnReader:
    """By type, flags and character set: https://mariadb.com/kb/en/result-set-packets/#column-definition-packet."""
    name, kind, is_unsigned = field.name, field.type_code, bool(field.flags & IS_UNSIGNED)
    if kind in INTEGERS or (kind == BIT and field.length < 64):
        return sql_rows.integer(name)
    if kind in {8, BIT}:
        return sql_rows.unsigned(name) if is_unsigned or kind == BIT else sql_rows.integer(name)
    if kind in NUMBERS:
        return sql_rows.number(name)
    if kind in DECIMALS:
        signs = (field.scale > 0) + (not is_unsigned)
        return sql_rows.decimal(name, field.length - signs, field.scale)
    if kind in {10, 14}:
        return sql_rows.date(name)
    if kind in {7, 12}:
        return sql_rows.timestamp(name, has_zone=kind == 7)
    if kind == JSON:
        return sql_rows.other(name)
    if kind in TEXTS:
        return sql_rows.binary(name) if field.charsetnr == IS_BINARY else sql_rows.string(name)
    return sql_rows.binary(name) if field.charsetnr == IS_BINARY and kind == 255 else sql_rows.other(name)

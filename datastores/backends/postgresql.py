"""Tables of a PostgreSQL server."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datastores.backends import sql_rows
from datastores.backends.database import SqlValue
from datastores.backends.interface import BackendConfig
from datastores.backends.one_select import QUERY_LOC, only_one
from datastores.backends.sql import (
    PASSWORD,
    TIMEOUT_HINT,
    USER,
    Deadline,
    ServerConfig,
    ServerDatabase,
    machine_authorities,
    plain_value,
    writes,
)
from datastores.backends.sql_rows import ColumnReader
from datastores.backends.statements import Statement, Tongue
from datastores.sources import Column
from studio.lib.problems import UserError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection, TextClause

SSL_MODES = {"off": "disable", "prefer": "prefer", "require": "require", "verify": "verify-full"}
CHECKS_CLIENTS = 140_000  # since this version
LOCK_S = 5.0  # somebody alters the table: a preview does not wait for them
WRITING_LOCK_S = 120.0  # others may write the same rows

# A SELECT of such a user could read the server's files, and write them, in a read-only transaction too: also by
# becoming a role that it is a member of.
REACHES_FILES = """
    SELECT current_setting('is_superuser') = 'on' OR EXISTS (
        SELECT FROM pg_catalog.pg_roles
        WHERE (rolsuper OR rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
        AND pg_catalog.pg_has_role(current_user, oid, 'MEMBER')
    )
"""
LISTING = """
    SELECT n.nspname, c.relname, c.relkind IN ('v', 'm')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_'
    AND (n.nspname::text COLLATE "C", c.relname::text COLLATE "C") > (:schema, :name)
    AND left(c.relname::text, char_length(:prefix)) = :prefix
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
    ORDER BY n.nspname::text COLLATE "C", c.relname::text COLLATE "C" LIMIT :limit
"""
INTEGERS = frozenset({20, 21, 23, 26})  # int8, int2, int4, oid
NUMBERS = frozenset({700, 701})
STRINGS = frozenset({18, 19, 25, 1042, 1043, 2950})  # "char", name, text, char, varchar, uuid
TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "decimal": "numeric",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "binary": "bytea",
    "other": "text",
}
# A cursor is not for what writes: 42P11, 0A000 (a WITH that does), 42601 (INTO).
NO_CURSOR = frozenset({"42P11", "0A000"})
DECLARED = 'DECLARE "studio" CURSOR FOR '  # the library puts it before what a cursor asks for
SELECTING = frozenset({"select", "values", "table", "with"})
# Shown as the server writes them.
AS_WRITTEN = ("json", "jsonb", "uuid", "interval", "timetz", "inet", "cidr")


class PostgreSqlConfig(ServerConfig):
    port: int = Field(default=5432, title="Port", ge=1, le=65535)


class PostgreSql(ServerDatabase):
    kind: ClassVar[str] = "postgresql"
    label: ClassVar[str] = "PostgreSQL"
    summary: ClassVar[str] = (
        "Tables and views of a PostgreSQL database. They are read; steps write, where you allow it."
    )
    dialect: ClassVar[str] = "postgresql+psycopg"
    tongue: ClassVar[Tongue] = "postgresql"
    engine_options: ClassVar[dict[str, Any]] = {"use_native_hstore": False}
    Config: ClassVar[type[BackendConfig]] = PostgreSqlConfig
    _ahead = 0  # of the last statement, the characters before it in what was sent

    def _sign_in(self, address: str | None, deadline: Deadline) -> "psycopg.Connection[Any]":
        import psycopg

        config = self.config
        parameters: dict[str, Any] = {
            "host": config.host,
            "hostaddr": address,
            "port": config.port,
            "dbname": config.database,
            "user": config.user,
            "connect_timeout": max(2, round(deadline.left_s)),
            "application_name": "Pipeline Studio",
            "client_encoding": "utf8",
            "options": "",
            "sslmode": SSL_MODES[config.tls],
            "gssencmode": "disable",
            "keepalives_idle": 20,
            "tcp_user_timeout": 30_000,
        }
        if config.auth == "password":
            # Else the library would look for what the process's own user keeps in its home.
            parameters |= {"passfile": os.devnull, "sslcertmode": "disable"}
            parameters |= {"password": self._password.get_secret_value()}
        with _authorities(config) as file:
            connection = psycopg.connect(**parameters, sslrootcert=file)
        try:
            connection.read_only = not self.writes
            _load_types(connection)
            self._refuse_who_reaches_files(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_who_reaches_files(self, connection: "psycopg.Connection[Any]") -> None:
        row = connection.execute(REACHES_FILES).fetchone()
        connection.rollback()
        if row is None or row[0]:
            raise UserError(
                f"The user {self._user} may read or write files of the database server, so anybody's query could. Give "
                "the studio a user of its own: CREATE ROLE studio LOGIN PASSWORD '…'; GRANT pg_read_all_data TO "
                "studio;",
                loc=USER,
            )

    def _no_entry(self, error: Exception) -> UserError | None:
        import psycopg

        if not isinstance(error, psycopg.Error):
            return None
        said = str(error)
        if isinstance(error, psycopg.errors.ConnectionTimeout):
            return self.unreachable()
        if "certificate" in said:
            return self.wrong_certificate(said.strip().rpartition(": ")[2])
        if "pg_hba.conf" in said:
            return self.needs_tls() if self.config.tls == "off" else self._no_rule()
        for texts, sentence in self._known().items():
            if any(text in said for text in texts):
                return sentence()
        return self.said(f"{self._server} did not let the studio in", said.rpartition("FATAL:")[2], PASSWORD)

    def _known(self) -> Mapping[tuple[str, ...], Callable[[], UserError]]:
        """What the library says in English; a server may speak another language, and is quoted then."""
        return {
            ("timeout expired", "timed out", "unreachable", "No route"): self.unreachable,
            ("does not support SSL",): self.no_tls,
            ("authentication failed", "no password supplied", "role "): self.wrong_credentials,
            ("permission denied for database",): self.database_closed,
            ("too many", "remaining connection slots"): self.too_many,
            ("Connection refused", "No such file"): self.refused,
            (
                "starting up",
                "shutting down",
                "recovery mode",
                "closed the connection",
                "could not receive",
            ): self.went_away,
            ("database ",): self.no_such_database,
        }

    def _no_rule(self) -> UserError:
        return UserError(
            f"{self._server} has no rule (pg_hba.conf) that lets the user {self._user} in from this machine to this "
            "database. Ask its administrator for one.",
            loc=USER,
        )

    def _begin(self, connection: "Connection", limit_s: float) -> None:
        limit_ms = max(1, round(limit_s * 1000))
        for name, value in {
            "statement_timeout": str(limit_ms),
            "lock_timeout": str(round(min(limit_s, WRITING_LOCK_S if self.writes else LOCK_S) * 1000)),
            "idle_in_transaction_session_timeout": str(limit_ms + 60_000),
            "timezone": "UTC",
            "datestyle": "ISO",
            "intervalstyle": "iso_8601",
            "extra_float_digits": "1",
        }.items():
            # LOCAL: behind a pooler the next transaction may be another's.
            connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")

    def _end(self, raw: Any) -> None:
        raw.cancel_safe(timeout=2)

    def _cut(self, raw: Any) -> None:
        with socket.socket(fileno=os.dup(raw.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)

    def _look(self, connection: "Connection") -> None:
        connection.exec_driver_sql("SELECT 1 FROM pg_catalog.pg_class LIMIT 1").all()

    def _listing(self) -> "TextClause":
        from sqlalchemy import text

        return text(LISTING.replace("::", r"\:\:"))

    def _cursor(self, raw: Any) -> Any:
        return raw.cursor(name="studio")

    def _watch_asker(self, raw: Any) -> None:
        import psycopg

        if raw.info.server_version < CHECKS_CLIENTS:
            return
        raw.execute("SAVEPOINT watch")
        try:
            raw.execute("SET LOCAL client_connection_check_interval = '2s'")
        except psycopg.Error:  # the server's own system can't
            raw.execute("ROLLBACK TO SAVEPOINT watch")

    def _execute(self, raw: Any, statement: Statement, values: Mapping[str, SqlValue]) -> Any:
        import psycopg

        text, given = _with_marks(statement), {name: values.get(name) for name in statement.names} or None
        if statement.first_word in SELECTING or not statement.first_word:
            raw.execute("SAVEPOINT ask")
            cursor = raw.cursor(name="studio")
            self._ahead = len(DECLARED)
            try:
                return cursor.execute(text, given)
            except psycopg.Error as error:
                if error.sqlstate not in NO_CURSOR:
                    raise
                raw.execute("ROLLBACK TO SAVEPOINT ask")
        self._ahead = 0
        return raw.cursor().execute(text, given)

    def _line_of(self, error: BaseException, statement: Statement, values: Mapping[str, SqlValue]) -> int:  # noqa: ARG002
        import psycopg

        position = error.diag.statement_position if isinstance(error, psycopg.Error) else None
        if not position:
            return statement.line
        # What was sent has the same lines, and a cursor's own words before it.
        numbers = {name: f"${number}" for number, name in enumerate(_in_order(statement), 1)}
        sent = statement.text(lambda name: numbers[name])
        return statement.line + sent.count("\n", 0, max(0, int(position) - 1 - self._ahead))

    def _insert(self, raw: Any, into: str, columns: Sequence[Column], rows: Iterator[Sequence[Any]]) -> None:
        named = ", ".join(self._quoted(column.name) for column in columns)
        with raw.cursor() as cursor, cursor.copy(f"COPY {into} ({named}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([plain_value(value) for value in row])

    def _type_for(self, column: Column) -> str:
        return TYPES[column.type]

    def _readers(self, cursor: Any) -> list[ColumnReader]:
        return [_reader(column) for column in cursor.description]

    def _refusal(self, error: BaseException) -> UserError | None:
        import psycopg

        if isinstance(error, UnicodeDecodeError):
            return self.said("The database holds text in another encoding than it says", str(error.reason), QUERY_LOC)
        if not isinstance(error, psycopg.Error):
            return None
        said = error.diag.message_primary or str(error)
        match error.sqlstate:
            case "57014" | "25P04":
                return UserError(f"The query was ended: it took too long. {TIMEOUT_HINT}", loc=QUERY_LOC)
            case "55P03":
                return UserError("Somebody is changing this table just now. Try again later.", loc=QUERY_LOC)
            case "25006":
                return writes()
            case "42501":
                return self.said(f"The user {self._user} may not do this", said, QUERY_LOC)
            case "42601" if "multiple commands" in said:
                return only_one()
            case "42601" | "0A000" if "INTO" in said or "data-modifying" in said:
                return writes()
            case "42P11":  # no cursor over a command that writes
                return writes()
            case "53300":
                return self.too_many()
            case None:
                return self.went_away()
            case "57P01" | "57P02" | "57P03" | "08000" | "08003" | "08006":
                return self.went_away()
        return self.said("The database refused the query", said, QUERY_LOC)


def _with_marks(statement: Statement) -> str:
    """As psycopg wants it, which sends the values apart from the text. Without values it looks for no marks."""
    if not statement.names:
        return statement.text(str)
    keys = {name: f"%({name})s" for name in statement.names}
    return statement.text(lambda name: keys[name], lambda text: text.replace("%", "%%"))


def _in_order(statement: Statement) -> list[str]:
    """The names of the values, each once, as they first stand in it."""
    return list(dict.fromkeys(part.name for part in statement.parts if not isinstance(part, str)))


def _reader(column: Any) -> ColumnReader:
    """By the number of the type: https://www.postgresql.org/docs/current/catalog-pg-type.html."""
    name, oid = column.name, column.type_code
    if oid in INTEGERS:
        return sql_rows.integer(name)
    if oid in NUMBERS:
        return sql_rows.number(name)
    if oid in STRINGS:
        return sql_rows.string(name)
    if oid == 1700:
        if column.precision is None:  # of any length, as sums are: CAST it where its last digits matter
            return sql_rows.number(name, float)
        return sql_rows.decimal(name, column.precision, column.scale or 0)
    match oid:
        case 16:
            return sql_rows.boolean(name)
        case 17:
            return sql_rows.binary(name)
        case 1082:
            return sql_rows.date(name)
        case 1083:
            return sql_rows.time(name)
        case 1114:
            return sql_rows.timestamp(name, has_zone=False)
        case 1184:
            return sql_rows.timestamp(name, has_zone=True)
    return sql_rows.other(name)


def _load_types(connection: "psycopg.Connection[Any]") -> None:
    """Dates that no reader of Arrow knows (infinity, before the year 1) are missing; the rest stays as written."""
    from psycopg.types import datetime as dates
    from psycopg.types.string import TextLoader

    for name in AS_WRITTEN:
        connection.adapters.register_loader(name, TextLoader)
    for name, loader in {
        "date": dates.DateLoader,
        "time": dates.TimeLoader,
        "timestamp": dates.TimestampLoader,
        "timestamptz": dates.TimestamptzLoader,
    }.items():
        connection.adapters.register_loader(name, _or_missing(loader))


def _or_missing(loader: Any) -> Any:
    import psycopg

    class OrMissing(loader):  # type: ignore[misc] # chosen at run time
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except psycopg.DataError:
                return None

    return OrMissing


@contextlib.contextmanager
def _authorities(config: ServerConfig) -> Iterator[str | None]:
    """A file of the authorities to trust, which is all that the library takes."""
    if config.tls != "verify":
        yield None
    elif not config.certificate:
        yield machine_authorities()
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(config.certificate)
            file.flush()
            yield file.name

"""Tables of a SQLite file on the machine's own disk: below the workspace's folder, or where an administrator allows."""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast
from urllib.parse import quote

from pydantic import Field

from datastores.backends import sql_rows
from datastores.backends.database import SqlValue, Table
from datastores.backends.interface import BackendConfig, Credentials, NoCredentials, Store
from datastores.backends.local import is_shared, require_allowed, workspaces_home
from datastores.backends.one_select import QUERY_LOC, only_one
from datastores.backends.sql import (
    ALLOW_WRITES,
    LOOK_S,
    TIMEOUT_HINT,
    Answer,
    SqlDatabase,
    no_such_table,
    plain_value,
    writes,
)
from datastores.backends.sql_rows import ColumnReader
from datastores.backends.statements import Statement, Tongue
from datastores.paths import clean_path
from datastores.source_paths import shown
from datastores.sources import Column
from studio.lib.problems import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection, TextClause

PATH = ("config", "path")
# A column holds whatever a row put into it: what it is, is told by so many rows.
TELLING_ROWS = 10_000
WRITING_LOCK_S = 120.0  # others may write
MOST_BYTES = 256 * 1024**2  # of one value
EVERY_STEPS = 20_000  # of SQLite's machine: some milliseconds
LISTING = """
    SELECT '', name, type = 'view' FROM sqlite_master
    WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' AND :schema = '' AND name > :name
    AND substr(name, 1, length(:prefix)) = :prefix ORDER BY name LIMIT :limit
"""
ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
# What a step may do besides, where writing is allowed. Not: other files, settings, modules, an end of the transaction.
ALLOWED_TO_WRITE = ALLOWED | {
    getattr(sqlite3, f"SQLITE_{name}")
    for name in (
        "INSERT", "UPDATE", "DELETE", "ALTER_TABLE", "ANALYZE", "REINDEX", "SAVEPOINT",
        *(f"{verb}_{kind}" for verb in ("CREATE", "DROP") for kind in ("TABLE", "INDEX", "VIEW", "TRIGGER")),
        *(f"{verb}_TEMP_{kind}" for verb in ("CREATE", "DROP") for kind in ("TABLE", "INDEX", "VIEW", "TRIGGER")),
    )
}  # fmt: skip
TYPES = {
    "string": "TEXT",
    "integer": "INTEGER",
    "number": "REAL",
    "decimal": "NUMERIC",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
    "other": "TEXT",
}
# They load code, or (a regular expression's search, in Python) can't be ended.
REFUSED_FUNCTIONS = frozenset({"load_extension", "regexp", "fts3_tokenizer", "readfile", "writefile", "edit"})


class SqliteConfig(BackendConfig):
    path: str = Field(
        title="File",
        description=(
            "A file in one of the workspace's own local folders, as in workspaceblobstore/shop.sqlite; or the whole "
            "path of one that its administrator has allowed with the setting STUDIO_LOCAL_DATASTORE_ROOTS."
        ),
        max_length=1000,
    )
    allow_writes: bool = Field(default=False, title="Steps may write", description=ALLOW_WRITES)


class Sqlite(SqlDatabase):
    kind: ClassVar[str] = "sqlite"
    label: ClassVar[str] = "SQLite"
    summary: ClassVar[str] = (
        "Tables and views of a SQLite file on the studio's own disk. They are read; steps write, where you allow it."
    )
    dialect: ClassVar[str] = "sqlite"
    tongue: ClassVar[Tongue] = "sqlite"
    Config: ClassVar[type[BackendConfig]] = SqliteConfig
    Secrets: ClassVar[type[Credentials]] = NoCredentials

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def settle(
        cls,
        config: BackendConfig,
        _credentials: Credentials,
        *,
        workspace_id: int,
        name: str,  # noqa: ARG003
    ) -> SqliteConfig:
        path = cast("SqliteConfig", config).path
        if not path.startswith("/"):
            path = clean_path(path, loc=PATH)
            own = f"{workspace_id}/"  # what was settled once is settled again
            path = path if path.startswith(own) and _is_own(path) else own + path
        settled = SqliteConfig(path=path, allow_writes=cast("SqliteConfig", config).allow_writes)
        store = cls.open(settled, NoCredentials())
        store.test()
        return settled

    @classmethod
    def open(cls, config: BackendConfig, _credentials: Credentials) -> Self:
        path = cast("SqliteConfig", config).path
        if "\0" in path:
            raise UserError("A path can't hold a NUL character.", loc=PATH)
        file = Path(os.path.realpath(workspaces_home() / path))
        if path.startswith("/") or not _is_own(path):
            require_allowed(file)
        made = cls(file)
        made.may_write = cast("SqliteConfig", config).allow_writes
        return made

    @classmethod
    def from_afar(cls, config: BackendConfig) -> Store | None:
        if is_shared(cast("SqliteConfig", config).path):
            return None
        raise UserError(
            "This SQLite file lies on the studio's own disk, which this node does not share. Run the step on a node "
            "that does, or bring the table into a dataset of files first.",
            loc=PATH,
        )

    @property
    def location(self) -> str:
        return f"sqlite://{self.file}"

    def columns_of(self, table: Table) -> list[Column]:
        """As its first rows have them; an empty table's as they were declared."""
        with self._reading(LOOK_S) as connection:
            raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            raw.set_authorizer(None)  # the next statement is ours, and asks what no query may
            info = raw.execute("SELECT name, type FROM pragma_table_info(?)", (table.name,)).fetchall()
            raw.set_authorizer(_authorize)
            if not info:
                raise no_such_table(table.name)
            answer = self._ask(connection, self.select_all(table), limit=TELLING_ROWS)
            if answer.first:
                return [reader.column for reader in answer.readers]
        return [_declared(name, declared).column for name, declared in info]

    def _connect(self) -> sqlite3.Connection:
        try:
            raw = sqlite3.connect(
                f"file:{quote(str(self.file))}?mode={'rw' if self.writes else 'ro'}",
                uri=True,
                check_same_thread=False,
                timeout=WRITING_LOCK_S if self.writes else 5.0,
                isolation_level=None if self.writes else "DEFERRED",
            )
        except sqlite3.Error as error:
            raise self._unopened(error) from None
        raw.text_factory = lambda raw_text: raw_text.decode(errors="replace")
        return raw

    def _begin(self, connection: "Connection", limit_s: float) -> None:
        raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        query_only = "OFF" if self.writes else "ON"
        for pragma in (f"query_only = {query_only}", "trusted_schema = OFF", "cell_size_check = ON"):
            raw.execute(f"PRAGMA {pragma}")
        if self.writes:
            raw.execute("BEGIN IMMEDIATE")
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        raw.set_authorizer(_authorize_to_write if self.writes else _authorize)
        over_at = time.monotonic() + limit_s
        raw.set_progress_handler(lambda: int(time.monotonic() > over_at), EVERY_STEPS)

    def _end(self, raw: Any) -> None:
        raw.interrupt()

    def _commit(self, raw: Any) -> None:
        raw.set_authorizer(None)
        raw.execute("COMMIT")

    def _execute(self, raw: Any, statement: Statement, values: Mapping[str, SqlValue]) -> Any:
        numbers = {name: number for number, name in enumerate(sorted(statement.names))}
        given = {f"p{number}": values.get(name) for name, number in numbers.items()}
        return raw.execute(statement.text(lambda name: f":p{numbers[name]}"), given)

    def _line_of(self, error: BaseException, statement: Statement, values: Mapping[str, SqlValue]) -> int:  # noqa: ARG002
        return statement.line

    def _insert(self, raw: Any, into: str, columns: Sequence[Column], rows: Iterator[Sequence[Any]]) -> None:
        named = ", ".join(self._quoted(column.name) for column in columns)
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {into} ({named}) VALUES ({marks})"  # noqa: S608 (quoted)
        raw.executemany(statement, ([_stored(value) for value in row] for row in rows))

    def _type_for(self, column: Column) -> str:
        return TYPES[column.type]

    def _answer(self, cursor: Any) -> Answer:
        first = cursor.fetchmany(TELLING_ROWS)
        columns = zip(*first, strict=True) if first else ((),) * len(cursor.description)
        readers = [_told(field[0], values) for field, values in zip(cursor.description, columns, strict=True)]
        return Answer(readers, cursor, first)

    def _look(self, connection: "Connection") -> None:
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").all()

    def _listing(self) -> "TextClause":
        from sqlalchemy import text

        return text(LISTING)

    def _columns(self, connection: "Connection", query: str) -> list[Column]:
        return [reader.column for reader in self._ask(connection, query, limit=TELLING_ROWS).readers]

    def _ask(self, connection: "Connection", query: str, *, limit: int | None) -> Answer:
        cursor = self._sent(connection, query)
        wanted = TELLING_ROWS if limit is None else min(limit, TELLING_ROWS)
        first = cursor.fetchmany(wanted) if wanted else []
        columns = zip(*first, strict=True) if first else ((),) * len(cursor.description)
        readers = [_told(field[0], values) for field, values in zip(cursor.description, columns, strict=True)]
        return Answer(readers, cursor, first)

    def _cursor(self, raw: Any) -> Any:
        return raw.cursor()

    def _readers(self, cursor: Any) -> list[ColumnReader]:
        return [sql_rows.string(field[0]) for field in cursor.description]

    def _refusal(self, error: BaseException) -> UserError | None:
        if not isinstance(error, sqlite3.Error):
            return None
        said = str(error)
        if "interrupted" in said:
            return UserError(f"The query was ended: it took too long. {TIMEOUT_HINT}", loc=QUERY_LOC)
        if "one statement" in said:
            return only_one()
        if self.writes and ("not authorized" in said or "prohibited" in said):
            return UserError(
                f"SQLite does not let steps do this: {said[:500]}. They may read and change tables, and not open other "
                "files, change settings, or end the transaction.",
                loc=QUERY_LOC,
            )
        if "readonly" in said or "not authorized" in said or "prohibited" in said:
            return writes()
        if isinstance(error, sqlite3.DatabaseError) and error.sqlite_errorcode in {
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_IOERR,
        }:
            return self._unopened(error)
        if "locked" in said or "busy" in said:
            return UserError("Somebody is writing to this file just now. Try again later.", loc=PATH)
        return UserError(f"SQLite refused the query: {said[:500]}", loc=QUERY_LOC)

    def _unopened(self, error: sqlite3.Error) -> UserError:
        name = f"“{shown(self.file.name)}”"
        if not self.file.exists():
            return UserError(f"There is no file {name} there. Check the path.", loc=PATH)
        if not self.file.is_file():
            return UserError(f"{name} is a folder, or something else that is no file.", loc=PATH)
        if not os.access(self.file, os.R_OK):
            return UserError(f"The studio is not allowed to read {name}.", loc=PATH)
        if "not a database" in str(error):
            return UserError(f"{name} is not a SQLite database, or it is encrypted.", loc=PATH)
        return UserError(f"The SQLite file {name} is damaged, or a program that wrote it was broken off.", loc=PATH)


def _is_own(path: str) -> bool:
    """Whether `path`, relative, leads into the folder of the workspace whose number it begins with; by no link out."""
    home = workspaces_home()
    own = home / path.partition("/")[0]
    return Path(os.path.realpath(home / path)).is_relative_to(own)


def _authorize(action: int, _first: str | None, second: str | None, _database: str | None, _inside: str | None) -> int:
    """Asked while a statement is prepared: it may select, and call functions that only compute."""
    if action in ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _authorize_to_write(
    action: int, first: str | None, second: str | None, database: str | None, inside: str | None
) -> int:
    return sqlite3.SQLITE_OK if action in ALLOWED_TO_WRITE else _authorize(action, first, second, database, inside)


def _stored(value: Any) -> Any:
    """A value of Arrow's as SQLite keeps it: what it has no class for becomes text that sorts."""
    value = plain_value(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value) if isinstance(value, date | time_of_day | Decimal) else value


def _told(name: str, values: Any) -> ColumnReader:
    """A column as its rows have it: numbers of both kinds are numbers, any other mixture is text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int}:
        return sql_rows.integer(name)
    if kinds and kinds <= {int, float}:
        return sql_rows.number(name, float)
    if kinds == {bytes}:
        return sql_rows.binary(name)
    return sql_rows.string(name)


def _declared(name: str, declared: str) -> ColumnReader:
    """By SQLite's own rules: https://www.sqlite.org/datatype3.html#determination_of_column_affinity."""
    said = declared.upper()
    if "INT" in said:
        return sql_rows.integer(name)
    if any(word in said for word in ("CHAR", "CLOB", "TEXT")):
        return sql_rows.string(name)
    if "BLOB" in said:
        return sql_rows.binary(name)
    if any(word in said for word in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
        return sql_rows.number(name)
    return sql_rows.string(name)

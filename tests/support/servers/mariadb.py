"""A real MariaDB (Debian's mariadb-server-core), with a data folder, a port and a socket of its own.

with mariadb() as server:
    config = {"host": server.host, "port": server.port, "database": server.database, "user": server.user}
    secrets = {"password": server.password}
"""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from studio.installation.supervisor import leashed
from tests.support.servers.certificates import Certificates, make_certificates
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_for

SCRIPTS = Path("/usr/share/mysql")
SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
)
SMALL = [
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
    "--max-connections=60",
]


@dataclass(frozen=True)
class MariaDb:
    """A running server: `studio` may read and write the database `shop`, `reader` may only read it."""

    folder: Path
    port: int
    socket: Path
    certificates: Certificates
    host: str = "127.0.0.1"
    database: str = "shop"
    user: str = "studio"
    password: str = "the-studio's own:p@ss/wörd%"
    reader: str = "reader"
    reader_password: str = "only-reads"

    def run(self, *statements: str, database: str | None = None) -> list[Any]:
        """As the server's administrator; gives the rows of the last statement."""
        with self.admin(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @contextmanager
    def admin(self, database: str | None = None) -> Iterator["pymysql.Connection[Any]"]:
        connection = pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database or self.database, autocommit=True
        )
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def mariadb() -> Iterator[MariaDb]:
    binary = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    folder = Path(tempfile.mkdtemp(prefix="studio-maria-", dir="/tmp"))  # short: a socket lies there
    try:
        data = folder / "data"
        data.mkdir()
        base = [binary, "--no-defaults", f"--datadir={data}", f"--tmpdir={folder}", *SMALL]
        base += [f"--user={getpass.getuser()}"] if os.geteuid() == 0 else []
        _bootstrap(base, folder)
        certificates = make_certificates(folder)
        server, process = _start(base, folder, certificates)
        try:
            _furnish(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bootstrap(base: list[str], folder: Path) -> None:
    script = "create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n"
    script += "\n".join((SCRIPTS / name).read_text() for name in SYSTEM_TABLES)
    with (folder / "bootstrap.log").open("wb") as log:
        subprocess.run(
            [*base, "--bootstrap", "--skip-networking"], input=script.encode(), stdout=log, stderr=log, check=True
        )


def _start(base: list[str], folder: Path, certificates: Certificates) -> tuple[MariaDb, "subprocess.Popen[bytes]"]:
    for last_try in (False, False, True):
        server = MariaDb(folder, free_port(), folder / "s", certificates)
        command = [*base, f"--port={server.port}", f"--socket={server.socket}", "--bind-address=127.0.0.1,127.0.0.2"]
        command += [f"--ssl-cert={certificates.certificate}", f"--ssl-key={certificates.key}"]
        command += ["--character-set-server=utf8mb4", "--secure-file-priv="]  # the worst case: files may be read
        with (folder / "mariadb.log").open("wb") as log:
            process = subprocess.Popen(leashed(command, signal.SIGKILL), stdout=log, stderr=log, process_group=0)
        wait_for(
            lambda server=server, process=process: process.poll() is not None or _answers(server),
            what="MariaDB answers",
            timeout_s=60,
        )
        if process.poll() is None:
            return server, process
        if last_try:
            break
    raise AssertionError(f"MariaDB did not start:\n{(folder / 'mariadb.log').read_text()[-3000:]}")


def _answers(server: MariaDb) -> bool:
    with contextlib.suppress(OSError, pymysql.Error):
        with socket.socket(socket.AF_UNIX) as probe:  # the library leaves one that is refused open
            probe.connect(str(server.socket))
        server.run("SELECT 1", database="mysql")
        return True
    return False


def _furnish(server: MariaDb) -> None:
    quoted = server.password.replace("'", "''")
    server.run(
        f"CREATE DATABASE {server.database}",
        f"CREATE USER {server.user}@'%' IDENTIFIED BY '{quoted}'",
        f"GRANT ALL ON {server.database}.* TO {server.user}@'%'",
        f"GRANT FILE ON *.* TO {server.user}@'%'",
        f"CREATE USER {server.reader}@'%' IDENTIFIED BY '{server.reader_password}'",
        f"GRANT SELECT ON {server.database}.* TO {server.reader}@'%'",
        database="mysql",
    )

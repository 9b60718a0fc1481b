"""Real SSH servers with SFTP: OpenSSH's with keys, and asyncssh's own for a password, which no system user has to have.

with sshd() as server:
    config = {"host": server.host, "port": server.port, "user": server.user, "folder": str(server.folder),
              "host_key": server.host_key, "auth": "key"}
    secrets = {"private_key": server.private_key}
"""

import asyncio
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.installation.supervisor import leashed
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_for

PASSPHRASE = "a pass phrase"
CLOSED = "closed"  # a folder that may only be read
PASSWORD = "the password: p@ss/wörd"


@dataclass(frozen=True)
class SshServer:
    """A running server. `folder` is empty, and the user may write there; `key_with_passphrase` needs `PASSPHRASE`."""

    port: int
    user: str
    folder: Path
    host_key: str  # as a line of known_hosts has it: type and key
    fingerprint: str  # SHA256:…
    private_key: str = ""
    key_with_passphrase: str = ""
    password: str = ""
    host: str = "127.0.0.1"


@contextmanager
def sshd(variables: Mapping[str, str] | None = None, under: tuple[str, ...] = ()) -> Iterator[SshServer]:
    """Debian's openssh-server; the user is the one that runs the tests. `variables` are set in its sessions.

    `under` is the beginning of a command that becomes the server.
    """
    import asyncssh

    binary = shutil.which("sshd") or "/usr/sbin/sshd"
    home = Path(tempfile.mkdtemp(prefix="studio-sshd-", dir="/tmp"))
    try:
        host_key, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        host_key.write_private_key(home / "host_key")
        (home / "host_key").chmod(0o600)
        (home / "authorized_keys").write_bytes(key.export_public_key())
        (home / "data").mkdir()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # compiled in: where it locks up what it does not trust
        process, port = _start((*under, binary), home, variables or {})
        try:
            yield SshServer(
                port=port,
                user=getpass.getuser(),
                folder=home / "data",
                host_key=host_key.export_public_key().decode().strip(),
                fingerprint=host_key.get_fingerprint(),
                private_key=key.export_private_key().decode(),
                key_with_passphrase=key.export_private_key(passphrase=PASSPHRASE).decode(),
            )
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(binary: tuple[str, ...], home: Path, variables: Mapping[str, str]) -> tuple["subprocess.Popen[bytes]", int]:
    log = home / "sshd.log"
    session = "SetEnv " + " ".join(f'"{name}={value}"' for name, value in variables.items()) if variables else ""
    for _ in range(3):
        port = free_port()
        (home / "config").write_text(
            f"""
            Port {port}
            ListenAddress 127.0.0.1
            HostKey {home}/host_key
            AuthorizedKeysFile {home}/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password
            MaxStartups 100
            Subsystem sftp internal-sftp
            {session}
            """
        )
        command = [*binary, "-D", "-e", "-f", str(home / "config")]
        with log.open("ab") as output:
            process = subprocess.Popen(
                leashed(command, signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        wait_for(
            lambda process=process: process.poll() is not None or "listening on" in log.read_text(),
            what="sshd listens",
            timeout_s=20,
        )
        if process.poll() is None:
            return process, port
    raise AssertionError(f"sshd did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def sftp_by_password() -> Iterator[SshServer]:
    """asyncssh's server, in a thread: the user is `sam`, who sees the folder as `/` and may not write in `CLOSED`."""
    import asyncssh

    folder = Path(tempfile.mkdtemp(prefix="studio-sftp-", dir="/tmp"))
    host_key = asyncssh.generate_private_key("ssh-ed25519")

    class OnePerson(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("sam", PASSWORD)

    class OnlyTheFolder(asyncssh.SFTPServer):
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=os.fsencode(folder))

        def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            if path.startswith(f"/{CLOSED}/".encode()) and pflags & asyncssh.FXF_WRITE:
                raise asyncssh.SFTPPermissionDenied("nobody writes there")
            return super().open(path, pflags, attrs)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sftp-server", daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def listen() -> Any:
        return await asyncssh.create_server(
            OnePerson, "127.0.0.1", 0, server_host_keys=[host_key], sftp_factory=OnlyTheFolder, allow_scp=False
        )

    listener = run(listen())
    try:
        yield SshServer(
            port=listener.get_port(),
            user="sam",
            folder=folder,
            host_key=host_key.export_public_key().decode().strip(),
            fingerprint=host_key.get_fingerprint(),
            password=PASSWORD,
        )
    finally:
        run(_closed(listener))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _closed(listener: Any) -> None:
    listener.close()
    await listener.wait_closed()

"""What can be seen to fail before anything is started, each as one line that says what to do.

Runs before the settings are read: they already write below STUDIO_HOME.
"""

import errno
import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TextIO

NEEDED_MB = int(os.environ.get("STUDIO_MIN_FREE_MB", "500"))


class PreflightError(Exception):
    """The reader can mend it; the message says how."""


def studio_home() -> Path:
    root = Path(__file__).resolve().parent.parent.parent
    return Path(os.environ.get("STUDIO_HOME") or root / ".studio").absolute()


def check_home() -> None:
    """Make STUDIO_HOME and see that it can be written to."""
    home = studio_home()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=home, prefix=".preflight-") as probe:
            probe.write(b"x" * 4096)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_is_full() from None
        reason = error.strerror or str(error)
        raise PreflightError(
            f"STUDIO_HOME ({home}) cannot be used: {reason}. "
            "Make it a folder that you may write to, or set STUDIO_HOME to another one, then try again."
        ) from None


def check_disk() -> None:
    if _free_mb() < NEEDED_MB:
        raise disk_is_full()


def check_port(host: str, port: int) -> None:
    """See that nobody listens there, by listening for a moment."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PreflightError(
                f"Port {port} is in use by another program. Choose another one: make up PORT={port + 1}"
            ) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise PreflightError(
            f"{host} port {port} cannot be listened on: {reason}. Choose others: make up HOST=127.0.0.1 PORT=8000"
        ) from None


def lock_home() -> TextIO:
    """Hold STUDIO_HOME for this process, until it ends however it ends."""
    home = studio_home()
    return _lock(
        home / "up.lock",
        f"The studio in {home} is running already ({{}}). Stop it first, or set STUDIO_HOME to another folder.",
    )


def lock_nodes() -> TextIO:
    """Be the one supervisor of nodes on this machine. Where nodes lie is its own disk, whatever machines share."""
    home = Path(os.environ.get("STUDIO_NODE_HOME") or studio_home() / "node").absolute()
    home.mkdir(parents=True, exist_ok=True)
    return _lock(
        home / "supervisor.lock",
        f"The nodes of {home} have a supervisor already ({{}}). Stop it first, or set STUDIO_NODE_HOME to another "
        "folder.",
    )


def _lock(file: Path, taken: str) -> TextIO:
    lock = file.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        who = lock.read().strip() or "another process"
        lock.close()
        raise PreflightError(taken.format(who)) from None
    return lock


def note_in(lock: TextIO, text: str) -> None:
    """What the next one to find the lock held will be told."""
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()


def disk_is_full() -> PreflightError:
    return PreflightError(
        f"The disk of STUDIO_HOME ({studio_home()}) is full: {_free_mb()} MB are free and {NEEDED_MB} MB are needed. "
        "Make room, or set STUDIO_HOME to a folder on another disk, then try again."
    )


def _free_mb() -> int:
    return shutil.disk_usage(studio_home()).free // 1024**2

"""Bytes by their digest: one file per content and workspace, however many snapshots hold it.

Files lie at `STUDIO_HOME/content/<workspace id>/<first two digits>/<SHA-256>`, read-only. They are written aside and
renamed, so that a reader never sees half a file and two writers of the same content don't disturb each other. On a
machine that does not share STUDIO_HOME, copies of them lie below NODE_HOME.
"""

import contextlib
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

CHUNK_BYTES = 1024 * 1024
_DIGEST = re.compile(r"\A[0-9a-f]{64}\Z")


class TooLargeError(Exception):
    """A stream went on beyond the bytes that its reader was ready to take."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of a content."""

    sha256: str
    size_bytes: int


class ContentStore:
    """The contents of one workspace. Knows digests and bytes, nothing of names."""

    def __init__(self, workspace_id: int) -> None:
        home = settings.NODE_HOME if settings.FOLDERS_GATEWAY else settings.STUDIO_HOME
        self.root = Path(home) / "content" / str(int(workspace_id))

    def path(self, sha256: str) -> Path:
        """Where the content lies, whether or not it is there. Raises ValueError for anything but a digest."""
        if not _DIGEST.match(sha256):
            raise ValueError("not a SHA-256 in lower-case hexadecimal")
        return self.root / sha256[:2] / sha256

    def add(self, stream: IO[bytes], *, max_bytes: int | None = None) -> Stored:
        """Take everything that `stream` gives, a chunk at a time.

        Raises TooLargeError, and keeps nothing, as soon as more than `max_bytes` came.
        """
        aside = self.root / "aside"
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = aside / secrets.token_hex(16)
        digest, size = hashlib.sha256(), 0
        try:
            with draft.open("xb") as file:
                while chunk := stream.read(CHUNK_BYTES):
                    size += len(chunk)
                    if max_bytes is not None and size > max_bytes:
                        raise TooLargeError
                    digest.update(chunk)
                    file.write(chunk)
            stored = Stored(digest.hexdigest(), size)
            self._keep(draft, stored)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
        return stored

    def use(self, sha256: str) -> bool:
        """Whether the content is here. Its time of change is that of its last use, then."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def open(self, sha256: str) -> IO[bytes]:
        """Raises FileNotFoundError where the content is not here."""
        return self.path(sha256).open("rb")

    def copy(self, sha256: str, destination: Path, *, executable: bool = False) -> None:
        """Write the content to `destination`, a file that may be changed without touching the store.

        Shares the blocks where the file system can (reflink). Raises FileExistsError where `destination` exists.
        """
        mode = 0o755 if executable else 0o644
        with self.open(sha256) as source:
            target = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            with os.fdopen(target, "wb") as file:
                _copy_bytes(source, file)

    def _keep(self, draft: Path, stored: Stored) -> None:
        path = self.path(stored.sha256)
        if path.exists() and path.stat().st_size == stored.size_bytes:
            return
        path.parent.mkdir(exist_ok=True, mode=0o700)
        draft.chmod(0o400)
        draft.replace(path)


def _copy_bytes(source: IO[bytes], target: IO[bytes]) -> None:
    """In the kernel where it can be done there, which shares blocks on Btrfs and XFS."""
    left = os.fstat(source.fileno()).st_size
    try:
        while left and (copied := os.copy_file_range(source.fileno(), target.fileno(), left)):
            left -= copied
    except OSError:  # across file systems on an old kernel, or a file system that can't
        source.seek(0)
        target.seek(0)
        while chunk := source.read(CHUNK_BYTES):
            target.write(chunk)

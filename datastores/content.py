"""Bytes by their digest: one file per content and workspace, however many snapshots hold it.

Files lie at `STUDIO_HOME/content/<workspace id>/<first two digits>/<SHA-256>`, read-only. They are written aside and
renamed, so that a reader never sees half a file and two writers of the same content don't disturb each other. On a
machine that does not share STUDIO_HOME, copies of them lie below NODE_HOME.
"""

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


@dataclass(frozen=True, slots=True)
class Draft:
    """A content that is read whole and not kept yet."""

    stored: Stored
    file: Path

    def drop(self) -> None:
        """Harmless where it was kept."""
        self.file.unlink(missing_ok=True)


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
        """Take everything that `stream` gives. Raises TooLargeError as `draft` does."""
        draft = self.draft(stream, max_bytes=max_bytes)
        try:
            self.keep(draft)
        finally:
            draft.drop()
        return draft.stored

    def draft(self, stream: IO[bytes], *, max_bytes: int | None = None) -> Draft:
        """Read `stream` into a file aside, a chunk at a time: whoever asks for it keeps it or drops it.

        Raises TooLargeError, and leaves nothing, as soon as more than `max_bytes` came.
        """
        aside = self.root / "aside"
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = aside / secrets.token_hex(16)
        try:
            with place.open("xb") as file:
                return Draft(_read_into(file, stream, max_bytes), place)
        except BaseException:
            place.unlink(missing_ok=True)
            raise

    def keep(self, draft: Draft) -> None:
        """Under its digest, unless it is there already."""
        if self.has(draft.stored):
            return
        path = self.path(draft.stored.sha256)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        draft.file.chmod(0o400)
        draft.file.replace(path)

    def has(self, stored: Stored) -> bool:
        path = self.path(stored.sha256)
        return path.exists() and path.stat().st_size == stored.size_bytes

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


def _read_into(file: IO[bytes], stream: IO[bytes], max_bytes: int | None) -> Stored:
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        if max_bytes is not None and size > max_bytes:
            raise TooLargeError
        digest.update(chunk)
        file.write(chunk)
    return Stored(digest.hexdigest(), size)


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

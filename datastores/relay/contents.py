"""Files of source folders, brought to a machine that does not share the studio's content store."""

import io
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from django.conf import settings

from datastores.content import ContentStore
from datastores.models import SnapshotFile
from datastores.relay.client import ask
from datastores.relay.frames import MOST_BYTES

_AT_ONCE = 500
_UNUSED_S = 7 * 24 * 3600.0


def fetch_missing(store: ContentStore, workspace_id: int, files: Iterable[SnapshotFile]) -> None:
    """Have all contents of `files` in this machine's `store`. What is there already is not asked for.

    Raises UserError where the studio lost a file, and Unreachable where it does not answer.
    """
    missing = {file.sha256: file.size_bytes for file in files if not store.use(file.sha256)}
    small = [sha256 for sha256, size_bytes in missing.items() if size_bytes <= MOST_BYTES]
    while small:
        said, content = ask("contents", {"workspace_id": workspace_id, "sha256s": small[:_AT_ONCE]})
        at = 0
        for sha256, size_bytes in zip(small, said["sizes"], strict=False):
            _keep(store, sha256, io.BytesIO(content[at : at + size_bytes]))
            at += size_bytes
        small = small[len(said["sizes"]) :]
    for sha256, size_bytes in missing.items():
        if size_bytes > MOST_BYTES:
            _keep(store, sha256, cast("IO[bytes]", _Parts(workspace_id, sha256)))


def forget_unused() -> None:
    """Remove the copies that no step of this machine has used for a week."""
    for file in (Path(settings.NODE_HOME) / "content").glob("*/*/*"):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > _UNUSED_S:
                file.unlink()


def _keep(store: ContentStore, sha256: str, stream: IO[bytes]) -> None:
    stored = store.add(stream)
    if stored.sha256 != sha256:
        raise OSError(f"the content {sha256} arrived as {stored.sha256}")


class _Parts(io.RawIOBase):
    """A large content, part after part."""

    def __init__(self, workspace_id: int, sha256: str) -> None:
        self._asked = {"workspace_id": workspace_id, "sha256": sha256}
        self._at = 0

    def read(self, _count: int = -1, /) -> bytes:
        _, data = ask("content", {**self._asked, "start": self._at})
        self._at += len(data)
        return data

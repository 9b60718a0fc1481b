"""The studio's own sources, packed as an installation on another machine needs them: no git, no front end, no tests."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

_FOLDERS = ("studio", "datastores", "compute", "pipelines")
_FILES = ("manage.py", "pyproject.toml", "requirements.lock", "requirements-dev.lock")


@cache
def source_digest() -> str:
    """SHA-256 over every file's path and content, shortened to what a folder's name can bear.

    Read once: a process goes on with the sources that it began with.
    """
    digest = hashlib.sha256()
    for path, content in _sources():
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:20]


def packed_source() -> bytes:
    """A gzipped tar of what `source_digest` names."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in _sources():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    root = Path(settings.BASE_DIR)
    for name in _FILES:
        yield name, (root / name).read_bytes()
    for folder in _FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(root).as_posix(), file.read_bytes()

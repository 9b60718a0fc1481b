"""Files that a program keeps by call: they are put into a folder of the attempt, which its node takes away at the end.

So a step needs no network for it, and what was uploaded before the process is killed is there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from studio_sdk.exceptions import UserErrorException

VARIABLE = "STUDIO_UPLOADS"
KEPT_WITHOUT_A_CALL = ("outputs", "logs")


class Uploads:
    """`folder` lies beside the step's working folder, `code`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def put_file(self, name: str, source: Any) -> None:
        """`source` is a path, or has `read()`. Raises UserErrorException, OSError."""
        name = cleaned(name)
        if not hasattr(source, "read") and os.path.isdir(source):
            raise UserErrorException(f"{source} is a folder: use upload_folder.")
        target = os.path.join(self.folder, *name.split("/"))
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserErrorException(f"“{name}” lies below a file that was uploaded: choose another name.") from None
        # Beside the folder, so that half of a file is never taken for a whole one.
        descriptor, draft = tempfile.mkstemp(prefix=".upload-", dir=os.path.dirname(self.folder))
        try:
            with os.fdopen(descriptor, "wb") as file:
                copy(source, file)
            os.replace(draft, target)
        except IsADirectoryError:
            raise UserErrorException(f"“{name}” is a folder of what was uploaded: choose another name.") from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)

    def put_folder(self, name: str, path: Any) -> None:
        """Raises UserErrorException, OSError."""
        for artifact, place in files_of(name, path):
            self.put_file(artifact, place)

    def names(self) -> list[str]:
        found = set(_files_below(self.folder))
        code = os.path.join(os.path.dirname(self.folder), "code")
        for top in KEPT_WITHOUT_A_CALL:
            found |= {f"{top}/{below}" for below in _files_below(os.path.join(code, top))}
        return sorted(found)


def files_of(name: str, path: Any) -> Iterator[tuple[str, str]]:
    """Each file below the folder `path`, and its name as an artifact below `name`. Raises UserErrorException."""
    path = os.fspath(path)
    if not os.path.isdir(path):
        raise UserErrorException(f"There is no folder {path}.")
    for below in _files_below(path):
        yield f"{name}/{below}", os.path.join(path, below)


def cleaned(name: Any) -> str:
    """An artifact's name, without needless parts. Raises UserErrorException."""
    name = os.fspath(name).replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or name.startswith("/") or "\0" in name:
        raise UserErrorException(f"“{name}” is no name for an artifact: give a relative path, as in “models/a.pkl”.")
    return "/".join(parts)


def copy(source: Any, file: Any) -> None:
    """Into `file`, what lies at the path `source`, or what its `read()` gives."""
    if not hasattr(source, "read"):
        with open(source, "rb") as opened:
            shutil.copyfileobj(opened, file, 1024 * 1024)
        return
    while True:
        piece = source.read(1024 * 1024)
        if not piece:
            return
        file.write(piece.encode() if isinstance(piece, str) else piece)


def _files_below(folder: str) -> Iterator[str]:
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                yield os.path.relpath(path, folder).replace(os.sep, "/")

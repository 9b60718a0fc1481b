"""Programs of the studio's own that jobs run, each one file that any Python reads.

Whoever makes such jobs registers the program by name; `${{programs.NAME}}` in a command is its path on the node. Each
attempt has a copy in its own folder, where its sandbox sees it.
"""

import shutil
from pathlib import Path

_programs: dict[str, Path] = {}


def register(name: str, file: Path) -> None:
    _programs[name] = file


def file_of(name: str) -> Path | None:
    return _programs.get(name)


def lay_out(name: str, folder: Path) -> Path | None:
    """A copy of the program below `folder`; None where there is none of that name. Raises OSError."""
    file = file_of(name)
    if file is None:
        return None
    folder.mkdir(exist_ok=True)
    copy = folder / file.name
    shutil.copyfile(file, copy)
    return copy

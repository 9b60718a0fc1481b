"""Programs of the studio's own that jobs run, each one file that any Python reads, or a folder with `__main__.py`.

Whoever makes such jobs registers the program by name; `${{programs.NAME}}` in a command is its path on the node. Each
attempt has a copy in its own folder, where its sandbox sees it.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

_programs: dict[str, Path] = {}


def register(name: str, file: Path) -> None:
    _programs[name] = file


def file_of(name: str) -> Path | None:
    return _programs.get(name)


def members_of(program: Path) -> Iterator[tuple[str, Path]]:
    """The files of a program, by their paths beside it: its own name first."""
    if program.is_file():
        yield program.name, program
        return
    for file in sorted(program.rglob("*.py")):
        yield f"{program.name}/{file.relative_to(program).as_posix()}", file


def lay_out(name: str, folder: Path) -> Path | None:
    """A copy of the program below `folder`; None where there is none of that name. Raises OSError."""
    file = file_of(name)
    if file is None:
        return None
    for path, each in members_of(file):
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(each, copy)
    return folder / file.name

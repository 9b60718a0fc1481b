"""Where a Python interpreter lies: a virtual environment's links lead to another one, which may be anywhere."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from compute.execution.sandbox.plan import trail


@lru_cache(maxsize=256)
def interpreter_places(python: Path) -> tuple[str, ...]:
    """What has to be seen for `python` to start: the program, its virtual environment, and what that is made from."""
    links, real = trail(str(python))
    programs = [Path(place) for place, _ in links] + [Path(real)]
    found = [str(python)]
    for program in programs:
        if program.parent.name not in {"bin", "Scripts"}:
            continue
        folder = program.parent.parent
        if (folder / "pyvenv.cfg").exists():
            found += [str(folder), *_made_from(folder)]
        found += _library(folder)
    return tuple(dict.fromkeys(found))


def _made_from(folder: Path) -> Iterator[str]:
    """The virtual environment's own word for it: an interpreter looks there for its library."""
    for line in (folder / "pyvenv.cfg").read_text(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and os.path.isabs(home := value.strip()):  # noqa: PTH117 (a text)
            yield from _library(Path(home).parent)


def _library(folder: Path) -> list[str]:
    """All of an installation's folder where it is one: a home folder with a bin in it is none."""
    if not any(folder.glob("lib*/python3*/os.py")):
        return []
    if (folder / "conda-meta").exists() or {entry.name for entry in folder.iterdir() if entry.is_dir()} <= _PARTS:
        return [str(folder)]
    return [str(place) for part in ("bin", "lib", "lib64") if (place := folder / part).exists()]


_PARTS = frozenset({"bin", "include", "lib", "lib64", "share"})

"""The lines of a lock of Python packages, as `uv pip compile` writes them: a requirement, then hashes of its files."""

import re
from collections.abc import Iterable

from packaging.requirements import Requirement

from compute.environments.installed import canonical
from compute.environments.requirements import problem_of

_HASH = re.compile(r"\s+--hash=[a-z0-9]+:[0-9a-f]+(?=\s|\Z)")


def lock_lines(text: str) -> list[str]:
    """Each with its hashes, on one line. Raises ValueError for what is no requirement by name, or reads files.

    Whoever builds sources while versions are looked for could have written anything.
    """
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = [line for each in joined.splitlines() if (line := " ".join(each.split())) and not line.startswith("#")]
    for line in lines:
        problem = problem_of(requirement_of(line))
        if problem is not None:
            raise ValueError(problem)
    return lines


def requirement_of(line: str) -> str:
    return _HASH.sub("", line)


def name_of(line: str) -> str:
    return canonical(Requirement(requirement_of(line)).name)


def without(lines: Iterable[str], names: Iterable[str]) -> list[str]:
    gone = set(names)
    return [line for line in lines if name_of(line) not in gone]

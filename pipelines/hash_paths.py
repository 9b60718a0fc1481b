"""Which of a step's files count as its code, where it says so: files, folders and patterns below its source. Pure.

As Azure ML's `hash_paths`: a change of any other file makes no other result, so it keeps nobody from reusing one.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

import pathspec

MAX_PATHS = 100
_MAX_LENGTH = 400  # characters


def path_problem(path: str) -> str | None:
    """A sentence where this is no path below the source, whatever is there."""
    if not path.strip():
        return "Write a file, a folder or a pattern, as in “src/*.py”, or remove the line."
    if len(path) > _MAX_LENGTH:
        return f"This has more than {_MAX_LENGTH} characters. Name a folder, or write a pattern."
    if path.startswith(("/", "~")) or "\\" in path or ":" in path:
        return "Write it from the step's folder on, with slashes, as in “src/train.py”."
    if ".." in path.split("/"):
        return "This leads out of the step's folder. Only its own files can count."
    try:
        _rules((path,))
    except (ValueError, re.error):
        return "This is no pattern. Write a file, a folder or a pattern, as in “src/*.py”."
    return None


def hash_path_problems(paths: Sequence[str], files: Collection[str] | None) -> Iterator[tuple[int, str]]:
    """By place in the list, what is wrong. `files` of the source; None where the step has none."""
    if len(paths) > MAX_PATHS:
        yield MAX_PATHS, f"These are more than {MAX_PATHS} paths. Name folders, or write patterns."
        return
    seen: set[str] = set()
    for index, path in enumerate(paths):
        if sentence := path_problem(path):
            yield index, sentence
        elif files is None:
            yield index, "The step has no files. Add some, or remove this path."
        elif path in seen:
            yield index, f"“{path}” is named twice. Remove one of them."
        elif not counted([path], files):
            yield index, f"No file of the step is “{path}”, or below it. Write it as it stands in the step's files."
        seen.add(path)


def counted(paths: Iterable[str], files: Iterable[str]) -> frozenset[str]:
    """Those of these files that are named, match, or lie in a folder that does. `*` stays within a folder."""
    return _counted(tuple(paths), frozenset(files))


@lru_cache(maxsize=2048)  # many steps of a pipeline share their files
def _counted(paths: tuple[str, ...], files: frozenset[str]) -> frozenset[str]:
    return frozenset(_rules(paths).match_files(files))


def _rules(paths: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    """Raises ValueError, re.error for what is no pattern."""
    return pathspec.GitIgnoreSpec.from_lines(f"/{path.strip().removeprefix('./')}" for path in paths)

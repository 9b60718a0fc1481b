"""A folder of files in batches of paths."""

import os

from .planning import Batch, groups
from .refusal import Refused


def file_batches(path, size):
    """Batches of the files below `path`, by their paths. Raises Refused, OSError."""
    found = [path] if os.path.isfile(path) else files_below(path)
    for number, group in enumerate(groups(found, size, os.path.getsize), start=1):
        first = os.path.basename(path) if group[0] == path else os.path.relpath(group[0], path)
        label = printable(first) + (" and {:,} more".format(len(group) - 1) if len(group) > 1 else "")
        yield Batch(number, len(group), group, label)


def files_below(folder):
    """All of them, those that links lead to included, ordered by the parts of their paths."""
    if not os.path.isdir(folder):
        raise Refused("The input to split is neither a file nor a folder. Choose another one.")
    return sorted(walk(folder, ()), key=lambda path: path.split(os.sep))


def walk(folder, above):
    """`above` are the real paths on the way: a link may lead in a circle."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir():
            yield from walk(entry.path, (*above, real))
        elif entry.is_file():
            yield entry.path


def printable(text):
    """As every log takes it."""
    text = text.encode("utf-8", "replace").decode()
    return "".join(each if each.isprintable() else "?" for each in text)

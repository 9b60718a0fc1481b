"""Where the files of an input lie: the same on a node, and wherever else somebody reads what a step read."""

from itertools import takewhile
from urllib.parse import unquote

from compute.execution.reasons import StepFailure
from datastores.backends import Entry
from datastores.paths import is_glob, name_of
from datastores.places import Place

_NAME_BYTES = 200


def is_pattern(place: Place) -> bool:
    """A web address may well hold a question mark."""
    return place.datastore is not None and is_glob(place.path)


def folder_of(glob: str) -> str:
    """The folders that a glob names before its first pattern, with a closing `/`."""
    parts = glob.split("/")[:-1]
    fixed = list(takewhile(lambda part: not is_glob(part), parts))
    return "".join(f"{part}/" for part in fixed)


def relative(entry: Entry, above: str, label: str) -> str:
    """Where a file of a store lies below the input's folder. An object may have any name; a file may not."""
    # What is left out may be the file itself, where nobody knew whether it would be a folder.
    below = name_of(entry.path) if f"{entry.path}/" == above else entry.path.removeprefix(above)
    if any(part in {"", ".", ".."} for part in below.split("/")) or "\0" in below:
        raise StepFailure(
            f"{label}: “{below[:200]}” is no path that a disk can hold. Rename it, or use the mode direct."
        )
    return below


def file_name(place: Place) -> str:
    """What the last part of a path is called here. The query of a web address says nothing about its content."""
    if place.datastore is not None:
        return name_of(place.path)
    name = unquote(name_of(place.path.partition("?")[0])).replace("/", "_").replace("\0", "_")
    while len(name.encode(errors="replace")) > _NAME_BYTES:
        name = name[1:]
    return name if name not in {"", ".", ".."} else "data"

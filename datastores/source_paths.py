"""Names of files in a source folder: which may be, and a sentence for those that may not."""

import unicodedata
from collections.abc import Iterable

MAX_PART_BYTES = 255  # of Linux's file systems
MAX_PATH_BYTES = 1000


def shown(path: str) -> str:
    """`path` as it may stand in a message: control characters made visible, its middle left out where it is long."""
    visible = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
        for character in path
    )
    return visible if len(visible) <= 120 else f"{visible[:80]}…{visible[-35:]}"


def problem_of(path: str) -> str | None:
    """Why `path` can't be the name of a source file, as a sentence that names it; None where it can."""
    name = f"“{shown(path)}”"
    if not path:
        return "A file has no name. Give every file a name."
    if "\\" in path:
        return f"{name} has a backslash in its name. Use “/” between folders."
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in path):
        return f"{name} has a line break or another control character in its name. Rename it."
    if path.startswith(("/", "~/")) or path[1:3] == ":/":
        return f"{name} is an absolute name. Name files relative to the source folder."
    if path.endswith("/"):
        return f"{name} names a folder, not a file. Leave out the “/” at its end."
    parts = path.split("/")
    if ".." in parts:
        return f"{name} leads out of the source folder. Leave out “..”."
    if "." in parts or "" in parts:
        return f"{name} has an empty part or “.” between its slashes. Write it without them."
    if any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return f"{name} is too long: a name may have {MAX_PART_BYTES} bytes. Shorten it."
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"{name} is too long: a name with its folders may have {MAX_PATH_BYTES} bytes. Shorten it."
    return None


def file_below_a_file(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths of which the first would have to be a file and a folder at once, or None."""
    files = set(paths)
    for path in sorted(files):
        parts = path.split("/")
        for end in range(1, len(parts)):
            above = "/".join(parts[:end])
            if above in files:
                return above, path
    return None

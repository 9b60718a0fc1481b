"""The ways of showing a file, the more telling ones first."""

from functools import cache

from django.utils.module_loading import import_string

from datastores.backends import Entry
from datastores.viewing.text import decoded
from datastores.viewing.viewer import Looked, Viewer
from studio.lib.problems import UserError

_VIEWERS = (
    "datastores.viewing.picture.PictureViewer",
    "datastores.viewing.audio.AudioViewer",
    "datastores.viewing.markdown.MarkdownViewer",
    "datastores.viewing.notebook.NotebookViewer",
    "datastores.viewing.table.TableViewer",
    "datastores.viewing.text.TextViewer",
    "datastores.viewing.hexadecimal.HexViewer",
)
# What can be asked for whatever the file is called.
ALWAYS = ("text", "hex")


@cache
def viewers() -> dict[str, Viewer]:
    made: list[Viewer] = [import_string(path)() for path in _VIEWERS]
    return {viewer.name: viewer for viewer in made}


def offered(entry: Entry) -> list[Viewer]:
    """What this file can be shown as, the best first."""
    return [viewer for viewer in viewers().values() if viewer.name in ALWAYS or viewer.fits(entry)]


def chosen(file: Looked, asked: str) -> Viewer:
    """The way that was asked for, else the best one. Raises UserError where it was asked for what there isn't."""
    possible = offered(file.entry)
    if asked:
        found = next((viewer for viewer in possible if viewer.name == asked), None)
        if found is None:
            raise UserError(f"This file can't be shown as “{asked[:40]}”.")
        return found
    return fallback(file) if possible[0].name in ALWAYS else possible[0]


def fallback(file: Looked) -> Viewer:
    """Text for what is text, and bytes for everything else."""
    return viewers()["text" if decoded(file.head, is_cut=len(file.head) < file.size_bytes) else "hex"]

"""Pictures: drawn as they are where browsers can, else as a copy that the studio makes."""

from typing import Any, ClassVar

from datastores.tabular import isolated
from datastores.viewing.pixels import Facts
from datastores.viewing.viewer import Looked, Viewer
from studio.lib.downloads import image_type
from studio.lib.problems import UserError

DRAWN_BYTES = 20 * 1024**2  # as it is
READ_BYTES = 64 * 1024**2  # to make a smaller copy of it
MEMORY_BYTES = 1024**3
DEADLINE_S = 15.0
LARGE_EDGE, SMALL_EDGE = 1600, 96
PRELOAD = ("PIL.Image", "PIL.ImageOps")


class PictureViewer(Viewer):
    name: ClassVar[str] = "picture"
    label: ClassVar[str] = "Picture"
    template: ClassVar[str] = "datastores/parts/viewers/picture.html"
    suffixes: ClassVar[frozenset[str]] = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"})

    def look(self, file: Looked) -> dict[str, Any]:
        facts = isolated.call(
            "datastores.viewing.pixels:facts",
            {"content": whole(file)},
            returns=Facts,
            deadline_s=DEADLINE_S,
            memory_bytes=MEMORY_BYTES,
            preload=PRELOAD,
        )
        is_drawn = image_type(file.entry.name) is not None and file.size_bytes <= DRAWN_BYTES
        return {"facts": facts, "is_drawn": is_drawn, "edge": LARGE_EDGE}


def thumbnail(file: Looked, edge: int) -> bytes:
    """A copy as WebP whose longer side has at most `edge` pixels. Raises UserError where it is no picture."""
    return isolated.call(
        "datastores.viewing.pixels:smaller",
        {"content": whole(file), "edge": edge},
        returns=bytes,
        deadline_s=DEADLINE_S,
        memory_bytes=MEMORY_BYTES,
        preload=PRELOAD,
    )


def whole(file: Looked) -> bytes:
    if file.size_bytes > READ_BYTES:
        raise UserError("This picture is too large to be drawn here. Download it to see it.")
    return file.part(0, file.size_bytes)

"""Any file as bytes, a page of them at a time."""

from typing import Any, ClassVar

from datastores.viewing.viewer import Looked, Viewer
from studio.lib.problems import UserError

PAGE_BYTES = 4096
LINE_BYTES = 16


class HexViewer(Viewer):
    name: ClassVar[str] = "hex"
    label: ClassVar[str] = "Bytes"
    template: ClassVar[str] = "datastores/parts/viewers/hex.html"

    def look(self, file: Looked) -> dict[str, Any]:
        start = _start(file.wishes.get("from", ""))
        if start and start >= file.size_bytes:
            raise UserError("The file ends before that.")
        content = file.part(start, PAGE_BYTES)
        end = start + len(content)
        return {
            "lines": [_line(start + at, content[at : at + LINE_BYTES]) for at in range(0, len(content), LINE_BYTES)],
            "start": start,
            "end": end,
            "before": max(0, start - PAGE_BYTES) if start else None,
            "after": end if end < file.size_bytes else None,
        }


def _start(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        return 0
    return int(text) // LINE_BYTES * LINE_BYTES


def _line(at: int, content: bytes) -> tuple[str, str, str]:
    """Its place, its bytes, and those of them that ASCII can show."""
    pairs = content.hex(" ")
    letters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in content)
    return f"{at:08x}", f"{pairs:<47}", letters
